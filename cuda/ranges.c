/* ranges.c - see ranges.h.  NVTX is headers only; without a profiler a range costs a nanosecond. */
#include "ranges.h"
#include <nvtx3/nvToolsExt.h>

static nvtxDomainHandle_t domain(cuda_ranges *ranges)
{
    return (nvtxDomainHandle_t)ranges;
}

cuda_ranges *cuda_ranges_open(void)
{
    nvtxDomainHandle_t handle = nvtxDomainCreateA("cfp");
    nvtxDomainNameCategoryA(handle, CUDA_RANGE_FORWARD, "forward");
    nvtxDomainNameCategoryA(handle, CUDA_RANGE_BACKWARD, "backward");
    return (cuda_ranges *)handle;
}

void cuda_ranges_close(cuda_ranges *ranges)
{
    nvtxDomainDestroy(domain(ranges));
}

void cuda_range_begin(cuda_ranges *ranges, cuda_range_kind kind, const cfp_node *node)
{
    const nvtxEventAttributes_t range = {.version = NVTX_VERSION,
                                         .size = NVTX_EVENT_ATTRIB_STRUCT_SIZE,
                                         .category = (uint32_t)kind,
                                         .payloadType = NVTX_PAYLOAD_TYPE_DOUBLE,
                                         .payload.dValue = node->flop,
                                         .messageType = NVTX_MESSAGE_TYPE_ASCII,
                                         .message.ascii = node->name};
    nvtxDomainRangePushEx(domain(ranges), &range);
}

void cuda_range_end(cuda_ranges *ranges)
{
    nvtxDomainRangePop(domain(ranges));
}
