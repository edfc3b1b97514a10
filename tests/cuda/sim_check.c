/* sim_check.c - see sim_check.h. */
#define _GNU_SOURCE
#define __SANITIZE_THREAD__ 1
#include "sim_check.h"
#include "sim_memory.h"
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { MOST_WARPS = 32, MOST_BLOCKS = 1 << 16, STACK = 1 << 20 };

/* The last write, read or atomic of a byte. */
typedef struct access {
    uint32_t launch, block, clock;
    uint16_t thread, barrier, warp_sync;
    bool atomic;
} access;
typedef struct byte_seen {
    access write, read;
} byte_seen;

/* Which work of other blocks a block is ordered after. */
typedef struct block_clock {
    uint32_t launch, told, knows; /* its last fenced count; the last count of others that it saw */
} block_clock;

static struct {
    const char *frame; /* of the launch: its own and its callees' stack is below */
    const char *fiber; /* the stack of the thread that runs, if it has one */
    size_t fiber_bytes;
    const char *module_first, *module_end;
    byte_seen *seen; /* one for each byte of device memory */
    block_clock block[MOST_BLOCKS];
    uint16_t barrier, warp_sync[MOST_WARPS];
    bool in_launch, in_kernel, fenced;
    access now;
} at;

static int find_module(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size, (void)data;
    const uintptr_t mine = (uintptr_t)&at;
    uintptr_t first = UINTPTR_MAX, end = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const uintptr_t from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        if (info->dlpi_phdr[i].p_type != PT_LOAD)
            continue;
        first = from < first ? from : first;
        end = from + info->dlpi_phdr[i].p_memsz > end ? from + info->dlpi_phdr[i].p_memsz : end;
    }
    if (mine < first || mine >= end)
        return 0;
    at.module_first = (const char *)first;
    at.module_end = (const char *)end;
    return 1;
}

void sim_check_begin(const void *frame)
{
    if (at.module_first == NULL)
        dl_iterate_phdr(find_module, NULL);
    if (at.seen == NULL) {
        void *const all =
            mmap(NULL, sizeof *at.seen * (size_t)SIM_DEVICE_BYTES, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (all == MAP_FAILED)
            sim_give_up("no addresses for what is known of the device's memory");
        at.seen = all;
    }
    at.frame = frame;
    at.now.launch++;
    at.now.clock = 1;
    at.in_launch = true;
}

void sim_check_end(void)
{
    at.in_launch = at.in_kernel = false;
}

void sim_check_thread(unsigned block, unsigned thread, const void *stack, size_t bytes)
{
    if (block != at.now.block || at.block[block % MOST_BLOCKS].launch != at.now.launch) {
        at.block[block % MOST_BLOCKS] = (block_clock){at.now.launch, 0, 0};
        at.barrier = 0;
        memset(at.warp_sync, 0, sizeof at.warp_sync);
    }
    at.now.block = block;
    at.now.thread = (uint16_t)thread;
    at.fiber = stack;
    at.fiber_bytes = bytes;
    at.fenced = false;
}

void sim_check_kernel(bool runs)
{
    at.in_kernel = runs && at.in_launch;
}

void sim_check_barrier(void)
{
    at.barrier++;
}

void sim_check_warp(unsigned warp)
{
    at.warp_sync[warp]++;
}

void sim_check_fence(void)
{
    at.fenced = true;
}

static bool within(const void *memory, const char *first, size_t bytes)
{
    const char *const from = memory;
    return from >= first && from < first + bytes;
}

/* True if the earlier access comes before the present one on every device. */
static bool ordered(const access *was)
{
    const access *now = &at.now;
    if (was->launch != now->launch)
        return true;
    if (was->block != now->block) {
        const block_clock *theirs = &at.block[was->block % MOST_BLOCKS];
        const block_clock *mine = &at.block[now->block % MOST_BLOCKS];
        return theirs->launch == now->launch && was->clock <= theirs->told &&
               theirs->told <= mine->knows;
    }
    if (was->thread == now->thread || was->barrier < at.barrier)
        return true;
    const unsigned warp = now->thread / MOST_WARPS;
    return was->thread / MOST_WARPS == warp && was->warp_sync < at.warp_sync[warp];
}

static void conflict(const access *was, const char *what, const void *memory)
{
    sim_give_up("a race: %s of %p by thread %u of block %u, after thread %u of block %u", what,
                memory, at.now.thread, at.now.block, was->thread, was->block);
}

static void check_byte(const char *memory, bool writes, bool atomic)
{
    byte_seen *const seen = &at.seen[memory - sim_device_first()];
    if (!ordered(&seen->write) && !(atomic && seen->write.atomic))
        conflict(&seen->write, writes ? "a write" : "a read", memory);
    if (writes && !ordered(&seen->read))
        conflict(&seen->read, "a write", memory);
    access *const mine = writes ? &seen->write : &seen->read;
    *mine = at.now;
    mine->atomic = atomic;
    mine->barrier = at.barrier;
    mine->warp_sync = at.warp_sync[at.now.thread / MOST_WARPS];
}

static void check(const void *memory, size_t bytes, bool writes, bool atomic)
{
    if (!at.in_kernel)
        return;
    if (within(memory, sim_device_first(), SIM_DEVICE_BYTES)) {
        if (!sim_is_device(memory, bytes))
            sim_give_up("a kernel goes beyond device memory that was taken, to %p", memory);
        for (size_t i = 0; i < bytes; i++)
            check_byte((const char *)memory + i, writes, atomic);
    } else if (!within(memory, at.fiber, at.fiber_bytes) &&
               !within(memory, (const char *)((uintptr_t)at.frame - STACK), STACK) &&
               !within(memory, at.module_first, (size_t)(at.module_end - at.module_first))) {
        sim_give_up("a kernel %s host memory, %p", writes ? "writes" : "reads", memory);
    }
}

/* After a fence, a count publishes all that the block has done, and orders the block after all that
 * was published before. */
void sim_check_atomic(const void *memory, size_t bytes, bool counts)
{
    check(memory, bytes, true, true);
    if (!counts || !at.in_kernel)
        return;
    block_clock *const mine = &at.block[at.now.block % MOST_BLOCKS];
    if (at.fenced)
        mine->told = at.now.clock;
    mine->knows = at.now.clock;
    at.now.clock++;
}

/* The functions that the compiler calls. */
#define ACCESS(bytes)                                                                              \
    void __tsan_read##bytes(void *memory);                                                         \
    void __tsan_read##bytes(void *memory)                                                          \
    {                                                                                              \
        check(memory, bytes, false, false);                                                        \
    }                                                                                              \
    void __tsan_write##bytes(void *memory);                                                        \
    void __tsan_write##bytes(void *memory)                                                         \
    {                                                                                              \
        check(memory, bytes, true, false);                                                         \
    }                                                                                              \
    void __tsan_unaligned_read##bytes(void *memory);                                               \
    void __tsan_unaligned_read##bytes(void *memory)                                                \
    {                                                                                              \
        check(memory, bytes, false, false);                                                        \
    }                                                                                              \
    void __tsan_unaligned_write##bytes(void *memory);                                              \
    void __tsan_unaligned_write##bytes(void *memory)                                               \
    {                                                                                              \
        check(memory, bytes, true, false);                                                         \
    }
ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)

void __tsan_read_range(void *memory, size_t bytes);
void __tsan_read_range(void *memory, size_t bytes)
{
    check(memory, bytes, false, false);
}
void __tsan_write_range(void *memory, size_t bytes);
void __tsan_write_range(void *memory, size_t bytes)
{
    check(memory, bytes, true, false);
}
void __tsan_init(void);
void __tsan_init(void) {}
void __tsan_func_entry(void *from);
void __tsan_func_entry(void *from)
{
    (void)from;
}
void __tsan_func_exit(void);
void __tsan_func_exit(void) {}
void __tsan_vptr_update(void *memory, void *value);
void __tsan_vptr_update(void *memory, void *value)
{
    (void)memory, (void)value;
}
void __tsan_vptr_read(void *memory);
void __tsan_vptr_read(void *memory)
{
    (void)memory;
}
