# cpack reads this first: it adds the packages of the libraries in CPACK_CFP_OPENED to those that the Debian package
# depends on.  The package of a library says in its file "shlibs" which version a program wants that uses it.
set(depends "")
foreach(library ${CPACK_CFP_OPENED})
    file(REAL_PATH "${library}" library)
    execute_process(COMMAND dpkg-query -S "${library}" OUTPUT_VARIABLE owner RESULT_VARIABLE failed)
    if(failed)
        message(FATAL_ERROR "${library} belongs to no Debian package, so no package can depend on it")
    endif()
    string(REGEX REPLACE ": .*" "" owner "${owner}") # libavcodec59:amd64: /usr/lib/...
    execute_process(COMMAND dpkg-query --control-show "${owner}" shlibs OUTPUT_VARIABLE shlibs COMMAND_ERROR_IS_FATAL ANY)
    if(NOT shlibs MATCHES "(^|\n)libav[a-z]+ [0-9]+ ([^\n]+)")
        message(FATAL_ERROR "${owner} does not say how other packages depend on it")
    endif()
    list(APPEND depends "${CMAKE_MATCH_2}")
endforeach()
list(JOIN depends ", " CPACK_DEBIAN_PACKAGE_DEPENDS)
