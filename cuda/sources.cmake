# sources.cmake - what the CUDA backend is made of beside cuDNN: its kernels and the C around them.  The simulator of
# the tests is made of the same.
set(CFP_CUDA_KERNELS avgpool.cu channels.cu combine.cu copy_box.cu depthwise.cu frames.cu maxpool.cu noise.cu pairs.cu pointwise.cu reduce.cu
    relevance.cu render.cu softmax.cu watch.cu)
set(CFP_CUDA_SOURCES cuda_backend.c cuda_cast.c cuda_combine.c cuda_depthwise.c cuda_frames.c cuda_layer.c cuda_memory.c cuda_move.c
    cuda_pointwise.c cuda_pool.c cuda_primitives.c cuda_profile.c cuda_record.c cuda_relevance.c
    cuda_render.c cuda_step.c cuda_time.c cuda_tune.c cuda_views.c)
