/* local_gpu.h - which GPU a process takes where a launcher starts several on one machine. */
#pragma once

/* The number of the process on this machine, as mpirun or srun tell it in the environment, modulo
 * the number of GPUs that the process may use.  0 where neither is known. */
int cfp_local_gpu(void);
