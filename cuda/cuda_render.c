/* cuda_render.c - sub-table render: tubes over their clips (render.h).  Clips and maps have fewer
 * voxels than an int can count, because cuda_step_open refuses larger tensors. */
#include "cuda_backend.h"

static cfp_status tube(cfp_backend *backend, const cfp_render *op)
{
    CUDA_TRY(backend, cuda_render_tube(op, backend->stream));
    return CFP_OK;
}

static cfp_status overlay(cfp_backend *backend, const cfp_overlay *op, uint8_t *rgb,
                          const float *frame)
{
    CUDA_TRY(backend, cuda_overlay_frame(op, rgb, frame, backend->stream));
    return CFP_OK;
}

const cfp_render_api cuda_render_table = {.tube = tube, .overlay = overlay};
