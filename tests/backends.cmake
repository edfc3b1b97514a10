# backends.cmake - the tests of host/backend/: test_device with its modules, check_backends.

# Modules made from fake_module.c, in a separate directory, so that nothing finds them by accident.
set(CFP_FAKES "${CMAKE_CURRENT_BINARY_DIR}/modules")
function(cfp_fake_module name)
    add_library(fake_${name} MODULE fake_module.c ${ARGN})
    set_target_properties(fake_${name} PROPERTIES PREFIX "" OUTPUT_NAME cfp_${name} SUFFIX ".so"
        C_VISIBILITY_PRESET default LIBRARY_OUTPUT_DIRECTORY "${CFP_FAKES}")
    target_link_options(fake_${name} PRIVATE ${CFP_MODULE_LINKS})
    target_link_libraries(fake_${name} PRIVATE cfp_flags m)
endfunction()
set(host "${CMAKE_SOURCE_DIR}/host")
set(CFP_REF_SOURCES ${CFP_MODULE_BASE} ${host}/backend/op_facts.c
    ${host}/backend/ref/ref_backend.c ${host}/backend/ref/ref_conv.c ${host}/backend/ref/ref_frames.c
    ${host}/backend/ref/ref_pool.c
    ${host}/backend/ref/ref_pointwise.c ${host}/backend/ref/ref_combine.c ${host}/backend/ref/ref_norm.c
    ${host}/backend/ref/ref_move.c ${host}/backend/ref/ref_primitives.c
    ${host}/backend/ref/ref_pairs.c ${host}/backend/ref/ref_relevance.c)
add_library(fake_ref OBJECT ${CFP_REF_SOURCES}) # compiled once for three modules
set_target_properties(fake_ref PROPERTIES POSITION_INDEPENDENT_CODE ON)
target_link_libraries(fake_ref PRIVATE cfp_flags)
cfp_fake_module(fake $<TARGET_OBJECTS:fake_ref>)    # right: ref under another name
cfp_fake_module(renamed $<TARGET_OBJECTS:fake_ref>) # says it is "fake"
cfp_fake_module(holed $<TARGET_OBJECTS:fake_ref>)
target_compile_definitions(fake_holed PRIVATE FAKE_HOLED)
set(torn_fakes)
foreach(part torn_frames torn_render torn_record torn_profile no_frames) # a sub-table lacks functions, or frames is missing
    cfp_fake_module(${part} $<TARGET_OBJECTS:fake_ref>)
    string(TOUPPER ${part} word)
    target_compile_definitions(fake_${part} PRIVATE FAKE_${word})
    list(APPEND torn_fakes fake_${part})
endforeach()
foreach(way forward backward) # computes one number wrong
    cfp_fake_module(${way} $<TARGET_OBJECTS:fake_ref>)
    string(TOUPPER ${way} word)
    target_compile_definitions(fake_${way} PRIVATE FAKE_WRONG_${word})
endforeach()
cfp_fake_module(stale)
target_compile_definitions(fake_stale PRIVATE FAKE_ABI=77 FAKE_SIZE=12)
cfp_fake_module(shrunk)
target_compile_definitions(fake_shrunk PRIVATE FAKE_ABI=CFP_BACKEND_ABI FAKE_SIZE=8)
cfp_fake_module(empty)
target_compile_definitions(fake_empty PRIVATE FAKE_EMPTY)
file(WRITE "${CFP_FAKES}/cfp_text.so" "no library\n")

add_executable(test_device test_device.c)
target_link_libraries(test_device PRIVATE libcfp cfp_flags m)
add_dependencies(test_device fake_fake fake_renamed fake_holed fake_stale fake_shrunk
    fake_empty ${torn_fakes})
add_test(NAME test_device COMMAND test_device "${CFP_FAKES}")

# Compares every backend with ref.  Comparing ref with itself tests the checker, and finds gaps in the list of cases.
#
# Under sanitizers the kernels of the processor are checked here alone.  The linker takes these objects before those of
# libcfp, which have the same names and no checks.
set(checked_kernels "")
if(CFP_SANITIZE)
    set(checked_kernels $<TARGET_OBJECTS:lanes_checked>)
endif()
add_library(check_parts OBJECT check_trial.c check_primitives.c check_relevance.c) # of test_lanes, too
target_link_libraries(check_parts PRIVATE cfp_flags)
add_executable(check_backends check_backends.c $<TARGET_OBJECTS:check_parts> check_pairs.c check_frames.c check_bench.c
    ${checked_kernels})
target_link_libraries(check_backends PRIVATE libcfp cfp_flags m)
set(fewer)
if(CFP_SANITIZE)
    set(fewer --seeds 1 --cases 20)
endif()
foreach(device ref cpu cuda)
    add_test(NAME check_backends_${device}
        COMMAND check_backends --device ${device} --module-dir "${CMAKE_BINARY_DIR}" ${fewer})
endforeach()
# A module, from file to results, without a GPU.  Its blocks are 8, those of ref are 1.
add_test(NAME check_backends_module
    COMMAND check_backends --device fake --module-dir "${CFP_FAKES}" --seeds 1 --cases 8)
foreach(precision tf32 bf16 fp16)
    cfp_test(check_backends_cuda_${precision} fast 300 check_backends --device cuda --module-dir "${CMAKE_BINARY_DIR}"
        --precision ${precision})
endforeach()
set_tests_properties(check_backends_cuda PROPERTIES SKIP_RETURN_CODE 77)

# Compares a whole network on a device with the processor; and checks what the comparison says of a wrong device.
add_executable(check_network check_network.c)
target_link_libraries(check_network PRIVATE libcfp cfp_flags m)
add_dependencies(check_network fake_fake fake_forward fake_backward)
if(NOT CFP_SANITIZE) # numbers
    cfp_test(check_network fast 300 bash "${CMAKE_CURRENT_SOURCE_DIR}/check_network.sh" $<TARGET_FILE:check_network>
        "${CFP_FAKES}" "${CMAKE_SOURCE_DIR}/weights/motion.h5")
endif()

# The cpu backend with every instruction set that this machine has, not only the widest.
add_executable(test_lanes test_lanes.c $<TARGET_OBJECTS:check_parts> ${checked_kernels})
target_link_libraries(test_lanes PRIVATE libcfp cfp_flags m)
if(CFP_SANITIZE) # those that are checked
    list(GET checked_lanes 0 checked)
    cfp_test(test_lanes fast 600 test_lanes --only ${checked})
else()
    cfp_test(test_lanes fast 600 test_lanes)
endif()
if(NOT CFP_SANITIZE) # bits, not memory
    cfp_test(threads fast 600 bash "${CMAKE_CURRENT_SOURCE_DIR}/check_threads.sh" $<TARGET_FILE:test_lanes>)
endif()

# The cpu backend with another version of oneDNN: its two files are compiled again, the rest is from this build.
set(CFP_OTHER_DNNL "${CMAKE_SOURCE_DIR}/build/onednn" CACHE PATH
    "folder (include/, lib/) of a second oneDNN to test with: tools/fetch-onednn makes one")
if(EXISTS "${CFP_OTHER_DNNL}/include/oneapi/dnnl/dnnl_version.h")
    cfp_dnnl_version(version "${CFP_OTHER_DNNL}/include")
    message(STATUS "other_dnnl: oneDNN ${version} in ${CFP_OTHER_DNNL}")
    find_library(library dnnl REQUIRED NO_CACHE NO_DEFAULT_PATH PATHS "${CFP_OTHER_DNNL}"
        PATH_SUFFIXES lib lib64 "lib/${CMAKE_LIBRARY_ARCHITECTURE}")
    add_executable(check_other_dnnl ${host}/backend/cpu/cpu_dnnl.c ${host}/backend/cpu/cpu_dnnl_desc.c
        $<TARGET_OBJECTS:check_backends> $<TARGET_OBJECTS:check_parts> $<FILTER:$<TARGET_OBJECTS:cfp_objects>,EXCLUDE,/cpu_dnnl> ${CFP_LANE_OBJECTS})
    add_dependencies(check_other_dnnl check_backends libcfp)
    target_include_directories(check_other_dnnl SYSTEM PRIVATE "${CFP_OTHER_DNNL}/include")
    set(libraries ${CFP_LIBRARIES})
    list(REMOVE_ITEM libraries DNNL::dnnl)
    target_link_libraries(check_other_dnnl PRIVATE cfp_flags "${library}" ${libraries})
    cfp_test(other_dnnl fast 300 check_other_dnnl --device cpu --only conv3d --seeds 2)
else()
    cfp_test(other_dnnl fast 60 sh -c
        "echo 'skipped: there is no second oneDNN (tools/fetch-onednn fetches one)' && exit 77")
endif()
