/* test_local_gpu.c - checks which GPU a process takes that mpirun or srun started. */
#include "../host/program/local_gpu.h"
#include "test.h"
#include <stdlib.h>

static const char *const ranks[] = {"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID",
                                    "MV2_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID"};
enum { N_RANKS = sizeof ranks / sizeof *ranks };

static int gpu_of(const char *name, const char *rank, const char *visible)
{
    for (int i = 0; i < N_RANKS; i++)
        unsetenv(ranks[i]);
    setenv(name, rank, 1);
    setenv("CUDA_VISIBLE_DEVICES", visible, 1);
    return cfp_local_gpu();
}

static void each_launcher_is_known(void)
{
    for (int i = 0; i < N_RANKS; i++) {
        CHECK_EQ(gpu_of(ranks[i], "1", "0,1,2,3"), 1);
        CHECK_EQ(gpu_of(ranks[i], "6", "0,1,2,3"), 2); /* more processes than GPUs */
        CHECK_EQ(gpu_of(ranks[i], "3", "GPU-8f1"), 0); /* one GPU is shown to each process */
        CHECK_EQ(gpu_of(ranks[i], "3", ""), 0);        /* none is */
        CHECK_EQ(gpu_of(ranks[i], "nonsense", "0,1"), 0);
        CHECK_EQ(gpu_of(ranks[i], "-1", "0,1"), 0);
    }
}

static void without_a_launcher_it_is_the_first(void)
{
    for (int i = 0; i < N_RANKS; i++)
        unsetenv(ranks[i]);
    setenv("CUDA_VISIBLE_DEVICES", "0,1", 1);
    CHECK_EQ(cfp_local_gpu(), 0);
}

int main(void)
{
    each_launcher_is_known();
    without_a_launcher_it_is_the_first();
    return test_result();
}
