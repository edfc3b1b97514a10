/* sim_time.h - what the simulator's clock depends on. */
#pragma once

/* The candidate of the last convolution that ran, and how many have run (sim_conv.c). */
extern int sim_candidate, sim_convolutions;
