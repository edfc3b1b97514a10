/* cublas_library.c - finds cuBLASLt, loads it and starts it.
 *
 * The module is not linked with it.  So the module opens without it, and its half gigabyte is
 * mapped only for a network that uses it.  cuDNN loads the same file of the same major version, so
 * on a machine with cuDNN it is present, and often loaded already. */
#include "cublas_library.h"
#include <dlfcn.h>

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
static const char file_name[] = "libcublasLt.so." TEXT(CUBLAS_VER_MAJOR);

/* Copies the pointer: ISO C has no conversion from dlsym's void * to a function pointer. */
static bool find(void *library, const char *name, void *function)
{
    void *const found = dlsym(library, name);
    memcpy(function, &found, sizeof found);
    return found != NULL;
}

static cfp_status load(cuda_blas *blas, cfp_ctx *ctx)
{
    void *const library =
        dlopen(file_name, RTLD_LAZY | RTLD_LOCAL); /* never closed: cuDNN may use it, too */
    if (library == NULL) {
        const char *why = dlerror();
        return cfp_fail(ctx, CFP_UNSUPPORTED, "cuBLAS: %s", why != NULL ? why : file_name);
    }
#define X(function)                                                                                \
    if (!find(library, #function, &blas->function))                                                \
        return cfp_fail(ctx, CFP_UNSUPPORTED, "cuBLAS: %s has no %s", file_name, #function);
    CUBLAS_FUNCTIONS(X)
#undef X
    return CFP_OK;
}

static cfp_status start(cuda_blas *blas, cfp_ctx *ctx)
{
    CFP_TRY(load(blas, ctx));
    const cublasStatus_t status = blas->cublasLtCreate(&blas->handle);
    if (status != CUBLAS_STATUS_SUCCESS)
        return cfp_fail(ctx, CFP_UNSUPPORTED, "cuBLAS does not start: %s",
                        blas->cublasLtGetStatusString(status));
    return CFP_OK;
}

cfp_status cuda_blas_open(cuda_blas **out, cfp_ctx *ctx, cudaStream_t stream, size_t workspace_cap)
{
    *out = NULL;
    CFP_TRY_ALLOC(ctx, *out, 1);
    (*out)->stream = stream;
    (*out)->workspace_cap = workspace_cap;
    const cfp_status status = start(*out, ctx);
    if (status != CFP_OK)
        cuda_blas_close(out);
    return status;
}

void cuda_blas_close(cuda_blas **blas)
{
    if (*blas == NULL)
        return;
    if ((*blas)->handle != NULL)
        (*blas)->cublasLtDestroy((*blas)->handle);
    cfp_free(*blas);
    *blas = NULL;
}
