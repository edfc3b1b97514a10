/* sim_time.h - what the simulator's clock goes by. */
#pragma once

/* The candidate that the convolution run last was opened as, and how many were run so far
 * (sim_conv.c). */
extern int sim_candidate, sim_convolutions;
