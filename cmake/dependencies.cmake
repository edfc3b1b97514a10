# Finds the libraries that we link, as imported targets.  The reference are the packages of Debian 12:
#   libhdf5-dev libseccomp-dev libdnnl-dev libavformat-dev libavcodec-dev libswscale-dev libpng-dev libcairo2-dev libsqlite3-dev libtiff-dev zlib1g-dev libarchive-dev libjs-d3
find_package(PkgConfig REQUIRED)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

# HDF5 by pkg-config, because CMake's module asks the wrapper compiler and returns lists of libraries, not targets.
pkg_search_module(HDF5 REQUIRED IMPORTED_TARGET hdf5>=1.10.5 hdf5-serial>=1.10.5)
# libseccomp limits what the process that reads an HDF5 file may do (host/h5/h5_child.c).
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp>=2.4)

# oneDNN 2.6 to 3.x (host/backend/cpu/cpu_dnnl_compat.h); -DCMAKE_PREFIX_PATH=FOLDER finds one in another folder.
# Not by find_package(dnnl): Debian's file for it needs the headers of OpenCL, which are not used here.
function(cfp_dnnl_version version include_dir)
    file(STRINGS "${include_dir}/oneapi/dnnl/dnnl_version.h" numbers REGEX "define DNNL_VERSION_(MAJOR|MINOR|PATCH)")
    string(REGEX REPLACE "[^0-9;]" "" numbers "${numbers}")
    list(JOIN numbers "." numbers)
    set(${version} "${numbers}" PARENT_SCOPE)
endfunction()
find_path(DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.h REQUIRED)
find_library(DNNL_LIBRARY dnnl REQUIRED)
cfp_dnnl_version(DNNL_VERSION "${DNNL_INCLUDE_DIR}")
if(NOT DNNL_VERSION VERSION_GREATER_EQUAL 2.6 OR NOT DNNL_VERSION VERSION_LESS 4)
    message(FATAL_ERROR "oneDNN ${DNNL_VERSION} found; 2.6 up to, but not including, 4.0 is wanted (Debian: libdnnl-dev)")
endif()
add_library(DNNL::dnnl UNKNOWN IMPORTED)
set_target_properties(DNNL::dnnl PROPERTIES IMPORTED_LOCATION "${DNNL_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${DNNL_INCLUDE_DIR}")
find_package(OpenMP REQUIRED COMPONENTS C) # the same runtime (libgomp) as Debian's oneDNN

pkg_check_modules(FFMPEG REQUIRED IMPORTED_TARGET
    libavformat>=59 libavcodec>=59 libavutil>=57 libswscale>=6)
pkg_check_modules(SWSCALE REQUIRED IMPORTED_TARGET libswscale libavutil)
# libavformat and libavcodec are not linked: host/base/libav.h loads them when they are needed, because they load 72
# others.  They are searched where libswscale is.
target_include_directories(PkgConfig::SWSCALE SYSTEM INTERFACE ${FFMPEG_INCLUDE_DIRS})
pkg_check_modules(PNG REQUIRED IMPORTED_TARGET libpng>=1.6)
pkg_check_modules(CAIRO REQUIRED IMPORTED_TARGET cairo>=1.16)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(TIFF REQUIRED IMPORTED_TARGET libtiff-4>=4.5)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(ARCHIVE IMPORTED_TARGET libarchive>=3.4) # tars of frames; optional

set(CFP_LIBRARIES PkgConfig::HDF5 PkgConfig::SECCOMP DNNL::dnnl OpenMP::OpenMP_C PkgConfig::SWSCALE PkgConfig::PNG
    PkgConfig::CAIRO PkgConfig::SQLITE PkgConfig::TIFF PkgConfig::ZLIB Threads::Threads ${CMAKE_DL_LIBS} m)

if(ARCHIVE_FOUND)
    list(INSERT CFP_LIBRARIES 0 PkgConfig::ARCHIVE)
    set_property(SOURCE host/clip/source_tar.c APPEND PROPERTY COMPILE_DEFINITIONS CFP_HAS_ARCHIVE)
else()
    set(ARCHIVE_VERSION 0)
    message(STATUS "libarchive is not here (Debian: libarchive-dev): tars of frames will be refused")
endif()

# D3 3.x.  All of it goes into report.html, so that the page needs no network.
find_file(CFP_D3 d3.min.js PATHS /usr/share/javascript/d3 DOC "D3 3.x, minified, for report.html" NO_DEFAULT_PATH)
if(NOT CFP_D3)
    message(FATAL_ERROR "D3 is not here (Debian: libjs-d3); elsewhere say -DCFP_D3=/path/to/d3.min.js of D3 3.x")
endif()
file(READ "${CFP_D3}" d3_head LIMIT 2000)
if(NOT d3_head MATCHES "version: ?\"3[.]")
    message(FATAL_ERROR "${CFP_D3} is not D3 3.x, which report.html is written for")
endif()
