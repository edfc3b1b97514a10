/* sim_check.h - what kernels may touch, and in which order: checked access by access.
 *
 * The compiler calls __tsan_read4 and its like before every access (-fsanitize=thread; only the
 * calls are used, and they end here, not in ThreadSanitizer).  A kernel may touch device memory,
 * its arguments, its own stack and its module's own data.  Two threads of a launch may not touch
 * the same byte of device memory, one of them writing, unless both do it by atomics, or a barrier,
 * a shuffle or (from block to block) a fence and a count stands between.  Where kernels are
 * compiled without, nothing of this is asked. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#ifdef __SANITIZE_THREAD__
#define UNCHECKED __attribute__((noinline, no_sanitize_thread))

#ifdef __cplusplus
extern "C" {
#endif
void sim_check_begin(const void *frame); /* a launch, whose arguments lie in this frame */
void sim_check_end(void);
/* Who runs from now on; stack NULL: on that of the launch. */
void sim_check_thread(unsigned block, unsigned thread, const void *stack, size_t bytes);
void sim_check_kernel(bool runs); /* the kernel's own code does, or not */
void sim_check_barrier(void);     /* all of the block have met */
void sim_check_warp(unsigned warp);
/* counts: an increment, by which blocks know of each other. */
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
