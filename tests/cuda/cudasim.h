/* cudasim.h - runs the kernels of the .cu files on the processor: the same source, compiled by a
 * C++ compiler, one thread after the other.
 *
 * A kernel launched by LAUNCH is a plain loop over its threads.  A kernel launched by LAUNCH_JOINED
 * has a fiber for each thread of a block, and one block ends before the next begins.  Barriers,
 * shuffles and shared memory work; a barrier that some threads do not reach is reported.  If the
 * kernels are compiled with -fsanitize=thread, their accesses are checked, too: races in device
 * memory, and accesses to other memory (sim_check.h).  Races in shared memory are found only if
 * this order of threads shows them; on a GPU compute-sanitizer finds them. */
#pragma once
#include "halves.h"
#include "sim_capture.h"
#include "sim_check.h"
#include "sim_fail.h"
#include <cuda_runtime_api.h>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <csetjmp>
#include <functional>
#include <tuple>
#include <ucontext.h>
#include <vector>

/* Fibers are switched by setjmp and longjmp, because swapcontext makes a system call for the signal
 * mask each time.  AddressSanitizer's longjmp clears the shadow of the whole stack, so the
 * compiler's is used under it. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
typedef void *jump_buffer[5];
#define SET_JUMP(buffer) __builtin_setjmp(buffer)
#define LONG_JUMP(buffer) __builtin_longjmp(buffer, 1)
#define SWITCHES __attribute__((noinline, no_sanitize_address))
#else
typedef jmp_buf jump_buffer;
#define SET_JUMP(buffer) _setjmp(buffer)
#define LONG_JUMP(buffer) _longjmp(buffer, 1)
#define SWITCHES __attribute__((noinline))
#endif

#define __global__
#define __device__
#define __host__
#define __grid_constant__
#define __shared__ static /* one block runs at a time, so static storage is per block */

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
    unsigned count() const
    {
        return x * y * z;
    }
    dim3 at(unsigned i) const
    {
        return dim3(i % x, i / x % y, i / x / y);
    }
};

namespace cudasim
{

enum { WARP_LANES = 32, MOST_WARPS = 32 };
constexpr size_t STACK = 128 << 10;

enum waiting { READY, AT_BARRIER, AT_WARP, DONE };

struct fiber {
    ucontext_t context;
    jump_buffer jump;
    bool begun = false; /* a fiber is used for all blocks */
    std::vector<char> stack;
    waiting state = READY;
    unsigned mask = 0; /* the lanes that it waits for */
    void *fake = nullptr;
};

/* What is running now. */
struct machine {
    dim3 thread, block, block_size, grid;
    std::vector<fiber> fibers;
    fiber *current = nullptr; /* NULL: plain loops */
    jump_buffer home_jump;
    void *home_fake = nullptr;
    const void *home_stack = nullptr;
    size_t home_size = 0;
    uint64_t slot[MOST_WARPS][WARP_LANES]; /* the lanes' values in a shuffle */
    const std::function<void()> *body = nullptr;
    const char *name = "";
};

inline machine &now()
{
    static machine m;
    return m;
}

[[noreturn]] inline void give_up(const char *what)
{
    std::fprintf(stderr, "cudasim: %s, block %u, %u, %u: %s\n", now().name, now().block.x,
                 now().block.y, now().block.z, what);
    std::abort();
}

/* Tells AddressSanitizer which stack is used next. */
inline void before_switch(void **fake, const void *stack, size_t size)
{
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(fake, stack, size);
#else
    (void)fake, (void)stack, (void)size;
#endif
}
inline void after_switch(void *fake, const void **stack, size_t *size)
{
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(fake, stack, size);
#else
    (void)fake, (void)stack, (void)size;
#endif
}

/* Switches from the running fiber to the loop that resumed it. */
SWITCHES inline void go_home(fiber &me)
{
    if (SET_JUMP(me.jump) == 0)
        LONG_JUMP(now().home_jump);
}

inline void wait(waiting state, unsigned mask)
{
    machine &m = now();
    if (m.current == nullptr)
        give_up("a barrier or shuffle in a kernel that was launched without LAUNCH_JOINED");
    sim_check_kernel(false);
    fiber &me = *m.current;
    me.state = state;
    me.mask = mask;
    before_switch(&me.fake, m.home_stack, m.home_size);
    go_home(me);
    after_switch(me.fake, nullptr, nullptr);
    sim_check_kernel(true);
}

inline void enter()
{
    machine &m = now();
    after_switch(nullptr, &m.home_stack, &m.home_size);
    for (;;) { /* one block after another */
        (*m.body)();
        fiber &me = *m.current;
        me.state = DONE;
        before_switch(&me.fake, m.home_stack, m.home_size);
        go_home(me);
        after_switch(now().current->fake, &m.home_stack, &m.home_size);
    }
}

SWITCHES inline void go_to(fiber &f)
{
    if (SET_JUMP(now().home_jump) != 0)
        return;
    if (f.begun)
        LONG_JUMP(f.jump);
    f.begun = true;
    setcontext(&f.context);
}

inline void resume(unsigned i)
{
    machine &m = now();
    fiber &f = m.fibers[i];
    m.current = &f;
    m.thread = m.block_size.at(i);
    sim_check_thread(m.block.x + m.grid.x * (m.block.y + m.grid.y * m.block.z), i, f.stack.data(),
                     f.stack.size());
    before_switch(&m.home_fake, f.stack.data(), f.stack.size());
    go_to(f);
    after_switch(m.home_fake, nullptr, nullptr);
    m.current = nullptr;
}

/* Releases the threads whose barrier or shuffle is complete; false if there are none. */
inline bool release(unsigned threads)
{
    std::vector<fiber> &f = now().fibers;
    unsigned alive = 0, at_barrier = 0;
    bool any = false;
    for (unsigned i = 0; i < threads; i++) {
        alive += f[i].state != DONE;
        at_barrier += f[i].state == AT_BARRIER;
    }
    for (unsigned i = 0; at_barrier == alive && i < threads; i++)
        if (f[i].state == AT_BARRIER)
            f[i].state = READY, any = true;
    if (any)
        sim_check_barrier();
    for (unsigned first = 0; first < threads; first += WARP_LANES) {
        unsigned here = 0, wanted = 0;
        for (unsigned lane = 0; lane < WARP_LANES && first + lane < threads; lane++) {
            const fiber &one = f[first + lane];
            if (one.state == AT_WARP)
                here |= 1u << lane, wanted |= one.mask;
        }
        if (here == 0 || here != wanted)
            continue;
        sim_check_warp(first / WARP_LANES);
        for (unsigned lane = 0; lane < WARP_LANES; lane++)
            if (here >> lane & 1)
                f[first + lane].state = READY, any = true;
    }
    return any;
}

inline void run_block()
{
    machine &m = now();
    const unsigned threads = m.block_size.count();
    if (m.fibers.size() < threads)
        m.fibers.resize(threads);
    for (unsigned i = 0; i < threads; i++) {
        fiber &f = m.fibers[i];
        f.state = READY;
        if (f.begun)
            continue;
        f.stack.resize(STACK);
        getcontext(&f.context);
        f.context.uc_stack.ss_sp = f.stack.data();
        f.context.uc_stack.ss_size = f.stack.size();
        f.context.uc_link = nullptr;
        makecontext(&f.context, enter, 0);
    }
    for (unsigned alive = threads; alive > 0;) {
        for (unsigned i = 0; i < threads; i++)
            if (m.fibers[i].state == READY)
                resume(i);
        alive = 0;
        for (unsigned i = 0; i < threads; i++)
            alive += m.fibers[i].state != DONE;
        if (alive > 0 && !release(threads))
            give_up("a barrier that not every thread comes to");
    }
}

inline void run(bool joined, const char *name, dim3 grid, dim3 block,
                const std::function<void()> &body)
{
    machine &m = now();
    m.grid = grid, m.block_size = block, m.body = &body, m.name = name;
    if (block.count() > 1024 || block.count() == 0 || grid.count() == 0 || grid.y > 65535 ||
        grid.z > 65535)
        give_up("a launch that no GPU takes");
    for (unsigned b = 0; b < grid.count(); b++) {
        m.block = grid.at(b);
        if (joined) {
            run_block();
            continue;
        }
        for (unsigned i = 0; i < block.count(); i++) {
            m.thread = block.at(i);
            sim_check_thread(b, i, nullptr, 0);
            body();
        }
    }
}

/* Copies the arguments at the launch, because the kernel may run later (sim_capture.h). */
template <class Kernel, class... Arguments>
void launch(bool joined, const char *name, cudaStream_t stream, dim3 grid, dim3 block,
            Kernel kernel, Arguments... a)
{
    typedef std::function<void()> work;
    if (sim_failure() != cudaSuccess)
        return; /* cudaGetLastError returns it */
    work *const kept = new work([=] {
        const std::tuple<Arguments...> here(a...); /* in this frame, as all that it calls */
        const Kernel code = kernel;
        sim_check_begin(__builtin_frame_address(0));
        run(joined, name, grid, block, [&] {
            sim_check_kernel(true);
            std::apply(code, here);
            sim_check_kernel(false);
        });
        sim_check_end();
    });
    sim_enqueue(
        stream, name, [](void *w) { (*static_cast<work *>(w))(); }, kept,
        [](void *w) { delete static_cast<work *>(w); });
}

inline unsigned index_in_block()
{
    const machine &m = now();
    return m.thread.x + m.block_size.x * (m.thread.y + m.block_size.y * m.thread.z);
}

/* The operations of atomics, which sim_check.h does not check as plain accesses. */
template <class T> UNCHECKED T raise(T *to, T value)
{
    const T old = *to;
    *to = value > old ? value : old;
    return old;
}
UNCHECKED inline unsigned count(unsigned *to, unsigned last)
{
    const unsigned old = *to;
    *to = old >= last ? 0 : old + 1;
    return old;
}

/* Shuffle: each lane returns the value of lane ^ lane_mask. */
template <class T> T exchange(unsigned mask, T value, unsigned lane_mask)
{
    static_assert(sizeof(T) <= sizeof(uint64_t), "one slot a lane");
    const unsigned lane = index_in_block() % WARP_LANES;
    uint64_t *const slot = now().slot[index_in_block() / WARP_LANES];
    T taken;
    std::memcpy(&slot[lane], &value, sizeof value);
    wait(AT_WARP, mask);
    std::memcpy(&taken, &slot[lane ^ lane_mask], sizeof taken);
    wait(AT_WARP, mask);
    return taken;
}

} // namespace cudasim

#define threadIdx (cudasim::now().thread)
#define blockIdx (cudasim::now().block)
#define blockDim (cudasim::now().block_size)
#define gridDim (cudasim::now().grid)

inline void __syncthreads()
{
    cudasim::wait(cudasim::AT_BARRIER, 0);
}
template <class T> T __shfl_xor_sync(unsigned mask, T value, int lane_mask)
{
    return cudasim::exchange(mask, value, (unsigned)lane_mask);
}

/* What the kernels use of CUDA's headers. */
struct bfloat16 {
    uint16_t bits;
};
struct float16 {
    uint16_t bits;
};
inline float widened(bfloat16 x)
{
    return float_of_bfloat16(x.bits);
}
inline float widened(float16 x)
{
    return float_of_float16(x.bits);
}
inline void round_to(bfloat16 *to, float x)
{
    to->bits = bfloat16_of(x);
}
inline void round_to(float16 *to, float x)
{
    to->bits = float16_of(x);
}

inline unsigned __ballot_sync(unsigned mask, bool here)
{
    const unsigned lane = cudasim::index_in_block() % cudasim::WARP_LANES;
    uint64_t *const slot = cudasim::now().slot[cudasim::index_in_block() / cudasim::WARP_LANES];
    unsigned lanes = 0;
    slot[lane] = here;
    cudasim::wait(cudasim::AT_WARP, mask);
    for (unsigned k = 0; k < cudasim::WARP_LANES; k++)
        lanes |= (mask >> k & 1 && slot[k] ? 1u : 0u) << k;
    cudasim::wait(cudasim::AT_WARP, mask);
    return lanes;
}
inline int __popc(unsigned x)
{
    return __builtin_popcount(x);
}
/* Threads run one after another, so an atomic is a plain operation. */
template <class T> T atomicMax(T *to, T value)
{
    sim_check_atomic(to, sizeof *to, false);
    return cudasim::raise(to, value);
}
/* Counts up to `last`, then starts at 0 again; returns the old value. */
inline unsigned atomicInc(unsigned *to, unsigned last)
{
    sim_check_atomic(to, sizeof *to, true);
    return cudasim::count(to, last);
}
inline void __threadfence()
{
    sim_check_fence();
}
template <class To, class From> To cudasim_bits(From from)
{
    static_assert(sizeof(To) == sizeof(From), "the same bits");
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}
inline float __uint_as_float(unsigned x)
{
    return cudasim_bits<float>(x);
}
inline double __longlong_as_double(long long x)
{
    return cudasim_bits<double>(x);
}
inline long long __double_as_longlong(double x)
{
    return cudasim_bits<long long>(x);
}
inline float __fdiv_rn(float a, float b)
{
    return a / b;
}
inline float __fsub_rn(float a, float b)
{
    return a - b;
}
inline float __fmul_rn(float a, float b)
{
    return a * b;
}

#define UNROLL_BY_4
#define LAUNCH(kernel, grid, block, stream, ...)                                                   \
    cudasim::launch(false, #kernel, stream, grid, block, kernel, __VA_ARGS__)
#define LAUNCH_JOINED(kernel, grid, block, stream, ...)                                            \
    cudasim::launch(true, #kernel, stream, grid, block, kernel, __VA_ARGS__)
