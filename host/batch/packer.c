/* packer.c - see packer.h.  The first half runs in the program, the second in the other process. */
#define _GNU_SOURCE
#include "packer.h"
#include "../base/hdf5_lock.h"
#include "../files/h5_put.h"
#include "clip_file.h"
#include "helper.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SECONDS = 3600 }; /* for one shard; a disk may be slow */

typedef struct pack_answer {
    cfp_status status;
    int bad; /* number of the source that is to blame; -1: none */
    char message[sizeof((cfp_ctx){0}).message];
} pack_answer;

static bool send_request(int socket, const cfp_pack_request *r)
{
    bool good = cfp_wire_send_text(socket, r->path) && cfp_write_whole(socket, &r->n, sizeof r->n);
    for (int i = 0; i < r->n && good; i++)
        good = cfp_wire_send_text(socket, r->source[i]) && cfp_wire_send_text(socket, r->group[i]);
    return good;
}

/* The helper tells before each source which one it is, so that a crash has a culprit. */
static bool receive_answer(int socket, pack_answer *answer, int *at)
{
    for (;;) {
        if (cfp_wire_wait_for(socket, SECONDS, NULL) != CFP_WIRE_READY ||
            !cfp_read_whole(socket, at, sizeof *at))
            return false;
        if (*at < 0)
            return cfp_read_whole(socket, answer, sizeof *answer);
    }
}

cfp_status cfp_pack_clips(cfp_ctx *ctx, const cfp_pack_request *request, int *bad)
{
    cfp_helper helper;
    pack_answer answer;
    char how[128];
    *bad = -1;
    CFP_TRY(cfp_helper_start(&helper, ctx, CFP_HELPER_PACKS, -1));
    int at = -1;
    const bool answered =
        send_request(helper.socket, request) && receive_answer(helper.socket, &answer, &at);
    cfp_helper_end(&helper, answered ? NULL : how, sizeof how);
    if (!answered) {
        *bad = at;
        return cfp_fail(ctx, CFP_FORMAT, "%s: the process that packs it %s",
                        at >= 0 ? request->source[at] : request->path, how);
    }
    if (answer.status == CFP_OK)
        return CFP_OK;
    answer.message[sizeof answer.message - 1] = '\0';
    *bad = answer.bad;
    return cfp_fail(ctx, answer.status, "%s", answer.message);
}

/* --- the other process --- */

typedef struct packer {
    cfp_ctx ctx;
    int socket;
    int bad;
    char *path;
    int n;
    char **from, **group; /* [n] the request */
    cfp_h5_file file;
    hid_t clips;  /* the group in the file that is written */
    hid_t source; /* the open source; negative: none */
    char *source_path;
} packer;

static hid_t open_source(const char *path)
{
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
#if H5_VERSION_GE(1, 10, 7)
    H5Pset_file_locking(access, false, true); /* some network disks have no locks */
#endif
    const hid_t file = H5Fopen(path, H5F_ACC_RDONLY, access);
    H5Pclose(access);
    return file;
}

static void close_source(packer *p)
{
    if (p->source >= 0)
        H5Fclose(p->source);
    cfp_free(p->source_path);
    p->source_path = NULL;
    p->source = H5I_INVALID_HID;
}

/* Consecutive clips of one source need it opened once. */
static bool use_source(packer *p, const char *path)
{
    if (p->source_path != NULL && strcmp(p->source_path, path) == 0)
        return true;
    close_source(p);
    p->source_path = cfp_strdup(&p->ctx, path);
    p->source = p->source_path == NULL ? H5I_INVALID_HID : open_source(path);
    return p->source >= 0;
}

static bool has_clip(packer *p, int number, const char *source, const char *inside)
{
    return cfp_write_whole(p->socket, &number, sizeof number) && use_source(p, source) &&
           H5Lexists(p->source, "/clips", H5P_DEFAULT) > 0 &&
           H5Lexists(p->source, inside, H5P_DEFAULT) > 0;
}

static cfp_status look_at_clip(packer *p, int number)
{
    char *inside = cfp_format(&p->ctx, "/clips/%s", p->group[number]);
    const bool good = inside != NULL && has_clip(p, number, p->from[number], inside);
    cfp_free(inside);
    if (inside == NULL)
        return CFP_NOMEM;
    if (good)
        return CFP_OK;
    p->bad = number;
    return cfp_fail(&p->ctx, CFP_FORMAT, "%s: damaged: clip '%s' is not in it", p->from[number],
                    p->group[number]);
}

static cfp_status copy_clip(packer *p, int number, const char *source, const char *group)
{
    char *inside = cfp_format(&p->ctx, "/clips/%s", group);
    bool good = inside != NULL && has_clip(p, number, source, inside);
    good = good && H5Ocopy(p->source, inside, p->clips, group, H5P_DEFAULT, p->file.link) >= 0;
    cfp_free(inside);
    if (inside == NULL)
        return CFP_NOMEM;
    CFP_TRY(cfp_h5_check(&p->file, true)); /* the disk may be full: then no source is to blame */
    if (good)
        return CFP_OK;
    p->bad = number;
    return cfp_fail(&p->ctx, CFP_FORMAT, "%s: damaged: clip '%s' cannot be copied from it", source,
                    group);
}

static cfp_status copy_clips(packer *p)
{
    cfp_status status = CFP_OK;
    for (int i = 0; i < p->n && status == CFP_OK; i++)
        status = copy_clip(p, i, p->from[i], p->group[i]);
    close_source(p);
    return status;
}

static cfp_status fill(packer *p)
{
    CFP_TRY(cfp_h5_put_text(&p->file, p->file.id, "cfp_format", "explanation"));
    CFP_TRY(cfp_h5_put_int(&p->file, p->file.id, "cfp_version", 1));
    CFP_TRY(cfp_h5_put_group(&p->file, &p->clips, p->file.id, "clips"));
    const cfp_status status = copy_clips(p);
    H5Gclose(p->clips);
    return status;
}

/* Looks for the clips, and writes nothing. */
static cfp_status look(packer *p)
{
    cfp_status status = CFP_OK;
    for (int i = 0; i < p->n && status == CFP_OK; i++)
        status = look_at_clip(p, i);
    close_source(p);
    return status;
}

/* Reads the whole request before the first answer is sent.  Otherwise both sides could wait for
 * the other to read. */
static cfp_status receive_request(packer *p)
{
    if (!cfp_wire_receive_text(p->socket, &p->ctx, &p->path) ||
        !cfp_read_whole(p->socket, &p->n, sizeof p->n))
        return CFP_IO; /* the program is gone: nobody reads the answer */
    CFP_TRY_ALLOC(&p->ctx, p->from, p->n);
    CFP_TRY_ALLOC(&p->ctx, p->group, p->n);
    for (int i = 0; i < p->n; i++)
        if (!cfp_wire_receive_text(p->socket, &p->ctx, &p->from[i]) ||
            !cfp_wire_receive_text(p->socket, &p->ctx, &p->group[i]))
            return CFP_IO;
    return CFP_OK;
}

static void free_request(packer *p)
{
    for (int i = 0; i < p->n; i++) {
        if (p->from != NULL)
            cfp_free(p->from[i]);
        if (p->group != NULL)
            cfp_free(p->group[i]);
    }
    cfp_free(p->from);
    cfp_free(p->group);
    cfp_free(p->path);
}

static cfp_status pack(packer *p)
{
    cfp_output output = {.ctx = &p->ctx};
    CFP_TRY(receive_request(p));
    if (*p->path == '\0')
        return look(p);
    unlink(p->path);
    CFP_TRY(cfp_newfile_open_at(&output.file, &p->ctx, p->path, p->path));
    cfp_status status = cfp_h5_file_open(&p->file, &output);
    if (status == CFP_OK)
        status = fill(p);
    status = cfp_h5_file_close(&p->file, status);
    if (status == CFP_OK)
        status = cfp_h5_keep(&output);
    cfp_newfile_abandon(&output.file);
    return status;
}

void cfp_pack_serve(int socket)
{
    packer p = {.socket = socket, .bad = -1, .source = H5I_INVALID_HID};
    const int end = -1;
    pack_answer answer = {.status = pack(&p)};
    answer.bad = p.bad;
    snprintf(answer.message, sizeof answer.message, "%s", p.ctx.message);
    if (cfp_write_whole(socket, &end, sizeof end))
        cfp_write_whole(socket, &answer, sizeof answer);
    free_request(&p);
}
