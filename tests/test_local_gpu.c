/* test_local_gpu.c - checks what mpirun and srun tell a process: its GPU and its rank. */
#include "../host/program/local_gpu.h"
#include "test.h"
#include <stdio.h>
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

static void ranks_are_known(void)
{
    /* the first that is set counts: mpirun in a job of Slurm hands on the numbers of the job */
    static const char *const names[][2] = {{"SLURM_PROCID", "SLURM_STEP_NUM_TASKS"},
                                           {"MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"},
                                           {"PMI_RANK", "PMI_SIZE"},
                                           {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"}};
    for (int i = 0; i < 4; i++) {
        unsetenv(names[i][0]);
        unsetenv(names[i][1]);
    }
    CHECK_EQ(cfp_rank(), -1);
    for (int i = 0; i < 4; i++) {
        const int before = cfp_rank();
        char rank[16];
        snprintf(rank, sizeof rank, "%d", 10 + i);
        setenv(names[i][0], rank, 1);
        CHECK_EQ(cfp_rank(), before); /* a script of sbatch has no number of tasks */
        setenv(names[i][1], "20", 1);
        CHECK_EQ(cfp_rank(), 10 + i);
    }
    setenv("OMPI_COMM_WORLD_RANK", "", 1);
    CHECK_EQ(cfp_rank(), 12);
    setenv("PMI_SIZE", "1", 1);
    CHECK_EQ(cfp_rank(), -1); /* of one */
}

int main(void)
{
    ranks_are_known();
    each_launcher_is_known();
    without_a_launcher_it_is_the_first();
    return test_result();
}
