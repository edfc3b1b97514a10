/* cudnn_device.h - the device that cuDNN plans for, and the handle to run on it if it is there. */
#pragma once
#include "conv.h"
#include "cudnn_graph.h"

struct cuda_dnn {
    cuda_descs descs;     /* owns device */
    cuda_desc device;     /* its properties */
    cudnnHandle_t handle; /* NULL: plans only */
    size_t workspace_cap;
};
