/* ref_frames.c - converts frames of bytes to a tensor of any block.  It is done on return. */
#include "ref.h"

static cfp_status upload(cfp_backend *backend, cfp_tensor *dst, int clip, const uint8_t *rgb,
                         const cfp_input_spec *input, uint64_t *done)
{
    (void)backend;
    const int64_t positions = cfp_positions(dst->shape);
    for (int c = 0; c < dst->shape.c; c++) {
        float value[256];
        cfp_input_values(value, input, c);
        const uint8_t *from = rgb + cfp_input_color(input, c);
        float *to = dst->data + cfp_offset(dst, clip, c, 0, 0, 0);
        for (int64_t p = 0; p < positions; p++)
            to[p * dst->block] = value[from[3 * p]];
    }
    ref_zero_lanes(dst);
    *done = 0;
    return CFP_OK;
}

/* There is nothing to copy ahead: upload reads host memory. */
static cfp_status stage(cfp_backend *backend, const uint8_t *rgb, size_t bytes, uint64_t *done)
{
    (void)backend, (void)rgb, (void)bytes;
    *done = 0;
    return CFP_OK;
}

static cfp_status wait(cfp_backend *backend, uint64_t done)
{
    (void)backend, (void)done;
    return CFP_OK;
}

const cfp_frames_api ref_frames = {.upload = upload, .stage = stage, .wait = wait};
