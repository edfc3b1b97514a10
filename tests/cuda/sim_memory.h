/* sim_memory.h - the simulated device's memory, apart from the host's.
 *
 * It is one range of addresses.  After the host has waited for a stream (the first time, and every
 * eighth time after that) the range is protected: host code that reads or writes it, without a copy
 * or a kernel, gets a segmentation fault.
 * (Under AddressSanitizer every piece is an allocation of its own instead, so that accesses after
 * its end are found; the host may access it.) */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

void *sim_device_alloc(size_t bytes); /* full of NaN; NULL if there is too little memory */
void sim_device_free(void *memory);   /* accepts NULL */
/* True if all these bytes are in one allocated piece of device memory. */
bool sim_is_device(const void *memory, size_t bytes);
/* If they are not, prints a message with `who` and aborts. */
void sim_want_device(const void *memory, size_t bytes, const char *who);
/* Between the two calls it may be accessed: from the start of the device's work until the host has
 * waited. */
void sim_device_opens(void);
void sim_device_shuts(void);
/* Its first byte, for sim_check.c. */
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
