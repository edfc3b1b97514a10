/* clip_file.c - see clip_file.h. */
#include "clip_file.h"
#include "store_files.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

cfp_status cfp_h5_keep(cfp_output *output)
{
    FILE *const stream = output->file.stream;
    if (fflush(stream) != 0 || (fsync(fileno(stream)) != 0 && errno != EINVAL))
        return cfp_fail(output->ctx, CFP_IO, "%s: %s", output->file.path, strerror(errno));
    return cfp_newfile_commit(&output->file);
}

static cfp_status fill(cfp_h5_file *file, const char *group, const cfp_explanation *explanation,
                       const cfp_run *run, const cfp_h5_parts *parts)
{
    hid_t clips, clip;
    CFP_TRY(cfp_h5_put_text(file, file->id, "cfp_format", "explanation"));
    CFP_TRY(cfp_h5_put_int(file, file->id, "cfp_version", 1));
    CFP_TRY(cfp_h5_put_group(file, &clips, file->id, "clips"));
    cfp_status status = cfp_h5_put_group(file, &clip, clips, group);
    if (status == CFP_OK) {
        status = cfp_h5_put_explanation(file, clip, explanation, run, parts);
        H5Gclose(clip);
    }
    H5Gclose(clips);
    return status;
}

static cfp_status write_file(cfp_output *output, const char *group,
                             const cfp_explanation *explanation, const cfp_run *run,
                             const cfp_h5_parts *parts)
{
    cfp_h5_file file;
    cfp_status status = cfp_h5_file_open(&file, output);
    if (status == CFP_OK)
        status = fill(&file, group, explanation, run, parts);
    CFP_TRY(cfp_h5_file_close(&file, status));
    return cfp_h5_keep(output);
}

cfp_status cfp_clip_file_write(cfp_ctx *ctx, const char *draft, const char *id,
                               const cfp_explanation *explanation, const cfp_run *run,
                               const cfp_h5_parts *parts)
{
    cfp_output output = {.ctx = ctx};
    char *group = cfp_batch_group(ctx, id);
    if (group == NULL)
        return CFP_NOMEM;
    unlink(draft);
    cfp_status status = cfp_newfile_open_at(&output.file, ctx, draft, draft);
    if (status == CFP_OK)
        status = write_file(&output, group, explanation, run, parts);
    cfp_newfile_abandon(&output.file);
    cfp_free(group);
    return status;
}
