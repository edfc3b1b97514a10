/* claims.c - see claims.h.
 *
 * An owner file holds one line: its own name, then host, boot, process id namespace, process id and
 * the time at which the process started.  If the first three of these are ours, the process either
 * is in /proc with that start time or is dead. */
#define _GNU_SOURCE
#include "claims.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TOUCH_EVERY_S = 5, DEAD_AFTER_S = 60, LINE = 512, MOST_OWNERS = 100000 };

struct cfp_claims {
    cfp_ctx *ctx;
    char *work;
    char prefix[128];
    char *path;      /* of the owner file */
    char self[LINE]; /* its line */
    int fd;
    bool touching; /* the thread runs */
    bool stop;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

/* --- who a process is --- */

static void read_line(char *line, size_t bytes, const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    const ssize_t n = fd < 0 ? -1 : read(fd, line, bytes - 1);
    line[n > 0 ? n : 0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    if (fd >= 0)
        close(fd);
}

/* The time at which a process started, in ticks since the machine did; 0: there is none. */
static unsigned long long started(long pid)
{
    char path[64], line[1024];
    unsigned long long ticks = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    read_line(line, sizeof line, path);
    const char *at = strrchr(line, ')'); /* the name before it may hold anything */
    for (int field = 2; at != NULL && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at != NULL && sscanf(at, " %llu", &ticks) == 1 ? ticks : 0;
}

/* A zombie has ended, whatever /proc says. */
static bool is_zombie(long pid)
{
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    read_line(line, sizeof line, path);
    const char *const name_end = strrchr(line, ')');
    return name_end != NULL && name_end[1] == ' ' && (name_end[2] == 'Z' || name_end[2] == 'X');
}

/* Host, boot and namespace, separated by spaces; no part has a space in it. */
static void this_place(char *place, size_t bytes)
{
    char host[HOST_NAME_MAX + 1] = "", boot[64], space[64] = "";
    if (gethostname(host, sizeof host) != 0)
        host[0] = '\0';
    host[HOST_NAME_MAX] = '\0';
    for (char *c = host; *c != '\0'; c++)
        if (strchr(" /\n\t", *c) != NULL)
            *c = '_';
    read_line(boot, sizeof boot, "/proc/sys/kernel/random/boot_id");
    const ssize_t n = readlink("/proc/self/ns/pid", space, sizeof space - 1);
    space[n > 0 ? n : 0] = '\0';
    snprintf(place, bytes, "%s %s %s", host[0] != '\0' ? host : "-", boot[0] != '\0' ? boot : "-",
             space[0] != '\0' ? space : "-");
}

/* True: the process of this line was on this machine and is gone.  False: it lives, or it cannot be
 * known from here. */
static bool is_gone(const char *line)
{
    char place[LINE], here[LINE];
    long pid = 0;
    unsigned long long ticks = 0;
    char host[256], boot[64], space[64];
    if (sscanf(line, "%*s %255s %63s %63s %ld %llu", host, boot, space, &pid, &ticks) != 5)
        return false;
    snprintf(place, sizeof place, "%s %s %s", host, boot, space);
    this_place(here, sizeof here);
    if (strcmp(place, here) != 0 || pid <= 0 || ticks == 0)
        return false;
    return started(pid) != ticks || is_zombie(pid);
}

/* --- the owner file --- */

static void *touch_often(void *cookie)
{
    cfp_claims *c = cookie;
    pthread_mutex_lock(&c->lock);
    while (!c->stop) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += TOUCH_EVERY_S;
        pthread_cond_timedwait(&c->changed, &c->lock, &until);
        pthread_mutex_unlock(&c->lock);
        futimens(c->fd, NULL); /* NULL: the time of the file server, not of this machine */
        pthread_mutex_lock(&c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

static cfp_status start_thread(cfp_claims *c)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before); /* the program's first thread handles signals */
    const int error = pthread_create(&c->thread, NULL, touch_often, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    c->touching = error == 0;
    return error == 0 ? CFP_OK
                      : cfp_fail(c->ctx, CFP_NOMEM, "%s: no thread can be started: %s", c->work,
                                 strerror(error));
}

/* Writes the line of this process into its open owner file. */
static cfp_status write_self(cfp_claims *c, const char *place)
{
    const int n = snprintf(c->self, sizeof c->self, "%s %s %ld %llu\n", c->prefix, place,
                           (long)getpid(), started((long)getpid()));
    if (ftruncate(c->fd, 0) != 0 || pwrite(c->fd, c->self, (size_t)n, 0) != n)
        return cfp_fail(c->ctx, CFP_IO, "%s: %s", c->path, strerror(errno != 0 ? errno : ENOSPC));
    return CFP_OK;
}

/* Gives the file without a name, which c->fd is, the name c->path; errno says why not. */
static bool give_name(const cfp_claims *c)
{
    char self[64];
    snprintf(self, sizeof self, "/proc/self/fd/%d", c->fd);
    return linkat(AT_FDCWD, self, AT_FDCWD, c->path, AT_SYMLINK_FOLLOW) == 0;
}

/* The owner file gets its name when its line is in it, so a process that is killed meanwhile leaves
 * no file without a line.  File systems that have no files without names (NFS) get the file first;
 * an owner file without a line counts as alive for a minute. */
static cfp_status make_owner(cfp_claims *c)
{
    char place[LINE - 160], host[64];
    this_place(place, sizeof place);
    snprintf(host, sizeof host, "%.*s", (int)strcspn(place, " "), place);
    c->fd = open(c->work, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
    const bool nameless = c->fd >= 0;
    for (int number = 0; number < MOST_OWNERS; number++) {
        snprintf(c->prefix, sizeof c->prefix, "owner-%s-%ld-%d", host, (long)getpid(), number);
        cfp_free(c->path);
        if ((c->path = cfp_format(c->ctx, "%s/%s", c->work, c->prefix)) == NULL)
            return CFP_NOMEM;
        if (!nameless)
            c->fd = open(c->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (c->fd >= 0)
            CFP_TRY(write_self(c, place));
        if (nameless ? give_name(c) : c->fd >= 0)
            return CFP_OK;
        if (errno != EEXIST)
            break;
    }
    const int error = errno;
    if (c->fd >= 0) /* it has no name, so cfp_claims_leave must not remove the one that has */
        close(c->fd);
    c->fd = -1;
    return cfp_fail(c->ctx, CFP_IO, "%s: %s", c->path, strerror(error));
}

cfp_status cfp_claims_open(cfp_claims **out, cfp_ctx *ctx, const char *work)
{
    pthread_condattr_t clock;
    CFP_TRY_ALLOC(ctx, *out, 1);
    cfp_claims *c = *out;
    c->ctx = ctx;
    c->fd = -1;
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &clock);
    pthread_condattr_destroy(&clock);
    c->work = cfp_strdup(ctx, work);
    cfp_status status = c->work == NULL ? CFP_NOMEM : make_owner(c);
    if (status == CFP_OK)
        status = start_thread(c);
    if (status != CFP_OK)
        cfp_claims_close(out);
    return status;
}

void cfp_claims_leave(cfp_claims *c)
{
    if (c->fd >= 0)
        unlink(c->path);
}

void cfp_claims_close(cfp_claims **claims)
{
    cfp_claims *c = *claims;
    if (c == NULL)
        return;
    if (c->touching) {
        pthread_mutex_lock(&c->lock);
        c->stop = true;
        pthread_cond_signal(&c->changed);
        pthread_mutex_unlock(&c->lock);
        pthread_join(c->thread, NULL);
    }
    cfp_claims_leave(c);
    if (c->fd >= 0)
        close(c->fd);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->changed);
    cfp_free(c->path);
    cfp_free(c->work);
    cfp_free(c);
    *claims = NULL;
}

const char *cfp_claims_prefix(const cfp_claims *claims)
{
    return claims->prefix;
}

/* --- the dead --- */

/* True if the file, an owner file or a link to it, belongs to a process that is dead. */
static bool is_dead(const cfp_claims *c, const struct stat *file, const char *line)
{
    struct stat mine;
    if (is_gone(line))
        return true;
    if (futimens(c->fd, NULL) != 0 || fstat(c->fd, &mine) != 0)
        return false;
    return mine.st_mtime - file->st_mtime > DEAD_AFTER_S;
}

/* Removes the files of a dead process: those whose names begin with its prefix. */
static void bury(const cfp_claims *c, const char *line)
{
    char prefix[128];
    DIR *entries = opendir(c->work);
    if (sscanf(line, "%127s", prefix) != 1 || strncmp(prefix, "owner-", 6) != 0)
        prefix[0] = '\0';
    for (const struct dirent *e; entries != NULL && (e = readdir(entries)) != NULL;)
        if (prefix[0] != '\0' && strncmp(e->d_name, prefix, strlen(prefix)) == 0 &&
            strchr(".", e->d_name[strlen(prefix)]) !=
                NULL) /* "owner-a-1-1" is not "owner-a-1-10" */
            unlinkat(dirfd(entries), e->d_name, 0);
    if (entries != NULL)
        closedir(entries);
}

bool cfp_claims_others(cfp_claims *c)
{
    bool others = false;
    DIR *entries = opendir(c->work);
    for (const struct dirent *e; entries != NULL && (e = readdir(entries)) != NULL;) {
        struct stat file;
        char line[LINE];
        if (strncmp(e->d_name, "owner-", 6) != 0 || strchr(e->d_name, '.') != NULL ||
            strcmp(e->d_name, c->prefix) == 0)
            continue;
        char *path = cfp_format(c->ctx, "%s/%s", c->work, e->d_name);
        if (path == NULL || stat(path, &file) != 0) {
            cfp_free(path);
            continue;
        }
        read_line(line, sizeof line, path);
        cfp_free(path);
        if (is_dead(c, &file, line))
            bury(c, line);
        else
            others = true;
    }
    if (entries != NULL)
        closedir(entries);
    return others;
}

/* --- claims --- */

/* The claim looked dead when `judged` was read.  Moves it away.  If another process was faster and
 * the claim is now that one's, it is put back. */
static void steal(const cfp_claims *c, const char *path, const struct stat *judged,
                  const char *line)
{
    struct stat moved;
    char *aside =
        cfp_format(c->ctx, "%s/%s.stolen-%lx", c->work, c->prefix, (unsigned long)pthread_self());
    if (aside == NULL)
        return;
    if (rename(path, aside) == 0) {
        const bool same = stat(aside, &moved) == 0 && moved.st_ino == judged->st_ino &&
                          moved.st_dev == judged->st_dev;
        if (!same && link(aside, path) != 0) {
            /* a third process has it by now: then two do the same, which harms nothing */
        }
        unlink(aside);
    }
    cfp_free(aside);
    bury(c, line);
}

static bool is_mine(const cfp_claims *c, const struct stat *file)
{
    struct stat mine;
    return fstat(c->fd, &mine) == 0 && mine.st_ino == file->st_ino && mine.st_dev == file->st_dev;
}

/* Other processes took this one for dead, since it was stopped for more than a minute, and removed
 * its owner file: it gets a new one. */
static bool revive(cfp_claims *c)
{
    pthread_mutex_lock(&c->lock);
    bool there = access(c->path, F_OK) == 0;
    if (!there && access(c->work, F_OK) == 0) {
        close(c->fd);
        there = make_owner(c) == CFP_OK;
    }
    pthread_mutex_unlock(&c->lock);
    return there;
}

static cfp_claim take(cfp_claims *c, const char *path)
{
    enum { TRIES = 4 };
    for (int k = 0; k < TRIES; k++) {
        struct stat file;
        char line[LINE];
        pthread_mutex_lock(&c->lock); /* of c->path */
        const int made = link(c->path, path), error = errno;
        pthread_mutex_unlock(&c->lock);
        if (made == 0)
            return CFP_CLAIM_TAKEN;
        errno = error;
        if (errno == ENOENT && revive(c))
            continue;
        if (errno != EEXIST)
            return CFP_CLAIM_FAILED;
        if (stat(path, &file) != 0)
            continue;          /* it was released meanwhile */
        if (is_mine(c, &file)) /* NFS may have lost the answer of the link() that made it */
            return CFP_CLAIM_TAKEN;
        read_line(line, sizeof line, path);
        if (!is_dead(c, &file, line))
            return CFP_CLAIM_HELD;
        steal(c, path, &file, line);
    }
    return CFP_CLAIM_HELD;
}

static char *claim_path(cfp_claims *c, const char *name)
{
    return cfp_format(c->ctx, "%s/%s.claim", c->work, name);
}

cfp_claim cfp_claims_take(cfp_claims *claims, const char *name)
{
    char *path = claim_path(claims, name);
    if (path == NULL) {
        errno = ENOMEM;
        return CFP_CLAIM_FAILED;
    }
    const cfp_claim claim = take(claims, path);
    const int error = errno;
    cfp_free(path);
    errno = error;
    return claim;
}

void cfp_claims_release(cfp_claims *claims, const char *name)
{
    struct stat file;
    char *path = claim_path(claims, name);
    if (path != NULL && stat(path, &file) == 0 && is_mine(claims, &file))
        unlink(path);
    cfp_free(path);
}
