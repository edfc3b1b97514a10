# FindCUDNN.cmake - finds cuDNN 9 (its graph API) as CUDNN::cudnn, with CUDNN_VERSION.
# It looks in CUDNN_ROOT (variable or environment), in the CUDA toolkit, in the distribution's folders, and in the folders
# of pip's package nvidia-cudnn (include/, and lib/libcudnn.so.9 without libcudnn.so).
find_package(Python3 QUIET COMPONENTS Interpreter)
set(cudnn_hints ${CUDNN_ROOT} $ENV{CUDNN_ROOT} ${CUDAToolkit_LIBRARY_ROOT} ${CUDAToolkit_TARGET_DIR})
if(Python3_FOUND)
    execute_process(COMMAND ${Python3_EXECUTABLE} -c
        "import importlib.util as u; s = u.find_spec('nvidia.cudnn'); print(list(s.submodule_search_locations)[0])"
        OUTPUT_VARIABLE cudnn_of_pip OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    list(APPEND cudnn_hints ${cudnn_of_pip})
endif()

find_path(CUDNN_INCLUDE_DIR cudnn_graph.h HINTS ${cudnn_hints} ${CUDAToolkit_INCLUDE_DIRS} PATH_SUFFIXES include)
# One folder after the other, both names in each: else a libcudnn.so of the system wins over CUDNN_ROOT.
find_library(CUDNN_LIBRARY NAMES cudnn libcudnn.so.9 NAMES_PER_DIR HINTS ${cudnn_hints} ${CUDAToolkit_LIBRARY_DIR}
    PATH_SUFFIXES lib lib64)
if(CUDNN_INCLUDE_DIR AND EXISTS "${CUDNN_INCLUDE_DIR}/cudnn_version.h")
    file(STRINGS "${CUDNN_INCLUDE_DIR}/cudnn_version.h" CUDNN_VERSION REGEX "define CUDNN_(MAJOR|MINOR|PATCHLEVEL) ")
    string(REGEX REPLACE "[^0-9;]" "" CUDNN_VERSION "${CUDNN_VERSION}")
    list(JOIN CUDNN_VERSION "." CUDNN_VERSION)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CUDNN REQUIRED_VARS CUDNN_LIBRARY CUDNN_INCLUDE_DIR CUDNN_VERSION
    VERSION_VAR CUDNN_VERSION)
if(CUDNN_FOUND AND NOT TARGET CUDNN::cudnn)
    add_library(CUDNN::cudnn UNKNOWN IMPORTED)
    set_target_properties(CUDNN::cudnn PROPERTIES IMPORTED_LOCATION "${CUDNN_LIBRARY}"
        INTERFACE_INCLUDE_DIRECTORIES "${CUDNN_INCLUDE_DIR}")
endif()
mark_as_advanced(CUDNN_LIBRARY CUDNN_INCLUDE_DIR)
