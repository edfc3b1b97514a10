/* png_file.h - pixels into a PNG: the way to libpng. */
#pragma once
#include "../files/output.h"

typedef struct cfp_pixels {
    int height, width;
    int channels; /* 3: RGB, 4: RGB and opacity */
    /* Row y, width x channels; may be made in `room`, of that size. */
    const uint8_t *(*row)(const struct cfp_pixels *pixels, int y, uint8_t *room);
    const void *data;
} cfp_pixels;

CFP_CHECKED cfp_status cfp_png_write(cfp_output *output, const char *name,
                                     const cfp_pixels *pixels);
