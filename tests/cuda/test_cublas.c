/* test_cublas.c - how the CUDA backend calls cuBLASLt.
 *
 *     test_cublas FAKE.so     with fake_cublaslt.c in its place: every form of product, refusals
 *     test_cublas             with the real one: it has the functions, or says why it cannot start
 *
 * It defines dlopen, so that it can pretend to be a machine without the library. */
#include "../../cuda/linear.h"
#include "../test.h"
#include "fake_cublaslt.h"
#include "halves.h"
#include <dlfcn.h>
#include <stdalign.h>
#include <stdlib.h>

static bool library_is_missing;
static fake_cublaslt *fake;
static const size_t CAP = 1 << 20;
static char any;
static cudaStream_t stream = (cudaStream_t)(void *)&any; /* the fake does not use it */

void *dlopen(const char *file, int flags)
{
    void *(*real)(const char *, int);
    *(void **)&real = dlsym(RTLD_NEXT, "dlopen");
    if (library_is_missing && file != NULL && strstr(file, "cublasLt") != NULL)
        return real("libcublasLt.so.0-of-nobody", flags);
    return real(file, flags);
}

enum { N = 8, X = 48, Y = 24 };

/* An operand in the type of the precision, and as floats, which the type holds exactly. */
struct operand {
    alignas(256) float value[X * Y];
    alignas(256) uint16_t half[X * Y];
    int count;
    cfp_precision precision;
};

static bool is_half(cfp_precision p)
{
    return p == CFP_BF16 || p == CFP_FP16;
}

static void fill(struct operand *o, cfp_precision precision, int count, int seed)
{
    o->count = count, o->precision = precision;
    for (int i = 0; i < count; i++) {
        o->value[i] = (float)((i * 29 + seed * 17) % 23 - 11) / 8; /* exact in every type */
        o->half[i] = precision == CFP_BF16 ? bfloat16_of(o->value[i]) : float16_of(o->value[i]);
    }
}

static void *memory_of(struct operand *o)
{
    return is_half(o->precision) ? (void *)o->half : (void *)o->value;
}

static float got(const struct operand *o, int i)
{
    return o->precision == CFP_BF16   ? float_of_bfloat16(o->half[i])
           : o->precision == CFP_FP16 ? float_of_float16(o->half[i])
                                      : o->value[i];
}

static float rounded(cfp_precision p, double x)
{
    return p == CFP_BF16   ? float_of_bfloat16(bfloat16_of((float)x))
           : p == CFP_FP16 ? float_of_float16(float16_of((float)x))
                           : (float)x;
}

/* Output `o` of clip `n`, by the definition. */
static double right(const cuda_linear_spec *s, const struct operand *from, const struct operand *w,
                    const float *z, const struct operand *bias, int n, int o)
{
    const int inputs = s->backward ? s->y_channels : s->x_channels;
    double sum = 0;
    for (int i = 0; i < inputs; i++) {
        const int at = s->backward ? i * s->x_channels + o : o * s->x_channels + i;
        sum += (double)from->value[n * inputs + i] * w->value[at];
    }
    if (s->adds)
        sum += (double)z[n * s->y_channels + o];
    if (s->bias)
        sum += (double)bias->value[o];
    return s->relu && sum < 0 ? 0 : sum;
}

/* in_place: z and y are the same memory. */
static void check_product(const cuda_blas *blas, const cuda_linear_spec *s, bool in_place)
{
    static struct operand x, w, y, z, bias;
    static float z_value[N * Y];
    static alignas(256) unsigned char workspace[4096];
    cfp_ctx ctx = {0};
    cuda_linear *linear;
    fill(&x, s->precision, s->n * s->x_channels, 1);
    fill(&w, s->precision, s->y_channels * s->x_channels, 2);
    fill(&y, s->precision, s->n * s->y_channels, 3);
    fill(&z, s->precision, s->n * s->y_channels, 4);
    fill(&bias, s->precision, s->y_channels, 5);
    struct operand *const from = s->backward ? &y : &x, *const to = s->backward ? &x : &y;
    memcpy(z_value, in_place ? y.value : z.value, (size_t)y.count * sizeof *z_value);
    CHECK_EQ(cuda_linear_open(&linear, blas, &ctx, s), CFP_OK);
    if (linear == NULL)
        return;
    CHECK(cuda_linear_workspace(linear) > 0 && cuda_linear_workspace(linear) <= sizeof workspace);
    CHECK_EQ((uintptr_t)fake->bias % 256, 0);
    CHECK_EQ(fake->bias != NULL, s->bias);
    CHECK_EQ(cuda_linear_run(linear, &ctx, memory_of(&x), memory_of(&w), memory_of(&y),
                             s->adds ? memory_of(in_place ? &y : &z) : NULL,
                             s->bias ? memory_of(&bias) : NULL, workspace),
             CFP_OK);
    const int outputs = s->backward ? s->x_channels : s->y_channels;
    for (int n = 0; n < s->n; n++)
        for (int o = 0; o < outputs; o++)
            CHECK_NEAR(got(to, n * outputs + o),
                       rounded(s->precision, right(s, from, &w, z_value, &bias, n, o)), 0);
    CHECK(fake->stream == stream);
    cuda_linear_close(&linear);
    CHECK(linear == NULL);
}

static void every_form_is_right(void)
{
    static const int shapes[][3] = {{2, 8, 8}, {3, X, 16}, {N, 16, Y}};
    cfp_ctx ctx = {0};
    cuda_blas *blas;
    CHECK_EQ(cuda_blas_open(&blas, &ctx, stream, CAP), CFP_OK);
    for (int p = CFP_FP32; p <= CFP_FP16; p++)
        for (int i = 0; i < 3; i++)
            for (int form = 0; form <= 8; form++) { /* adds, bias, relu; backward */
                const cuda_linear_spec spec = {.backward = form == 8,
                                               .adds = (form & 1) != 0,
                                               .bias = (form & 2) != 0,
                                               .relu = (form & 4) != 0,
                                               .precision = (cfp_precision)p,
                                               .n = shapes[i][0],
                                               .x_channels = shapes[i][1],
                                               .y_channels = shapes[i][2]};
                check_product(blas, &spec, false);
                if (spec.adds)
                    check_product(blas, &spec, true);
            }
    cuda_blas_close(&blas);
    CHECK_EQ(fake->live, 0);
}

/* fp32 asks for sums without tensor cores; no precision asks for sums of several blocks in the
 * output. */
static void precision_decides_on_the_sums(void)
{
    static const cublasComputeType_t compute[] = {CUBLAS_COMPUTE_32F_PEDANTIC,
                                                  CUBLAS_COMPUTE_32F_FAST_TF32, CUBLAS_COMPUTE_32F,
                                                  CUBLAS_COMPUTE_32F};
    cfp_ctx ctx = {0};
    cuda_blas *blas;
    CHECK_EQ(cuda_blas_open(&blas, &ctx, stream, CAP), CFP_OK);
    for (int p = CFP_FP32; p <= CFP_FP16; p++) {
        const cuda_linear_spec spec = {
            .precision = (cfp_precision)p, .n = 2, .x_channels = 8, .y_channels = 8};
        check_product(blas, &spec, false);
        CHECK_EQ(fake->compute, compute[p]);
        CHECK_EQ(fake->reductions, CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE);
        CHECK_EQ(fake->workspace_most, CAP);
        for (int i = 0; i < 4; i++)
            CHECK_EQ(fake->alignment[i], 16);
    }
    cuda_blas_close(&blas);
}

static void what_it_refuses_is_said(void)
{
    const cuda_linear_spec spec = {.adds = true,
                                   .bias = true,
                                   .precision = CFP_TF32,
                                   .n = 2,
                                   .x_channels = 8,
                                   .y_channels = 16};
    static alignas(256) float numbers[256];
    cfp_ctx ctx = {0};
    cuda_blas *blas;
    cuda_linear *linear;
    CHECK_EQ(cuda_blas_open(&blas, &ctx, stream, CAP), CFP_OK);
    fake->has_no_algorithm = true;
    CHECK_EQ(cuda_linear_open(&linear, blas, &ctx, &spec), CFP_UNSUPPORTED);
    CHECK_STR(ctx.message, "linear+z+bias 2 x 8 -> 16, tf32: cuBLAS: it is not supported");
    CHECK(linear == NULL);
    fake->has_no_algorithm = false;

    CHECK_EQ(cuda_linear_open(&linear, blas, &ctx, &spec), CFP_OK);
    fake->fails_to_run = true;
    CHECK_EQ(cuda_linear_run(linear, &ctx, numbers, numbers, numbers, numbers, numbers, numbers),
             CFP_DEVICE);
    CHECK_HAS(ctx.message, "cuBLAS: it failed");
    fake->fails_to_run = false;
    cuda_linear_close(&linear);
    cuda_linear_close(&linear);
    cuda_blas_close(&blas);
    cuda_blas_close(&blas);

    CHECK_EQ(cuda_blas_open(&blas, &ctx, NULL, 16),
             CFP_OK); /* a workspace of 16 bytes is too small */
    CHECK_EQ(cuda_linear_open(&linear, blas, &ctx, &spec), CFP_UNSUPPORTED);
    cuda_blas_close(&blas);
    fake->does_not_start = true;
    CHECK_EQ(cuda_blas_open(&blas, &ctx, stream, CAP), CFP_UNSUPPORTED);
    CHECK_STR(ctx.message, "cuBLAS does not start: it is not initialised");
    CHECK(blas == NULL);
    fake->does_not_start = false;
    CHECK_EQ(fake->live, 0);
}

static void memory_may_be_short(void)
{
    const cuda_linear_spec spec = {.n = 2, .x_channels = 8, .y_channels = 8};
    cfp_ctx ctx = {.fail_allocation = 1};
    cuda_blas *blas;
    cuda_linear *linear;
    CHECK_EQ(cuda_blas_open(&blas, &ctx, stream, CAP), CFP_NOMEM);
    CHECK_EQ(cuda_blas_open(&blas, &ctx, stream, CAP), CFP_OK);
    ctx.fail_allocation = 1;
    CHECK_EQ(cuda_linear_open(&linear, blas, &ctx, &spec), CFP_NOMEM);
    cuda_blas_close(&blas);
    CHECK_EQ(fake->live, 0);
}

static void a_missing_library_is_said(void)
{
    cfp_ctx ctx = {0};
    cuda_blas *blas;
    library_is_missing = true;
    CHECK_EQ(cuda_blas_open(&blas, &ctx, stream, CAP), CFP_UNSUPPORTED);
    CHECK_HAS(ctx.message, "cuBLAS: libcublasLt.so.0-of-nobody: ");
    CHECK(blas == NULL);
    library_is_missing = false;
}

/* Without a GPU it may not start.  If a function were missing, the message would say that. */
static int with_the_real_one(void)
{
    cfp_ctx ctx = {0};
    cuda_blas *blas;
    const cfp_status status = cuda_blas_open(&blas, &ctx, NULL, CAP);
    if (status != CFP_OK && strstr(ctx.message, "cannot open shared object") != NULL) {
        printf("skipped: %s\n", ctx.message);
        return 77;
    }
    if (status != CFP_OK) {
        CHECK_EQ(status, CFP_UNSUPPORTED);
        CHECK_HAS(ctx.message, "cuBLAS does not start: ");
        CHECK(blas == NULL);
    }
    printf("%s\n", status == CFP_OK ? "cuBLAS starts" : ctx.message);
    cuda_blas_close(&blas);
    return test_result();
}

int main(int argc, char **argv)
{
    if (argc == 1)
        return with_the_real_one();
    void *library = dlopen(argv[1], RTLD_NOW);
    fake = library != NULL ? dlsym(library, "fake") : NULL;
    if (fake == NULL) {
        fprintf(stderr, "test_cublas: %s\n", dlerror());
        return 2;
    }
    a_missing_library_is_said();
    every_form_is_right();
    precision_decides_on_the_sums();
    what_it_refuses_is_said();
    memory_may_be_short();
    return test_result();
}
