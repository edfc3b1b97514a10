/* local_gpu.h - what mpirun or srun tell each process that they start: its GPU, and its rank. */
#pragma once

/* The number of the process on this machine, as mpirun or srun tell it in the environment, modulo
 * the number of GPUs that the process may use.  0 where neither is known. */
int cfp_local_gpu(void);
/* The number of the process among all of its job, from 0; -1: it is the only one. */
int cfp_rank(void);
