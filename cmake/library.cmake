# Installs libcfp for other programs: one header, a shared and a static library, and the files by which pkg-config and
# CMake find them.  Both libraries export the names of host/cfp.h and no others.
#
# Sanitizer builds have no library: it would work only in programs that load AddressSanitizer first.
if(CFP_SANITIZE)
    return()
endif()

# SOVERSION is raised whenever a struct or a function of cfp.h changes (CONTRIBUTING.md).
add_library(libcfp_shared SHARED $<TARGET_OBJECTS:cfp_objects> ${CFP_LANE_OBJECTS})
set_target_properties(libcfp_shared PROPERTIES OUTPUT_NAME cfp EXPORT_NAME cfp VERSION ${PROJECT_VERSION} SOVERSION 0)
target_link_libraries(libcfp_shared PRIVATE ${CFP_LIBRARIES})
target_link_options(libcfp_shared PRIVATE -Wl,--no-undefined "-Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/libcfp.map")
set_target_properties(libcfp_shared PROPERTIES LINK_DEPENDS "${CMAKE_SOURCE_DIR}/cmake/libcfp.map")
target_include_directories(libcfp_shared INTERFACE "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
cfp_set_rpath(libcfp_shared)

# The static library is one object, in which all names that are not exported are local.
set(static_folder "${CMAKE_BINARY_DIR}/static")
set(static_library "${static_folder}/libcfp.a")
add_custom_command(OUTPUT "${static_library}"
    COMMAND "${CMAKE_COMMAND}" -E make_directory "${static_folder}"
    COMMAND "${CMAKE_COMMAND}" -E rm -f "${static_library}"
    COMMAND "${CMAKE_LINKER}" -r -d -o "${static_folder}/libcfp.o" $<TARGET_OBJECTS:cfp_objects> ${CFP_LANE_OBJECTS}
    COMMAND "${CMAKE_OBJCOPY}" --localize-hidden --wildcard "--localize-symbol=.gomp_*" "${static_folder}/libcfp.o"
    COMMAND "${CMAKE_AR}" rcs "${static_library}" "${static_folder}/libcfp.o"
    DEPENDS cfp_objects $<TARGET_OBJECTS:cfp_objects> ${CFP_LANE_OBJECTS} COMMAND_EXPAND_LISTS VERBATIM)
add_custom_target(libcfp_static ALL DEPENDS "${static_library}")

# The libraries that a program has to link together with the static library: those that we link.  They are shared
# libraries and load their own dependencies, so these are not listed, as Requires.private would do.
set(needs ${HDF5_LDFLAGS} ${SECCOMP_LDFLAGS} ${SWSCALE_LDFLAGS} ${PNG_LDFLAGS} ${CAIRO_LDFLAGS} ${SQLITE_LDFLAGS}
    ${TIFF_LDFLAGS} ${ZLIB_LDFLAGS} ${ARCHIVE_LDFLAGS})
get_filename_component(dnnl_folder "${DNNL_LIBRARY}" DIRECTORY)
if(NOT dnnl_folder IN_LIST CMAKE_C_IMPLICIT_LINK_DIRECTORIES)
    list(APPEND needs "-L${dnnl_folder}")
endif()
set(CFP_NEEDS ${needs} -ldnnl -lgomp -lpthread -ldl -lm)
list(REMOVE_DUPLICATES CFP_NEEDS)
list(JOIN CFP_NEEDS " " CFP_PC_NEEDS)
include(CMakePackageConfigHelpers)
file(RELATIVE_PATH CFP_PC_PREFIX "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" CFP_PC_PREFIX "${CFP_PC_PREFIX}")
configure_file(cmake/cfp.pc.in generated/cfp.pc @ONLY)
configure_package_config_file(cmake/cfp-config.cmake.in generated/cfp-config.cmake
    INSTALL_DESTINATION "${CMAKE_INSTALL_LIBDIR}/cmake/cfp" PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(generated/cfp-config-version.cmake COMPATIBILITY SameMinorVersion)

install(TARGETS libcfp_shared EXPORT cfp-targets LIBRARY)
install(FILES "${static_library}" DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(FILES host/cfp.h DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/cfp")
install(FILES "${CMAKE_BINARY_DIR}/generated/cfp.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
install(FILES "${CMAKE_BINARY_DIR}/generated/cfp-config.cmake" "${CMAKE_BINARY_DIR}/generated/cfp-config-version.cmake"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}/cmake/cfp")
install(EXPORT cfp-targets NAMESPACE cfp:: DESTINATION "${CMAKE_INSTALL_LIBDIR}/cmake/cfp")
