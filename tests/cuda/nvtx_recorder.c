/* nvtx_recorder.c - records NVTX events as a profiler would get them: a library for
 * NVTX_INJECTION64_PATH that writes one line for each event to the file NVTX_RECORD, its fields
 * separated by tabs:
 *
 *     domain    DOMAIN  NAME
 *     category  DOMAIN  CATEGORY  NAME
 *     push      DOMAIN  CATEGORY  PAYLOAD  MESSAGE      (PAYLOAD is - if there is none)
 *     pop       DOMAIN
 *     mark      MESSAGE
 */
#include <nvtx3/nvToolsExt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct nvtxDomainRegistration_st { /* NVTX lets the tool define what a domain is */
    int number;
};

static FILE *record;
static int n_domains;

static int number_of(nvtxDomainHandle_t domain)
{
    return domain != NULL ? domain->number : 0;
}

static nvtxDomainHandle_t NVTX_API create_domain(const char *name)
{
    nvtxDomainHandle_t domain = calloc(1, sizeof *domain);
    if (domain == NULL)
        return NULL;
    domain->number = ++n_domains;
    fprintf(record, "domain\t%d\t%s\n", domain->number, name);
    return domain;
}

static void NVTX_API destroy_domain(nvtxDomainHandle_t domain)
{
    free(domain);
}

static void NVTX_API name_category(nvtxDomainHandle_t domain, uint32_t category, const char *name)
{
    fprintf(record, "category\t%d\t%u\t%s\n", number_of(domain), category, name);
}

static int NVTX_API push(nvtxDomainHandle_t domain, const nvtxEventAttributes_t *event)
{
    fprintf(record, "push\t%d\t%u\t", number_of(domain), event->category);
    if (event->payloadType == NVTX_PAYLOAD_TYPE_DOUBLE)
        fprintf(record, "%.17g\t", event->payload.dValue);
    else
        fprintf(record, "-\t");
    fprintf(record, "%s\n",
            event->messageType == NVTX_MESSAGE_TYPE_ASCII ? event->message.ascii : "");
    return 0;
}

static int NVTX_API pop(nvtxDomainHandle_t domain)
{
    fprintf(record, "pop\t%d\n", number_of(domain));
    return 0;
}

static void NVTX_API mark(const char *message)
{
    fprintf(record, "mark\t%s\n", message);
}

/* The table holds pointers to functions of any type. */
static void put(NvtxFunctionTable table, unsigned size, unsigned id, NvtxFunctionPointer function)
{
    if (id < size && table[id] != NULL)
        *table[id] = function;
}

int NVTX_API InitializeInjectionNvtx2(NvtxGetExportTableFunc_t export_table);
int NVTX_API InitializeInjectionNvtx2(NvtxGetExportTableFunc_t export_table)
{
    const char *const path = getenv("NVTX_RECORD");
    const NvtxExportTableCallbacks *const callbacks = export_table(NVTX_ETID_CALLBACKS);
    NvtxFunctionTable table;
    unsigned size;
    if (path == NULL || callbacks == NULL || (record = fopen(path, "w")) == NULL)
        return 0;
    if (!callbacks->GetModuleFunctionTable(NVTX_CB_MODULE_CORE2, &table, &size))
        return 0;
    put(table, size, NVTX_CBID_CORE2_DomainCreateA, (NvtxFunctionPointer)create_domain);
    put(table, size, NVTX_CBID_CORE2_DomainDestroy, (NvtxFunctionPointer)destroy_domain);
    put(table, size, NVTX_CBID_CORE2_DomainNameCategoryA, (NvtxFunctionPointer)name_category);
    put(table, size, NVTX_CBID_CORE2_DomainRangePushEx, (NvtxFunctionPointer)push);
    put(table, size, NVTX_CBID_CORE2_DomainRangePop, (NvtxFunctionPointer)pop);
    if (!callbacks->GetModuleFunctionTable(NVTX_CB_MODULE_CORE, &table, &size))
        return 0;
    put(table, size, NVTX_CBID_CORE_MarkA, (NvtxFunctionPointer)mark);
    return 1;
}
