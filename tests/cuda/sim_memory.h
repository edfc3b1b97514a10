/* sim_memory.h - the simulated device's memory, apart from the host's.
 *
 * It lies in one range of addresses that the host cannot touch once it has waited for a stream (the
 * first time, and every eighth from then on): whoever reads or writes it then, without a copy or a
 * kernel, stops with a segmentation fault.
 * (Under AddressSanitizer every piece is an allocation of its own instead, so that it sees who goes
 * beyond its end, and the host may touch it.) */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

void *sim_device_alloc(size_t bytes); /* full of NaN; NULL where there is no room */
void sim_device_free(void *memory);   /* accepts NULL */
/* True where all these bytes lie in one piece of device memory that is taken. */
bool sim_is_device(const void *memory, size_t bytes);
/* Stops with a message where they do not: what and who, for it. */
void sim_want_device(const void *memory, size_t bytes, const char *who);
/* Between the two it may be touched: from when work of the device runs until the host has waited.
 */
void sim_device_opens(void);
void sim_device_shuts(void);
/* Where it lies, for the check of kernels (sim_check.cpp). */
char *sim_device_first(void);
enum { SIM_DEVICE_BYTES = 1 << 30 };

#ifdef __cplusplus
[[noreturn]]
#else
_Noreturn
#endif
void sim_give_up(const char *format, ...);

#ifdef __cplusplus
}
#endif
