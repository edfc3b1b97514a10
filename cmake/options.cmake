# Says how our code is compiled: an interface target, cfp_flags, which every target links.
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_library(cfp_flags INTERFACE)
target_compile_definitions(cfp_flags INTERFACE _GNU_SOURCE= _FILE_OFFSET_BITS=64)
target_include_directories(cfp_flags INTERFACE "${CMAKE_BINARY_DIR}/generated")
target_compile_options(cfp_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wundef
    -Wstrict-prototypes -Wmissing-prototypes $<$<BOOL:${CFP_WERROR}>:-Werror>)
if(CFP_SANITIZE)
    # AddressSanitizer finds null pointers and what is outside an object; the checks of UBSan for them would only cost.
    set(sanitizers -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-sanitize=null,object-size)
    # -g1 is enough for the lines of a report.  Tracking variables through instrumented code took half the build.
    # A target that has the property CFP_UNCHECKED is compiled without sanitizers.
    set(checked "$<NOT:$<BOOL:$<TARGET_PROPERTY:CFP_UNCHECKED>>>")
    target_compile_options(cfp_flags INTERFACE "$<${checked}:${sanitizers};-O1;-g1;-fno-omit-frame-pointer>")
    target_link_options(cfp_flags INTERFACE ${sanitizers})
endif()

# A module that lacks a function must fail when it is linked, not when a user loads it.  (A sanitizer's
# functions come from the program.)
set(CFP_MODULE_LINKS "")
if(NOT CFP_SANITIZE AND NOT APPLE)
    set(CFP_MODULE_LINKS -Wl,--no-undefined)
endif()

# cfp_check_by_calls(FILE...): with GCC's AddressSanitizer, checks by calls instead of inline.  The same
# checks, but in large unrolled kernels the inline ones take minutes to compile.
function(cfp_check_by_calls)
    if(CFP_SANITIZE AND CMAKE_C_COMPILER_ID STREQUAL GNU)
        set_source_files_properties(${ARGN} PROPERTIES
            COMPILE_OPTIONS "--param;asan-instrumentation-with-call-threshold=0")
    endif()
endfunction()

# cfp_compile_lanes(TARGET NAME OPTION...): compiles CFP_LANE_SOURCES for the instruction set NAME.
function(cfp_compile_lanes target name)
    string(TOUPPER "CFP_LANES_${name}" definition)
    add_library(${target} OBJECT ${CFP_LANE_SOURCES})
    target_compile_definitions(${target} PRIVATE ${definition})
    target_compile_options(${target} PRIVATE ${ARGN})
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
    target_link_libraries(${target} PRIVATE cfp_flags OpenMP::OpenMP_C)
endfunction()

# cfp_add_lanes(NAME OPTION...): kernels of the library.  It tells lanes.c that they are there.  Under sanitizers they
# are compiled without checks, which took three quarters of the time of every explanation there.
function(cfp_add_lanes name)
    cfp_compile_lanes(lanes_${name} ${name} ${ARGN})
    set_target_properties(lanes_${name} PROPERTIES CFP_UNCHECKED ${CFP_SANITIZE})
    string(TOUPPER "CFP_HAS_LANES_${name}" has)
    set_property(SOURCE host/backend/cpu/lanes.c APPEND PROPERTY COMPILE_DEFINITIONS ${has})
    set(CFP_LANE_OBJECTS ${CFP_LANE_OBJECTS} $<TARGET_OBJECTS:lanes_${name}> PARENT_SCOPE)
endfunction()

# Installed programs look for libraries in the folders of the libraries that they were linked with.  CMake would give
# the build tree another path, and pad it with an empty element to make space for the installed one.  An empty element
# means the current folder, and a library that somebody put there would be run.  So installed targets have their final
# path from the start (tests/check_rpath.sh).
function(cfp_set_rpath target)
    set_target_properties(${target} PROPERTIES BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH_USE_LINK_PATH ON)
endfunction()
