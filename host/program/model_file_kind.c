/* model_file_kind.c - see model_file_kind.h. */
#include "model_file_kind.h"
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static const char hdf5_head[] = "\x89HDF\r\n\x1a\n";
static const char torch_file[] =
    "a PyTorch file: make a model file of it by tools/import-checkpoint (a published architecture) "
    "or tools/import-torch (your own module), and give that";
static const char onnx_file[] =
    "an ONNX file: make a model file of it by tools/import-onnx, and give that";
static const char safetensors_file[] =
    "a safetensors file: load it with safetensors.torch.load_file, save the tensors with "
    "torch.save, "
    "make a model file of that by tools/import-checkpoint or tools/import-torch, and give it";
static const char other_framework[] = "a file of TensorFlow, Keras or TensorRT: export the network "
                                      "to ONNX, make a model file of that "
                                      "by tools/import-onnx, and give it";

typedef struct known {  /* the first row that fits says what the file is */
    const char *suffix; /* how its name ends; NULL: in any way */
    const char *head;   /* how it begins; NULL: in any way */
    int bytes;
    const char *what;
} known;

static const known kinds[] = {
    {".safetensors", NULL, 0, safetensors_file},
    {".onnx", NULL, 0, onnx_file},
    {".pth", NULL, 0, torch_file},
    {".pt", NULL, 0, torch_file},
    {".pyth", NULL, 0, torch_file},
    {".pth.tar", NULL, 0, torch_file},
    {".pth.gz", NULL, 0, torch_file},
    {".pt.gz", NULL, 0, torch_file},
    {".pt2", NULL, 0, torch_file},
    {".ckpt", NULL, 0, torch_file},
    {".torch", NULL, 0, torch_file},
    {".bin", NULL, 0, torch_file},
    {".pkl", NULL, 0, torch_file},
    {".t7", NULL, 0, torch_file},
    {".model", "PK\3\4", 4, torch_file},
    {".pb", NULL, 0, other_framework},
    {".keras", NULL, 0, other_framework},
    {".tflite", NULL, 0, other_framework},
    {".engine", NULL, 0, other_framework},
    {".trt", NULL, 0, other_framework},
    {NULL, "PK\3\4", 4, torch_file},   /* what torch.save writes */
    {NULL, "\x80\x02", 2, torch_file}, /* what it wrote before PyTorch 1.6: a pickle */
};

/* Reads the first bytes of a regular file; returns how many.  *is_folder tells of a folder. */
static int read_head(char head[16], const char *path, bool *is_folder)
{
    struct stat about;
    const bool there = stat(path, &about) == 0;
    *is_folder = there && S_ISDIR(about.st_mode);
    if (!there || !S_ISREG(about.st_mode))
        return -1;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const ssize_t n = fd < 0 ? -1 : read(fd, head, 16);
    if (fd >= 0)
        close(fd);
    return (int)n;
}

static bool is_hdf5(const char *path)
{
    char head[16];
    bool is_folder;
    const int n = read_head(head, path, &is_folder);
    return n >= 8 && memcmp(head, hdf5_head, 8) == 0;
}

static bool ends_in(const char *path, const char *suffix)
{
    const size_t a = strlen(path), b = strlen(suffix);
    return a >= b && strcasecmp(path + a - b, suffix) == 0;
}

static const char *find_kind(const char *path, const char *head, int bytes)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const known *k = &kinds[i];
        if ((k->suffix == NULL || ends_in(path, k->suffix)) && bytes >= k->bytes &&
            (k->bytes == 0 || memcmp(head, k->head, (size_t)k->bytes) == 0))
            return k->what;
    }
    return NULL;
}

/* MODEL is a folder, or a file that holds frames. */
static cfp_status fail_clip(cfp_session *session, const char *path, const char *what)
{
    const cfp_config *config = &session->config;
    const char *second = config->n_operands > 1 ? config->operand[1] : NULL;
    if (second != NULL && path == config->operand[0] && is_hdf5(second))
        return cfp_fail(&session->ctx, CFP_FORMAT,
                        "%s: %s, not a model: MODEL and CLIP look swapped; try cfp-gpu %s %s %s",
                        path, what, config->command->name, second, path);
    return cfp_fail(&session->ctx, CFP_FORMAT,
                    "%s: %s, not a model file (.h5); usage: cfp-gpu %s %s [options]", path, what,
                    config->command->name, config->command->operands);
}

cfp_status cfp_check_model_file(cfp_session *session, const char *path)
{
    char head[16];
    bool is_folder;
    const int bytes = read_head(head, path, &is_folder);
    if (is_folder)
        return fail_clip(session, path, "is a folder");
    if (bytes < 0 && cfp_is_url(path))
        return cfp_fail(&session->ctx, CFP_FORMAT,
                        "%s: is a URL: download the file first, and give its path", path);
    if (bytes < 0 || (bytes >= 8 && memcmp(head, hdf5_head, 8) == 0))
        return CFP_OK;
    const char *what = find_kind(path, head, bytes);
    if (what != NULL)
        return cfp_fail(&session->ctx, CFP_FORMAT, "%s: is %s", path, what);
    return cfp_is_clip_name(path) ? fail_clip(session, path, "is a clip") : CFP_OK;
}
