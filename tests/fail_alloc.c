/* fail_alloc.c - a library for LD_PRELOAD that makes requests for memory fail: the N-th of the
 * process, or all from the N-th on, those of libraries included.  Counting begins when main is
 * called, so the requests of the loader do not count.
 *
 *   FAIL_AT=N        the N-th fails, counted from 1; 0 or nothing: none does
 *   FAIL_FOR=M       the M - 1 after it fail, too; 0: all that follow
 *   FAIL_COUNT=FILE  how many there were, written at the end of the process
 *
 * It works with glibc alone: it replaces the names under which others call glibc's malloc. */
#undef _FILE_OFFSET_BITS /* it makes mmap another name of mmap64, and both are wanted */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

void *memalign(size_t alignment, size_t bytes);
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
typedef int main_fn(int argc, char **argv, char **environment);
typedef int start_fn(main_fn *main, int argc, char **argv, void (*init)(void), void (*fini)(void),
                     void (*rtld_fini)(void), void *stack_end);
start_fn __libc_start_main;

static bool counting;
static long count, fail_at, fail_for;

static bool fails(void)
{
    if (!counting)
        return false;
    const long n = __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
    if (fail_at == 0 || n < fail_at || (fail_for > 0 && n >= fail_at + fail_for))
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t bytes)
{
    return fails() ? NULL : __libc_malloc(bytes);
}

void *calloc(size_t n, size_t bytes)
{
    return fails() ? NULL : __libc_calloc(n, bytes);
}

void *realloc(void *memory, size_t bytes)
{
    return fails() ? NULL : __libc_realloc(memory, bytes);
}

void *memalign(size_t alignment, size_t bytes)
{
    return fails() ? NULL : __libc_memalign(alignment, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    return fails() ? NULL : __libc_memalign(alignment, bytes);
}

int posix_memalign(void **memory, size_t alignment, size_t bytes)
{
    if (fails())
        return ENOMEM;
    *memory = __libc_memalign(alignment, bytes);
    return *memory == NULL ? ENOMEM : 0;
}

void *mmap(void *address, size_t bytes, int rights, int flags, int fd, off_t offset)
{
    if (fails())
        return MAP_FAILED;
    return (void *)syscall(SYS_mmap, address, bytes, rights, flags, fd, offset);
}

void *mmap64(void *address, size_t bytes, int rights, int flags, int fd, off_t offset)
    __attribute__((alias("mmap")));

static void tell(void)
{
    const char *const path = getenv("FAIL_COUNT");
    char text[32];
    counting = false;
    const int fd = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0)
        return;
    if (write(fd, text, (size_t)snprintf(text, sizeof text, "%ld\n", count)) < 0)
        perror(path);
    close(fd);
}

static long number(const char *name)
{
    const char *const text = getenv(name);
    return text == NULL ? 0 : atol(text);
}

static main_fn *wrapped;

static int counted_main(int argc, char **argv, char **environment)
{
    fail_at = number("FAIL_AT");
    fail_for = getenv("FAIL_FOR") == NULL ? 1 : number("FAIL_FOR");
    if (getenv("FAIL_COUNT") != NULL)
        atexit(tell);
    counting = true;
    return wrapped(argc, argv, environment);
}

int __libc_start_main(main_fn *main, int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*rtld_fini)(void), void *stack_end)
{
    start_fn *const real = (start_fn *)(uintptr_t)dlsym(RTLD_NEXT, "__libc_start_main");
    wrapped = main;
    return real(counted_main, argc, argv, init, fini, rtld_fini, stack_end);
}
