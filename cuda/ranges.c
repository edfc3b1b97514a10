/* ranges.c - see ranges.h.  NVTX consists of headers only.  Without a profiler a range costs about
 * a nanosecond. */
#include "ranges.h"
#include <nvtx3/nvToolsExt.h>

static const char *const category_names[] = {
    [CFP_RANGE_DECODE] = "decode",   [CFP_RANGE_LOAD] = "load",
    [CFP_RANGE_FORWARD] = "forward", [CFP_RANGE_BACKWARD] = "backward",
    [CFP_RANGE_DESCENT] = "descent", [CFP_RANGE_TUBES] = "tubes",
    [CFP_RANGE_WRITE] = "write",
};

static nvtxDomainHandle_t domain(cuda_ranges *ranges)
{
    return (nvtxDomainHandle_t)ranges;
}

cuda_ranges *cuda_ranges_open(void)
{
    nvtxDomainHandle_t handle = nvtxDomainCreateA("cfp");
    for (uint32_t kind = CFP_RANGE_DECODE; kind <= CFP_RANGE_WRITE; kind++)
        nvtxDomainNameCategoryA(handle, kind, category_names[kind]);
    return (cuda_ranges *)handle;
}

void cuda_ranges_close(cuda_ranges *ranges)
{
    nvtxDomainDestroy(domain(ranges));
}

void cuda_range_begin(cuda_ranges *ranges, cfp_range_kind kind, const char *name, double flop)
{
    nvtxEventAttributes_t range = {.version = NVTX_VERSION,
                                   .size = NVTX_EVENT_ATTRIB_STRUCT_SIZE,
                                   .category = (uint32_t)kind,
                                   .messageType = NVTX_MESSAGE_TYPE_ASCII,
                                   .message.ascii = name};
    if (flop > 0) {
        range.payloadType = NVTX_PAYLOAD_TYPE_DOUBLE;
        range.payload.dValue = flop;
    }
    nvtxDomainRangePushEx(domain(ranges), &range);
}

void cuda_range_end(cuda_ranges *ranges)
{
    nvtxDomainRangePop(domain(ranges));
}
