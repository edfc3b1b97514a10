/* fake_cublaslt.h - what test_cublas asks of, and tells, the library in cuBLASLt's place. */
#pragma once
#include <cublasLt.h>
#include <stdbool.h>

typedef struct fake_cublaslt {
    /* Told: */
    bool does_not_start, has_no_algorithm, fails_to_run;
    /* Asked: */
    int live;                    /* descriptors and handles that were made and not destroyed */
    cublasComputeType_t compute; /* of the last product run */
    uint32_t reductions, alignment[4];
    uint64_t workspace_most;
    const void *bias; /* when an algorithm was asked for */
    cudaStream_t stream;
} fake_cublaslt;
