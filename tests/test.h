/* test.h - the whole test framework.  A check that fails prints both sides, and the test goes on.
 *
 * The main() of a test program calls functions that are named after what they check, and returns
 * test_result(): 0, or 1 if a check failed.  77 means skipped, and ctest shows it so. */
#pragma once
#include <math.h>
#include <stdio.h>
#include <string.h>

static int test_failures;
static int test_checks;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        test_checks++;                                                                             \
        if (!(condition)) {                                                                        \
            test_failures++;                                                                       \
            fprintf(stderr, "%s:%d: %s: not so: %s\n", __FILE__, __LINE__, __func__, #condition);  \
        }                                                                                          \
    } while (0)

#define CHECK_EQ(a, b)                                                                             \
    do {                                                                                           \
        const long long a_ = (long long)(a), b_ = (long long)(b);                                  \
        test_checks++;                                                                             \
        if (a_ != b_) {                                                                            \
            test_failures++;                                                                       \
            fprintf(stderr, "%s:%d: %s: %s is %lld, expected %s = %lld\n", __FILE__, __LINE__,     \
                    __func__, #a, a_, #b, b_);                                                     \
        }                                                                                          \
    } while (0)

#define CHECK_STR(a, b)                                                                            \
    do {                                                                                           \
        const char *a_ = (a), *b_ = (b);                                                           \
        test_checks++;                                                                             \
        if (strcmp(a_, b_) != 0) {                                                                 \
            test_failures++;                                                                       \
            fprintf(stderr, "%s:%d: %s: %s is \"%s\", expected \"%s\"\n", __FILE__, __LINE__,      \
                    __func__, #a, a_, b_);                                                         \
        }                                                                                          \
    } while (0)

/* Checks that a text contains the piece.  For error messages, which must name what is wrong. */
#define CHECK_HAS(text, piece)                                                                     \
    do {                                                                                           \
        const char *a_ = (text), *b_ = (piece);                                                    \
        test_checks++;                                                                             \
        if (strstr(a_, b_) == NULL) {                                                              \
            test_failures++;                                                                       \
            fprintf(stderr, "%s:%d: %s: \"%s\" does not say \"%s\"\n", __FILE__, __LINE__,         \
                    __func__, a_, b_);                                                             \
        }                                                                                          \
    } while (0)

#define CHECK_NEAR(a, b, tolerance)                                                                \
    do {                                                                                           \
        const double a_ = (a), b_ = (b), d_ = fabs(a_ - b_);                                       \
        test_checks++;                                                                             \
        if (!(d_ <= (tolerance))) { /* written so that NaN fails, too */                           \
            test_failures++;                                                                       \
            fprintf(stderr, "%s:%d: %s: %s is %.9g, expected %.9g within %.3g\n", __FILE__,        \
                    __LINE__, __func__, #a, a_, b_, (double)(tolerance));                          \
        }                                                                                          \
    } while (0)

static inline int test_result(void)
{
    printf("%d checks, %d failed\n", test_checks, test_failures);
    return test_failures == 0 ? 0 : 1;
}
