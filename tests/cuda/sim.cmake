# sim.cmake - the CUDA backend on the processor: the sources of cuda/, with the CUDA runtime, convolutions and products
# of sim_*.c, as a module cfp_cudasim.so in a directory of its own.  It needs a C++ compiler.
include(CheckLanguage)
check_language(CXX)
if(NOT CMAKE_CXX_COMPILER)
    foreach(test check_backends_cudasim batch_cudasim replay_cudasim render_cudasim batch_cudasim_by_shape autotune_cudasim check_backends_cudasim_bf16 check_backends_cudasim_fp16 cudasim cudasim_autotune simulator_cudasim checked_cudasim
            checked_cudasim_all method_cudasim
            evaluate_cudasim explain_cudasim agreement_cudasim graph_nodes ranges)
        cfp_test(${test} cuda 60 bash -c "echo 'skipped: no C++ compiler' && exit 77")
    endforeach()
    return()
endif()
enable_language(CXX)

set(cuda "${CMAKE_SOURCE_DIR}/cuda")
include(${cuda}/sources.cmake)
set(CFP_SIM_DIR "${CMAKE_CURRENT_BINARY_DIR}/modules")
set(kernels ${CFP_CUDA_KERNELS})
list(TRANSFORM kernels PREPEND "${cuda}/")
set_source_files_properties(${kernels} PROPERTIES LANGUAGE CXX)

# The kernels, as C++; cfp_flags has options of C.
add_library(sim_kernels OBJECT ${kernels})
target_include_directories(sim_kernels PRIVATE . sim)
target_compile_features(sim_kernels PRIVATE cxx_std_17)
target_compile_options(sim_kernels PRIVATE -ffp-contract=off -Wall -Wextra -Wshadow $<$<BOOL:${CFP_WERROR}>:-Werror>)
# Under sanitizers the kernels are compiled without checks: sim_kernels_checked, in the release build, checks each access.
if(NOT CFP_SANITIZE) # a GPU faults if 16 bytes are loaded from an address that is no multiple of 16
    target_compile_options(sim_kernels PRIVATE -fsanitize=alignment -fsanitize-undefined-trap-on-error)
endif()
set_target_properties(sim_kernels PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden)

set(sources ${CFP_CUDA_SOURCES} conv_spec.c)
list(TRANSFORM sources PREPEND "${cuda}/")

# Ranges, as on a GPU, if there are NVTX headers.  A library of its own: nothing else may see CUDA's real headers.
add_library(sim_ranges OBJECT sim_ranges.c)
if(TARGET nvtx)
    set_property(TARGET sim_ranges PROPERTY SOURCES ${cuda}/ranges.c sim_profiler.c)
    target_link_libraries(sim_ranges PRIVATE nvtx)
endif()
target_link_libraries(sim_ranges PRIVATE cfp_flags)
set_target_properties(sim_ranges PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
set(runtime sim_capture.c sim_fail.c sim_memory.c sim_runtime.c sim_streams.c sim_time.c)
set(module_sources ${sources} ${runtime} sim_conv.c sim_linear.c ${CFP_MODULE_BASE}
    ${CMAKE_SOURCE_DIR}/host/backend/op_facts.c ${CMAKE_SOURCE_DIR}/host/model/ops.c)
add_library(sim_backend OBJECT ${module_sources})
set_target_properties(sim_backend PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
target_include_directories(sim_backend PRIVATE sim)
target_compile_definitions(sim_backend PRIVATE CUDA_BACKEND_NAME="cudasim")
target_link_libraries(sim_backend PRIVATE cfp_flags)
function(sim_module name directory)
    add_library(${name} MODULE ${ARGN})
    set_target_properties(${name} PROPERTIES PREFIX "" OUTPUT_NAME cfp_cudasim SUFFIX ".so" C_VISIBILITY_PRESET hidden
        LIBRARY_OUTPUT_DIRECTORY "${directory}" LINKER_LANGUAGE CXX)
    target_link_options(${name} PRIVATE ${CFP_MODULE_LINKS})
    target_link_libraries(${name} PRIVATE sim_backend sim_ranges cfp_flags m)
endfunction()
sim_module(cfp_cudasim "${CFP_SIM_DIR}" $<TARGET_OBJECTS:sim_kernels>)

# The same with every memory access of the kernels checked (sim_check.h), for a part of the tests because it is slower;
# and the test that the simulator finds faults.  -fsanitize=thread cannot be combined with another sanitizer.
if(NOT CFP_SANITIZE)
    set(CFP_SIM_CHECKED_DIR "${CMAKE_CURRENT_BINARY_DIR}/modules-checked")
    set(checked -fsanitize=thread --param=tsan-instrument-func-entry-exit=0)
    if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
        set(checked -fsanitize=thread -mllvm -tsan-instrument-func-entry-exit=0)
    endif()
    add_library(sim_kernels_checked OBJECT ${kernels})
    add_library(sim_mutants OBJECT sim_mutants.cpp)
    foreach(target sim_kernels_checked sim_mutants)
        target_include_directories(${target} PRIVATE . sim)
        target_compile_features(${target} PRIVATE cxx_std_17)
        target_compile_options(${target} PRIVATE -O1 -fno-threadsafe-statics -ffp-contract=off ${checked})
        set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden)
    endforeach()
    sim_module(cfp_cudasim_checked "${CFP_SIM_CHECKED_DIR}" sim_check.c $<TARGET_OBJECTS:sim_kernels_checked>)
    set(cases 8)
    if(CFP_FULL)
        set(cases 40)
    endif()
    cfp_test(checked_cudasim_all cuda 600 check_backends --device cudasim --module-dir "${CFP_SIM_CHECKED_DIR}"
        --seeds 1 --cases ${cases})
    add_executable(test_simulator test_simulator.c ${runtime} sim_check.c)
    target_include_directories(test_simulator PRIVATE sim)
    target_link_libraries(test_simulator PRIVATE sim_kernels_checked sim_mutants cfp_flags m)
    cfp_test(simulator_cudasim cuda 60 test_simulator)
endif()

# The program beside the module, where it looks for modules.
add_custom_command(OUTPUT "${CFP_SIM_DIR}/cfp-gpu" DEPENDS cfp-gpu
    COMMAND ${CMAKE_COMMAND} -E copy $<TARGET_FILE:cfp-gpu> "${CFP_SIM_DIR}/cfp-gpu")
add_custom_target(sim_program ALL DEPENDS "${CFP_SIM_DIR}/cfp-gpu")
set(program "${CFP_SIM_DIR}/cfp-gpu")

# Every op and primitive, forward and backward-data, against ref; test_cudasim for the rest; whole explanations.
set(seeds 1)
set(networks 2)
set(cases 40)     # of relevance
set(half_cases 8) # relevance does not depend on the precision
if(CFP_FULL)
    set(seeds 4)
    set(networks 3)
    set(cases 160)
    set(half_cases 160)
endif()
set(halves bf16 fp16)
set(skip)
if(CFP_SANITIZE) # the host's side of each op; it is the same in every precision, and whole explanations use the primitives
    set(seeds 0)
    set(cases 1)
    set(skip --skip primitives)
    set(halves)
endif()
cfp_test(check_backends_cudasim cuda 600 check_backends --device cudasim --module-dir "${CFP_SIM_DIR}" --seeds ${seeds}
    --cases ${cases} ${skip})
foreach(half ${halves})
    cfp_test(check_backends_cudasim_${half} cuda 600 check_backends --device cudasim --module-dir "${CFP_SIM_DIR}"
        --seeds 1 --cases ${half_cases} --precision ${half})
endforeach()
cfp_test(batch_cudasim cuda 120 test_batch --device cudasim --module-dir "${CFP_SIM_DIR}")
cfp_test(render_cudasim cuda 120 test_render --device cudasim --module-dir "${CFP_SIM_DIR}")
if(CFP_FULL) # the same code as batch_cudasim, compared as on a GPU
    cfp_test(batch_cudasim_by_shape cuda 600 test_batch --device cudasim --module-dir "${CFP_SIM_DIR}" --sums by-shape)
endif()
add_executable(test_cudasim test_cudasim.c)
target_link_libraries(test_cudasim PRIVATE libcfp cfp_flags m ${CMAKE_DL_LIBS})
cfp_test(cudasim cuda 120 test_cudasim "${CFP_SIM_DIR}")
add_executable(test_cudasim_autotune test_cudasim_autotune.c)
target_link_libraries(test_cudasim_autotune PRIVATE libcfp cfp_flags m ${CMAKE_DL_LIBS})
cfp_test(cudasim_autotune cuda 120 test_cudasim_autotune "${CFP_SIM_DIR}")
if(NOT CFP_SANITIZE)
    cfp_test(checked_cudasim cuda 120 test_cudasim "${CFP_SIM_CHECKED_DIR}")
endif()
# These compare numbers.  Under sanitizers, check_backends_cudasim and batch_cudasim run the kernels.
if(NOT CFP_SANITIZE)
    cfp_test(replay_cudasim cuda 120 test_replay --device cudasim --module-dir "${CFP_SIM_DIR}")
    cfp_test(method_cudasim cuda 600 ${CFP_PYTHON} "${CMAKE_SOURCE_DIR}/tests/oracle/check_method.py" --cfp "${program}"
        --device cudasim --seeds ${networks})
    cfp_test(evaluate_cudasim cuda 300 ${CFP_PYTHON} "${CMAKE_SOURCE_DIR}/tests/check_evaluate.py" --cfp "${program}"
        --device cudasim --once)
    cfp_test(explain_cudasim cuda 600 ${CFP_PYTHON} "${CMAKE_CURRENT_SOURCE_DIR}/check_device.py" --cfp "${program}"
        --device cudasim --layers "fiber*" "${CMAKE_SOURCE_DIR}/weights/motion.h5"
        "${CMAKE_SOURCE_DIR}/datasets/motion/up.mp4")
endif()
if(CFP_FULL) # the same in tf32, bf16 and fp16: how far they agree
    cfp_test(agreement_cudasim cuda 600 ${CFP_PYTHON} "${CMAKE_CURRENT_SOURCE_DIR}/check_agreement.py" --cfp "${program}"
        --device cudasim --seeds ${networks} "${CMAKE_SOURCE_DIR}/weights/motion.h5" "${CMAKE_SOURCE_DIR}/datasets/motion/up.mp4")
endif()

# How many nodes the graphs of a ResNet-50 have.
if(NOT CFP_SANITIZE)
    cfp_test(graph_nodes cuda 300 ${CFP_PYTHON} "${CMAKE_CURRENT_SOURCE_DIR}/check_graph_nodes.py" --cfp "${program}")
endif()

# Autotune, with invented times.
if(NOT CFP_SANITIZE) # cudasim_autotune reads and writes the file of choices there
    cfp_test(autotune_cudasim cuda 300 bash "${CMAKE_CURRENT_SOURCE_DIR}/check_autotune.sh" "${program}" ${CFP_PYTHON})
endif()

# The ranges that a profiler gets.
if(TARGET nvtx)
    add_library(nvtx_recorder MODULE nvtx_recorder.c)
    target_link_libraries(nvtx_recorder PRIVATE nvtx cfp_flags)
    cfp_test(ranges cuda 300 ${CFP_PYTHON} "${CMAKE_CURRENT_SOURCE_DIR}/check_ranges.py" --cfp "${program}"
        --recorder $<TARGET_FILE:nvtx_recorder> --device cudasim "${CMAKE_SOURCE_DIR}/weights/motion.h5"
        "${CMAKE_SOURCE_DIR}/datasets/motion/up.mp4")
else()
    cfp_test(ranges cuda 60 bash -c "echo 'skipped: no NVTX headers were found' && exit 77")
endif()

cfp_costs(check_backends_cudasim 30 check_backends_cudasim_bf16 25 check_backends_cudasim_fp16 25 batch_cudasim 10
    method_cudasim 8 ranges 8 explain_cudasim 6 evaluate_cudasim 6 render_cudasim 4)
