/* lanes.c - which kernels this machine can run; see lanes.h. */
#include "lanes.h"

extern const cpu_lanes cpu_lanes_table_avx512, cpu_lanes_table_avx2, cpu_lanes_table_plain;

const cpu_lanes *cpu_lanes_avx512(void)
{
#ifdef CFP_HAS_LANES_AVX512
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
               ? &cpu_lanes_table_avx512
               : NULL;
#else
    return NULL;
#endif
}

const cpu_lanes *cpu_lanes_avx2(void)
{
#ifdef CFP_HAS_LANES_AVX2
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &cpu_lanes_table_avx2
                                                                           : NULL;
#else
    return NULL;
#endif
}

const cpu_lanes *cpu_lanes_plain(void)
{
    return &cpu_lanes_table_plain;
}
