/* SPDX-License-Identifier: Apache-2.0 */
/* Which kind an operation is of. */
#include "harness/plot/kind.h"

#include <string.h>

const char *kind_name(enum kind kind)
{
    static const char *const name[KINDS] = {"attention", "product", "rows", "other"};
    return name[kind];
}

/* Operations of op.h by their name; KINDS: none of them. */
static enum kind kind_of_op(const char *op)
{
    static const struct {
        const char *name;
        enum kind kind;
    } known[] = {
        {"attention", KIND_ATTENTION}, {"linear", KIND_PRODUCT},    {"linear_add", KIND_PRODUCT},
        {"copy", KIND_OTHER},          {"fill", KIND_OTHER},        {"activate", KIND_ROWS},
        {"norm", KIND_ROWS},           {"gate_add", KIND_ROWS},     {"gate_add_norm", KIND_ROWS},
        {"qk_norm_rope", KIND_ROWS},   {"add_rows", KIND_ROWS},     {"add", KIND_ROWS},
        {"add_outer", KIND_ROWS},      {"merge", KIND_ROWS},        {"advance", KIND_ROWS},
        {"timestep", KIND_ROWS},       {"conv", KIND_PRODUCT},      {"conv_fold", KIND_OTHER},
        {"group_sums", KIND_ROWS},     {"group_centre", KIND_ROWS}, {"group_norm", KIND_ROWS},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(op, known[i].name) == 0)
            return known[i].kind;
    return KINDS;
}

static bool holds_one(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strstr(text, *words))
            return true;
    return false;
}

enum kind kind_of_item(const struct recorded_rank *rank, const struct recorded_item *item)
{
    int op = recording_around(rank, item->range, TRACE_OP);
    enum kind kind = op >= 0 ? kind_of_op(rank->range[op].name) : KINDS;
    if (kind != KINDS)
        return kind;
    return item->what == RECORDED_KERNEL
               ? kind_of_names(item->name, recording_operation(rank, item->range))
               : KIND_OTHER;
}

enum kind kind_of_names(const char *kernel, const char *operation)
{
    /* of our kernels and of those of cuBLAS and cuDNN */
    static const char *const attends[] = {"attend", "flash", "fmha", "sdpa", NULL};
    static const char *const multiplies[] = {"multiply", "gemm",     "gemv",  "nvjet",
                                             "cutlass",  "convolve", "fprop", NULL};
    static const char *const moves[] = {"move_units", "convert_units", "fill_units", "write_words",
                                        "copy",       "fill",          NULL};
    static const char *const reduces[] = {"merge", "norm_pixels", "sum_channels", "sum_groups",
                                          NULL};
    static const char *const products[] = {"qkv", "out", "fc1", "fc2", "cross q", NULL};
    static const char *const rows[] = {"norm", "rope", "gate", "advance", NULL};
    enum kind kind = kind_of_op(kernel);
    if (kind != KINDS)
        return kind;
    if (holds_one(kernel, attends))
        return KIND_ATTENTION;
    if (holds_one(kernel, multiplies))
        return KIND_PRODUCT;
    if (holds_one(kernel, moves))
        return KIND_OTHER;
    if (holds_one(kernel, reduces) || holds_one(operation, rows))
        return KIND_ROWS;
    if (strstr(operation, "attention"))
        return KIND_ATTENTION;
    return holds_one(operation, products) ? KIND_PRODUCT : KIND_OTHER;
}
