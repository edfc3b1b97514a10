/* describe_gpu.c - writes cuDNN's description of this machine's GPU, and prints which of NVIDIA's
 * libraries are loaded.
 *
 *     describe_gpu OUT.json [DEVICE.json]
 *
 * OUT.json is the description, for tests/cuda/devices/.  With DEVICE.json it is of the device that
 * this file describes, which need not be present.  Exit 77: there is no GPU; it prints why. */
#define _GNU_SOURCE /* dladdr */
#include "../../cuda/cublas_library.h"
#include "../../cuda/cudnn_inside.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

enum { JSON_BYTES = 1 << 16, NOT_HERE = 77 };

static const char *file_of(void *function)
{
    Dl_info info;
    return dladdr(function, &info) != 0 && info.dli_fname != NULL ? info.dli_fname : "nowhere";
}

static void describe_libraries(void)
{
    int driver = 0, runtime = 0;
    const size_t cudnn = cudnnGetVersion();
    size_t (*version)(void) = cudnnGetVersion;
    void *address;
    memcpy(&address, &version, sizeof address);
    (void)cudaDriverGetVersion(&driver);
    (void)cudaRuntimeGetVersion(&runtime);
    printf("the driver is for CUDA %d.%d; the runtime is CUDA %d.%d\n", driver / 1000,
           driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
    printf("cuDNN %zu.%zu.%zu: %s\n", cudnn / 10000, cudnn / 100 % 100, cudnn % 100,
           file_of(address));
}

static void describe_cublas(void)
{
    cfp_ctx ctx = {0};
    cuda_blas *blas;
    if (cuda_blas_open(&blas, &ctx, NULL, 0) != CFP_OK) {
        printf("cuBLASLt is not loaded, cuDNN multiplies instead: %s\n", ctx.message);
        return;
    }
    void *address;
    memcpy(&address, &blas->cublasLtCreate, sizeof address);
    printf("cuBLASLt is loaded: %s\n", file_of(address));
    cuda_blas_close(&blas);
}

static char *read_text(const char *path)
{
    char *text = calloc(1, JSON_BYTES);
    FILE *file = fopen(path, "rb");
    const size_t length = file != NULL && text != NULL ? fread(text, 1, JSON_BYTES - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    if (length > 0)
        return text;
    free(text);
    return NULL;
}

static bool write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    bool ok = file != NULL && fprintf(file, "%s\n", text) > 0;
    if (file != NULL)
        ok = fclose(file) == 0 && ok;
    if (!ok)
        fprintf(stderr, "describe_gpu: %s: cannot be written\n", path);
    return ok;
}

static cfp_status open_dnn(cuda_dnn **dnn, cfp_ctx *ctx, const char *json)
{
    return json != NULL ? cuda_dnn_open_json(dnn, ctx, json, 0) : cuda_dnn_open(dnn, ctx, NULL, 0);
}

/* Returns 0, or 1 after it has printed a message. */
static int describe_device(cuda_dnn *dnn, const char *path)
{
    static char text[JSON_BYTES];
    const int n =
        cuda_descs_get(&dnn->descs, dnn->device, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
                       CUDNN_TYPE_CHAR, JSON_BYTES - 1, text);
    if (n <= 0) {
        fprintf(stderr, "describe_gpu: cuDNN does not describe the device: %s\n", dnn->descs.text);
        return 1;
    }
    if (!write_text(path, text))
        return 1;
    printf("%s: cuDNN's description, %d bytes\n", path, (int)strlen(text));
    return 0;
}

int main(int argc, char **argv)
{
    cfp_ctx ctx = {0};
    cuda_dnn *dnn;
    if (argc != 2 && argc != 3) {
        fprintf(stderr, "usage: describe_gpu OUT.json [DEVICE.json]\n");
        return 2;
    }
    char *json = argc == 3 ? read_text(argv[2]) : NULL;
    if (argc == 3 && json == NULL) {
        fprintf(stderr, "describe_gpu: %s: cannot be read\n", argv[2]);
        return 1;
    }
    describe_libraries();
    const cfp_status status = open_dnn(&dnn, &ctx, json);
    free(json);
    if (status != CFP_OK) {
        printf("skipped: %s\n", ctx.message);
        return NOT_HERE;
    }
    const int result = describe_device(dnn, argv[1]);
    if (argc == 2)
        describe_cublas();
    cuda_dnn_close(&dnn);
    return result;
}
