# cfp_check_headers(target): compiles every header under host/ alone.  It is the only place with a
# glob, so that it finds headers that no list names.
function(cfp_check_headers target)
    file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE "${CMAKE_SOURCE_DIR}/host" "${CMAKE_SOURCE_DIR}/host/*.h")
    list(FILTER headers EXCLUDE REGEX "lane_vec_") # vector operations: lane.h includes the right one
    set(sources)
    foreach(header ${headers})
        string(MAKE_C_IDENTIFIER "${header}" name)
        set(source "${CMAKE_CURRENT_BINARY_DIR}/headers/${name}.c")
        file(CONFIGURE OUTPUT "${source}" CONTENT "#include \"${CMAKE_SOURCE_DIR}/host/${header}\"\ntypedef int ${name}_;\n")
        list(APPEND sources "${source}")
    endforeach()
    add_library(${target} OBJECT ${sources})
    target_link_libraries(${target} PRIVATE cfp_flags ${CFP_LIBRARIES})
endfunction()
