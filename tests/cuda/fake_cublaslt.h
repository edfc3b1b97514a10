/* fake_cublaslt.h - variables that test_cublas sets and reads in the library in cuBLASLt's place.
 */
#pragma once
#include <cublasLt.h>
#include <stdbool.h>

typedef struct fake_cublaslt {
    /* Set by the test: */
    bool does_not_start, has_no_algorithm, fails_to_run;
    /* Read by the test: */
    int live;                    /* descriptors and handles that are not destroyed yet */
    cublasComputeType_t compute; /* of the last product run */
    uint32_t reductions, alignment[4];
    uint64_t workspace_most;
    const void *bias; /* when an algorithm was asked for */
    cudaStream_t stream;
} fake_cublaslt;
