/* elements.c - see elements.h. */
#include "elements.h"
#include <math.h>
#include <string.h>

bool cfp_element_parse(cfp_element_type *out, const char *descr)
{
    out->big_endian = descr[0] == '>';
    if (descr[0] != '\0' && strchr("|<>=", descr[0]) != NULL)
        descr++;
    if (descr[0] == '\0' || descr[1] < '1' || descr[1] > '8' || descr[2] != '\0')
        return false;
    out->kind = descr[0] == 'b' && descr[1] == '1' ? 'u' : descr[0];
    out->bytes = descr[1] - '0';
    const bool size = out->bytes == 2 || out->bytes == 4 || out->bytes == 8;
    return (out->kind == 'f' && size) ||
           ((out->kind == 'u' || out->kind == 'i') && (size || out->bytes == 1));
}

/* IEEE 754 half precision. */
static float half(uint64_t bits)
{
    const int exponent = (int)(bits >> 10 & 31), fraction = (int)(bits & 1023);
    float value = exponent == 0 ? ldexpf((float)fraction, -24)
                                : ldexpf((float)(fraction + 1024), exponent - 25);
    if (exponent == 31)
        value = fraction == 0 ? INFINITY : NAN;
    return (bits >> 15 & 1) != 0 ? -value : value;
}

static float real(uint64_t bits, int bytes)
{
    const uint32_t word = (uint32_t)bits;
    float single;
    double twice;
    if (bytes == 2)
        return half(bits);
    memcpy(&single, &word, sizeof single);
    memcpy(&twice, &bits, sizeof twice);
    return bytes == 4 ? single : (float)twice;
}

static float whole(uint64_t bits, int bytes, bool is_signed)
{
    const int unused = 64 - 8 * bytes;
    if (!is_signed)
        return (float)bits;
    const uint64_t sign = (uint64_t)1 << (63 - unused);
    if ((bits & sign) == 0)
        return (float)bits;
    return -(float)(sign - (bits & (sign - 1))); /* two's complement */
}

void cfp_element_floats(float *out, const uint8_t *from, size_t step, size_t n,
                        cfp_element_type type)
{
    for (size_t i = 0; i < n; i++, from += step) {
        uint64_t bits = 0;
        for (int b = 0; b < type.bytes; b++)
            bits = bits << 8 | from[type.big_endian ? b : type.bytes - 1 - b];
        out[i] =
            type.kind == 'f' ? real(bits, type.bytes) : whole(bits, type.bytes, type.kind == 'i');
    }
}
