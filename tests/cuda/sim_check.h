/* sim_check.h - checks each memory access of the kernels: is it allowed, and is there a race?
 *
 * With -fsanitize=thread the compiler calls __tsan_read4 and similar functions before every access.
 * Those are defined here; ThreadSanitizer itself is not used.  A kernel may access device memory,
 * its arguments, its own stack and its module's data.  If two threads of a launch access the same
 * byte of device memory and one of them writes, both must use atomics, or between the two there
 * must be a barrier, a shuffle or (between blocks) a fence and a count.  Kernels compiled without
 * the option are not checked. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#ifdef __SANITIZE_THREAD__
#define UNCHECKED __attribute__((noinline, no_sanitize_thread))

#ifdef __cplusplus
extern "C" {
#endif
void sim_check_begin(const void *frame); /* a launch whose arguments are in this frame */
void sim_check_end(void);
/* The thread that runs from now on; stack NULL: it runs on the stack of the launch. */
void sim_check_thread(unsigned block, unsigned thread, const void *stack, size_t bytes);
void sim_check_kernel(
    bool runs);               /* whether the kernel's code or the simulator's runs from now on */
void sim_check_barrier(void); /* all threads of the block have reached it */
void sim_check_warp(unsigned warp);
/* counts: an increment, which orders blocks. */
void sim_check_atomic(const void *at, size_t bytes, bool counts);
void sim_check_fence(void);
#ifdef __cplusplus
}
#endif

#else
#define UNCHECKED
static inline void sim_check_begin(const void *frame)
{
    (void)frame;
}
static inline void sim_check_end(void) {}
static inline void sim_check_thread(unsigned block, unsigned thread, const void *stack,
                                    size_t bytes)
{
    (void)block, (void)thread, (void)stack, (void)bytes;
}
static inline void sim_check_kernel(bool runs)
{
    (void)runs;
}
static inline void sim_check_barrier(void) {}
static inline void sim_check_warp(unsigned warp)
{
    (void)warp;
}
static inline void sim_check_atomic(const void *at, size_t bytes, bool counts)
{
    (void)at, (void)bytes, (void)counts;
}
static inline void sim_check_fence(void) {}
#endif
