/* png_file.h - writes pixels to a PNG file; the only interface to libpng. */
#pragma once
#include "../files/output.h"

typedef struct cfp_pixels {
    int height, width;
    int channels; /* 3: RGB; 4: RGB and opacity */
    int dpi;      /* pixels per inch; 0: the file does not say */
    /* Returns row y, width x channels bytes.  It may use `buffer`, which has that size. */
    const uint8_t *(*row)(const struct cfp_pixels *pixels, int y, uint8_t *buffer);
    const void *data;
} cfp_pixels;

CFP_CHECKED cfp_status cfp_png_write(cfp_output *output, const char *name,
                                     const cfp_pixels *pixels);
