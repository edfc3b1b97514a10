/* colormap.c - see colormap.h.
 *
 * jet is OpenCV's: three clamped ramps.  The published code draws with it.  turbo, viridis and
 * inferno are given by every eighth colour and interpolated linearly, at most 3 of 255 away from
 * the full tables.  Colours: turbo by A. Mikhailov (Google, Apache-2.0); viridis and inferno by N.
 * Smith and S. van der Walt (CC0).
 *
 * coolwarm and blackwhite are for differences: colour 128 is neutral and means 0.  coolwarm is blue
 * below and red above, which colour-blind readers can distinguish; by K. Moreland (public domain).
 * blackwhite is for print: black below, grey in the middle, white above. */
#include "colormap.h"

const char *const cfp_colormap_names[CFP_COLORMAP_END + 1] = {
    "jet", "turbo", "viridis", "inferno", "gray", "coolwarm", "blackwhite", NULL};

enum { KEYS = 33, APART = 8 }; /* colours 0, 8, ... 248, 255 */

static const uint32_t turbo[KEYS] = {
    0x30123b, 0x392a73, 0x4040a2, 0x4456c7, 0x466be3, 0x4680f6, 0x4294ff, 0x37a8fa, 0x28bceb,
    0x1ccdd8, 0x18ddc2, 0x1fe9af, 0x32f298, 0x4ef97d, 0x6dfe62, 0x8bff4b, 0xa4fc3c, 0xb9f635,
    0xcdec34, 0xdfdf37, 0xeecf3a, 0xf8be39, 0xfdac34, 0xfe962b, 0xfb7e21, 0xf46617, 0xeb500e,
    0xdf3f08, 0xd02f05, 0xbe2102, 0xa91601, 0x920b01, 0x7a0403};
static const uint32_t viridis[KEYS] = {
    0x440154, 0x470d60, 0x48186a, 0x482374, 0x472d7b, 0x453781, 0x424086, 0x3e4989, 0x3b528b,
    0x375b8d, 0x33638d, 0x2f6b8e, 0x2c728e, 0x297a8e, 0x26828e, 0x23898e, 0x21918c, 0x1f988b,
    0x1fa088, 0x22a785, 0x28ae80, 0x32b67a, 0x3fbc73, 0x4ec36b, 0x5ec962, 0x70cf57, 0x84d44b,
    0x98d83e, 0xaddc30, 0xc2df23, 0xd8e219, 0xece51b, 0xfde725};
static const uint32_t inferno[KEYS] = {
    0x000004, 0x040312, 0x0b0724, 0x150b37, 0x210c4a, 0x2f0a5b, 0x3d0965, 0x4a0c6b, 0x57106e,
    0x64156e, 0x71196e, 0x7d1e6d, 0x8a226a, 0x972766, 0xa32c61, 0xb0315b, 0xbc3754, 0xc73e4c,
    0xd24644, 0xdb503b, 0xe45a31, 0xeb6628, 0xf1731d, 0xf68013, 0xf98e09, 0xfb9d07, 0xfcac11,
    0xfbbc21, 0xf9cb35, 0xf5db4c, 0xf2ea69, 0xf3f68a, 0xfcffa4};

static const uint32_t coolwarm[KEYS] = {
    0x3b4cc0, 0x445acc, 0x4d68d7, 0x5775e1, 0x6282ea, 0x6c8ef1, 0x779af7, 0x82a5fb, 0x8db0fe,
    0x98b9ff, 0xa3c2ff, 0xaec9fd, 0xb8d0f9, 0xc2d5f4, 0xccd9ee, 0xd5dbe6, 0xdddddd, 0xe5d8d1,
    0xecd3c5, 0xf1ccb9, 0xf5c4ad, 0xf7bba0, 0xf7b194, 0xf7a687, 0xf49a7b, 0xf18d6f, 0xec7f63,
    0xe57058, 0xde604d, 0xd55042, 0xcb3e38, 0xc0282f, 0xb40426};

/* A clamped trapezium: rises from `up` with slope 4, falls to `down`. */
static uint8_t ramp(int i, int up, int down)
{
    const int v = cfp_min_int(4 * i + up, down - 4 * i);
    return (uint8_t)cfp_max_int(0, cfp_min_int(v, 255));
}

static uint8_t between(const uint32_t *keys, int i, int shift)
{
    const int k = i / APART, apart = k == KEYS - 2 ? APART - 1 : APART;
    const int from = keys[k] >> shift & 255, to = keys[k + 1] >> shift & 255;
    return (uint8_t)((from * (apart - i % APART) + to * (i % APART) + apart / 2) / apart);
}

void cfp_colormap_table(uint8_t *rgb, cfp_colormap map)
{
    for (int i = 0; i < 256; i++) {
        uint8_t *colour = rgb + 3 * i;
        const uint32_t *keys = map == CFP_COLORMAP_TURBO      ? turbo
                               : map == CFP_COLORMAP_VIRIDIS  ? viridis
                               : map == CFP_COLORMAP_INFERNO  ? inferno
                               : map == CFP_COLORMAP_COOLWARM ? coolwarm
                                                              : NULL;
        if (keys != NULL) {
            for (int c = 0; c < 3; c++)
                colour[c] = between(keys, i, 16 - 8 * c);
        } else if (map == CFP_COLORMAP_GRAY || map == CFP_COLORMAP_BLACKWHITE) {
            colour[0] = colour[1] = colour[2] = (uint8_t)i;
        } else {
            colour[0] = ramp(i, -382, 1148);
            colour[1] = ramp(i, -128, 892);
            colour[2] = ramp(i, 128, 638);
        }
    }
}
