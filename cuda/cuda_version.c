/* cuda_version.c - which cuDNN is loaded; a file of its own, so that no other needs cuDNN's headers
 * beside those that plan convolutions. */
#include "cuda_backend.h"
#include <cudnn_graph.h>

int cuda_dnn_version(void)
{
    return (int)cudnnGetVersion();
}
