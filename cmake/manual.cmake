# Makes man pages and shell completions.  cfp-manual, a program of the build, writes them from the tables of commands
# and options.  It has the objects of cfp-gpu and another main.
add_executable(cfp-manual host/program/manual.c host/program/manual_page.c host/program/manual_shells.c
    $<FILTER:$<TARGET_OBJECTS:cfp-gpu>,EXCLUDE,/main[.]c[.]o$>)
target_link_libraries(cfp-manual PRIVATE libcfp cfp_flags OpenMP::OpenMP_C Threads::Threads ${CMAKE_DL_LIBS} m)
cfp_set_rpath(cfp-manual)

set(manual "${CMAKE_BINARY_DIR}/generated/manual")
add_custom_command(OUTPUT "${manual}/_cfp-gpu"
    COMMAND "${CMAKE_COMMAND}" -E rm -rf "${manual}"
    COMMAND cfp-manual "${manual}"
    DEPENDS cfp-manual VERBATIM)
add_custom_target(manual ALL DEPENDS "${manual}/_cfp-gpu")

install(DIRECTORY "${manual}/man1" DESTINATION "${CMAKE_INSTALL_MANDIR}")
install(FILES "${manual}/cfp-gpu.bash" DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions" RENAME cfp-gpu)
install(FILES "${manual}/_cfp-gpu" DESTINATION "${CMAKE_INSTALL_DATADIR}/zsh/site-functions")
install(FILES "${manual}/cfp-gpu.fish" DESTINATION "${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d")
