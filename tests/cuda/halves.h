/* halves.h - converts float32 to the bits of bfloat16 and float16, and back, in C: for the
 * simulator and for tests that need numbers which these types hold exactly.  Rounds to the nearest,
 * ties to even, as a GPU does; NaN stays NaN. */
#pragma once
#include <stdint.h>
#include <string.h>

static inline uint32_t float_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
static inline float bits_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The upper half of a float32. */
static inline uint16_t bfloat16_of(float x)
{
    const uint32_t bits = float_bits(x);
    if (x != x)
        return 0x7fff;
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
static inline float float_of_bfloat16(uint16_t half)
{
    return bits_float((uint32_t)half << 16);
}

/* 1 sign, 5 exponent, 10 fraction. */
static inline uint16_t float16_of(float x)
{
    const uint32_t bits = float_bits(x), sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
    uint32_t half;
    if (size > 0x7f800000) /* NaN */
        return 0x7fff;
    if (size >= 0x477ff000) /* 65520 and above become infinite */
        half = 0x7c00;
    else if (size < 0x38800000) /* below 2^-14: a multiple of 2^-24, the unit of 0.5f */
        half = float_bits(bits_float(size) + 0.5f) - 0x3f000000;
    else
        half = (size - 0x38000000 + 0xfff + (size >> 13 & 1)) >> 13;
    return (uint16_t)(sign | half);
}
static inline float float_of_float16(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16, size = half & 0x7fff;
    float x;
    if (size >= 0x7c00)
        x = bits_float(0x7f800000 | (size & 0x3ff) << 13);
    else if (size < 0x400)
        x = (float)size * 0x1p-24f;
    else
        x = bits_float((size << 13) + 0x38000000);
    return bits_float(float_bits(x) | sign);
}
