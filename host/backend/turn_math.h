/* turn_math.h - the formulas of cfp_turn (relevance.h), for the host and for devices. */
#pragma once
#include "both.h"
#include "relevance.h"

CFP_BOTH float cfp_turned(float x, float b, float alpha)
{
    return b + alpha * (x - b);
}

/* The inverse.  The derivative of a relu, hardsigmoid or relu6 is computed from its output and
 * changes at 0, 1 or 6.  So a number that came from exactly one of these becomes it again: of0,
 * of1, of6 are what they were turned to, as stored. */
CFP_BOTH float cfp_turned_back(float x, float b, float alpha, float of0, float of1, float of6)
{
    return x == of0 ? 0.0f : x == of1 ? 1.0f : x == of6 ? 6.0f : b + (x - b) / alpha;
}
