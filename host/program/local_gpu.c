/* local_gpu.c - see local_gpu.h.
 *
 * srun with --gpus-per-task shows each process one GPU alone, so that GPU has number 0.  Otherwise
 * all processes of a machine see the same GPUs, and each has to take another. */
#include "local_gpu.h"
#include <dirent.h>
#include <stdlib.h>

/* A whole number in the environment; -1: none. */
static int number_of(const char *name)
{
    const char *const text = getenv(name);
    char *end;
    const long value = text == NULL ? -1 : strtol(text, &end, 10);
    return text == NULL || end == text || *end != '\0' || value < 0 || value > 1 << 20 ? -1
                                                                                       : (int)value;
}

static int visible_gpus(void)
{
    const char *list = getenv("CUDA_VISIBLE_DEVICES");
    int n = 0;
    if (list != NULL) {
        n = *list != '\0';
        for (; *list != '\0'; list++)
            n += *list == ',';
        return n;
    }
    DIR *gpus = opendir("/proc/driver/nvidia/gpus"); /* a folder for each */
    for (const struct dirent *gpu; gpus != NULL && (gpu = readdir(gpus)) != NULL;)
        n += gpu->d_name[0] != '.';
    if (gpus != NULL)
        closedir(gpus);
    return n;
}

int cfp_local_gpu(void)
{
    /* OpenMPI; MPICH, Intel MPI; MVAPICH; Slurm */
    static const char *const names[] = {"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID",
                                        "MV2_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID"};
    const int gpus = visible_gpus();
    for (unsigned i = 0; gpus > 0 && i < sizeof names / sizeof *names; i++)
        if (number_of(names[i]) >= 0)
            return number_of(names[i]) % gpus;
    return 0;
}

int cfp_rank(void)
{
    /* OpenMPI; MPICH, Intel MPI; MVAPICH; srun.  Slurm comes last: mpirun inside a job of Slurm
     * hands on the numbers of the job.  A script of sbatch has a SLURM_PROCID, too, but only srun
     * sets the number of tasks of a step. */
    static const char *const names[][2] = {{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                                           {"PMI_RANK", "PMI_SIZE"},
                                           {"MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"},
                                           {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS"}};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (number_of(names[i][0]) >= 0 && number_of(names[i][1]) > 0)
            return number_of(names[i][1]) > 1 ? number_of(names[i][0]) : -1;
    return -1;
}
