# cpack -G DEB: makes one Debian package of everything that cmake --install installs.  dpkg-shlibdeps finds its
# dependencies in the binaries.  D3 is not among them, because report.html holds it.  Fonts are only recommended.
#
# The CUDA module is left out: cuDNN often is no Debian package, and dpkg-shlibdeps then finds no name for it.
option(CFP_PACKAGE_CUDA "the CUDA module goes into the Debian package; cuDNN and cuBLAS must be Debian packages here" OFF)
set(CPACK_PACKAGE_NAME cfp-gpu)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "explain video classifiers with Class Feature Pyramids")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "Finds which kernels of a 3-D convolutional network a prediction rests on, at
every depth of the network, and shows where and when in the clip they fire.
Holds the program, its library with the header, a small model and eight clips.")
set(CPACK_PACKAGE_CONTACT "The cfp-gpu authors <cfp-gpu@example.org>" CACHE STRING "who answers for the Debian package")
set(CPACK_PACKAGE_DIRECTORY "${CMAKE_BINARY_DIR}/package")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_PRE_BUILD_SCRIPTS "${CMAKE_SOURCE_DIR}/cmake/package_files.cmake")
set(CPACK_COMPONENTS_ALL Unspecified)
if(CFP_PACKAGE_CUDA)
    list(APPEND CPACK_COMPONENTS_ALL cuda)
endif()
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "fonts-dejavu-core")
# It does not find those that the program opens by name (host/base/libav.h).
set(CPACK_CFP_OPENED "${pkgcfg_lib_FFMPEG_avcodec};${pkgcfg_lib_FFMPEG_avformat}")
set(CPACK_PROJECT_CONFIG_FILE "${CMAKE_SOURCE_DIR}/cmake/package_depends.cmake")
include(CPack)
