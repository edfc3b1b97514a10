/* cpu_dnnl_compat.h - the C interface of oneDNN 3, also for oneDNN 2.6 and later.
 *
 * The cpu backend is written for oneDNN 3.  For 2.x this header defines 3's names, and no other
 * file knows the version.  One difference remains: a memory descriptor is a struct in 2.x, and a
 * handle that must be destroyed in 3.x.  Both are declared as dnnl_memory_desc_t, passed to calls
 * as cpu_md(&desc), and freed by cpu_md_close(&desc). */
#pragma once
#include <dnnl.h>
#include <stdbool.h>
#include <string.h>

#if DNNL_VERSION_MAJOR != 2 && DNNL_VERSION_MAJOR != 3
#error "cfp-gpu is written for oneDNN 2.6 to 3.x (Debian: libdnnl-dev)"
#endif
#if DNNL_CPU_RUNTIME == DNNL_RUNTIME_NONE || DNNL_CPU_RUNTIME == DNNL_RUNTIME_SYCL
#error "this oneDNN computes by SYCL or not on the CPU; one built for OpenMP is wanted"
#endif

/* True if an implementation may be used; if not, the next one is looked at. */
typedef bool cpu_pd_accepts(const_dnnl_primitive_desc_t desc);

#if DNNL_VERSION_MAJOR == 2
typedef const dnnl_memory_desc_t *const_dnnl_memory_desc_t;

static inline const_dnnl_memory_desc_t cpu_md(const dnnl_memory_desc_t *desc)
{
    return desc;
}

static inline void cpu_md_close(dnnl_memory_desc_t *desc)
{
    memset(desc, 0, sizeof *desc);
}

static inline dnnl_status_t dnnl_memory_desc_clone(dnnl_memory_desc_t *out,
                                                   const_dnnl_memory_desc_t desc)
{
    if (desc == NULL)
        return dnnl_invalid_arguments;
    *out = *desc;
    return dnnl_success;
}

#define dnnl_memory_desc_create_with_tag dnnl_memory_desc_init_by_tag
#define dnnl_post_ops_append_sum dnnl_post_ops_append_sum_v3
/* (a macro's own name inside it is the function) */
#define dnnl_post_ops_append_eltwise(ops, algorithm, alpha, beta)                                  \
    dnnl_post_ops_append_eltwise((ops), 1.0f, (algorithm), (alpha), (beta))

/* In 2.x a primitive descriptor is made from an op descriptor, and an iterator goes through the
 * implementations. */
static inline dnnl_status_t cpu_pd_first(dnnl_primitive_desc_t *out, const_dnnl_op_desc_t op,
                                         const_dnnl_primitive_attr_t attr, dnnl_engine_t engine,
                                         const_dnnl_primitive_desc_t hint, cpu_pd_accepts *accepts)
{
    dnnl_primitive_desc_iterator_t each;
    dnnl_status_t st = dnnl_primitive_desc_iterator_create(&each, op, attr, engine, hint);
    if (st != dnnl_success)
        return st;
    do {
        *out = dnnl_primitive_desc_iterator_fetch(each);
        if (*out == NULL)
            st = dnnl_out_of_memory;
        if (st != dnnl_success || accepts(*out))
            break;
        dnnl_primitive_desc_destroy(*out);
        *out = NULL;
        st = dnnl_primitive_desc_iterator_next(each);
    } while (st == dnnl_success);
    dnnl_primitive_desc_iterator_destroy(each);
    return st == dnnl_iterator_ends ? dnnl_unimplemented : st;
}

static inline dnnl_status_t cpu_convolution_forward(
    dnnl_primitive_desc_t *out, dnnl_engine_t engine, dnnl_prop_kind_t kind,
    dnnl_alg_kind_t algorithm, const_dnnl_memory_desc_t src, const_dnnl_memory_desc_t weights,
    const_dnnl_memory_desc_t bias, const_dnnl_memory_desc_t dst, const dnnl_dims_t stride,
    const dnnl_dims_t dilation, const dnnl_dims_t pad_begin, const dnnl_dims_t pad_end,
    const_dnnl_primitive_attr_t attr, cpu_pd_accepts *accepts)
{
    dnnl_convolution_desc_t op;
    const dnnl_status_t st = dnnl_dilated_convolution_forward_desc_init(
        &op, kind, algorithm, src, weights, bias, dst, stride, dilation, pad_begin, pad_end);
    return st != dnnl_success ? st : cpu_pd_first(out, &op, attr, engine, NULL, accepts);
}

static inline dnnl_status_t cpu_convolution_backward_data(
    dnnl_primitive_desc_t *out, dnnl_engine_t engine, dnnl_alg_kind_t algorithm,
    const_dnnl_memory_desc_t diff_src, const_dnnl_memory_desc_t weights,
    const_dnnl_memory_desc_t diff_dst, const dnnl_dims_t stride, const dnnl_dims_t dilation,
    const dnnl_dims_t pad_begin, const dnnl_dims_t pad_end, const_dnnl_primitive_desc_t hint,
    const_dnnl_primitive_attr_t attr, cpu_pd_accepts *accepts)
{
    dnnl_convolution_desc_t op;
    const dnnl_status_t st = dnnl_dilated_convolution_backward_data_desc_init(
        &op, algorithm, diff_src, weights, diff_dst, stride, dilation, pad_begin, pad_end);
    return st != dnnl_success ? st : cpu_pd_first(out, &op, attr, engine, hint, accepts);
}
#else
static inline const_dnnl_memory_desc_t cpu_md(const dnnl_memory_desc_t *desc)
{
    return *desc;
}

static inline void cpu_md_close(dnnl_memory_desc_t *desc)
{
    if (*desc != NULL)
        dnnl_memory_desc_destroy(*desc);
    *desc = NULL;
}

/* Finds the first accepted implementation, beginning with the present one of *out. */
static inline dnnl_status_t cpu_pd_first(dnnl_primitive_desc_t *out, dnnl_status_t st,
                                         cpu_pd_accepts *accepts)
{
    if (st != dnnl_success)
        return st;
    while (st == dnnl_success && !accepts(*out))
        st = dnnl_primitive_desc_next_impl(*out);
    if (st == dnnl_success)
        return st;
    dnnl_primitive_desc_destroy(*out);
    *out = NULL;
    return st == dnnl_last_impl_reached ? dnnl_unimplemented : st;
}

static inline dnnl_status_t cpu_convolution_forward(
    dnnl_primitive_desc_t *out, dnnl_engine_t engine, dnnl_prop_kind_t kind,
    dnnl_alg_kind_t algorithm, const_dnnl_memory_desc_t src, const_dnnl_memory_desc_t weights,
    const_dnnl_memory_desc_t bias, const_dnnl_memory_desc_t dst, const dnnl_dims_t stride,
    const dnnl_dims_t dilation, const dnnl_dims_t pad_begin, const dnnl_dims_t pad_end,
    const_dnnl_primitive_attr_t attr, cpu_pd_accepts *accepts)
{
    return cpu_pd_first(out,
                        dnnl_convolution_forward_primitive_desc_create(
                            out, engine, kind, algorithm, src, weights, bias, dst, stride, dilation,
                            pad_begin, pad_end, attr),
                        accepts);
}

static inline dnnl_status_t cpu_convolution_backward_data(
    dnnl_primitive_desc_t *out, dnnl_engine_t engine, dnnl_alg_kind_t algorithm,
    const_dnnl_memory_desc_t diff_src, const_dnnl_memory_desc_t weights,
    const_dnnl_memory_desc_t diff_dst, const dnnl_dims_t stride, const dnnl_dims_t dilation,
    const dnnl_dims_t pad_begin, const dnnl_dims_t pad_end, const_dnnl_primitive_desc_t hint,
    const_dnnl_primitive_attr_t attr, cpu_pd_accepts *accepts)
{
    return cpu_pd_first(out,
                        dnnl_convolution_backward_data_primitive_desc_create(
                            out, engine, algorithm, diff_src, weights, diff_dst, stride, dilation,
                            pad_begin, pad_end, hint, attr),
                        accepts);
}
#endif
