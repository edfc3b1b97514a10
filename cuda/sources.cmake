# sources.cmake - the kernels and C files of the CUDA backend, without those that call cuDNN and cuBLASLt.  The tests'
# simulator is made of the same files.
set(CFP_CUDA_KERNELS avgpool.cu channels.cu combine.cu copy_box.cu depthwise.cu frames.cu maxpool.cu noise.cu norm.cu pairs.cu pointwise.cu reduce.cu
    relevance.cu render.cu repeat.cu softmax.cu watch.cu)
set(CFP_CUDA_SOURCES cuda_backend.c cuda_cast.c cuda_combine.c cuda_depthwise.c cuda_frames.c cuda_layer.c cuda_memory.c cuda_move.c
    cuda_pointwise.c cuda_pool.c cuda_primitives.c cuda_profile.c cuda_record.c cuda_relevance.c
    cuda_render.c cuda_repeat.c cuda_step.c cuda_time.c cuda_tune.c cuda_views.c)
