/* SPDX-License-Identifier: Apache-2.0 */
/* Loading of single parameters. Which ones a model has is in dit_weights.c. */
#include "models/dit_load.h"

#include <stdio.h>
#include <stdlib.h>

struct load_name load_join(const char *prefix, const char *name)
{
    struct load_name out;
    snprintf(out.text, sizeof out.text, "%s%s%s", prefix, prefix[0] ? "." : "", name);
    return out;
}

static enum status collect(struct load_names *names, const char *name)
{
    if (names->n == names->room) {
        int room = names->room ? 2 * names->room : 256;
        void *more = realloc(names->name, (size_t)room * sizeof *names->name);
        if (!more)
            return fail(ST_OOM, "names of %d parameters: no host memory", room);
        names->name = more;
        names->room = room;
    }
    snprintf(names->name[names->n++], sizeof *names->name, "%s", name);
    return ST_OK;
}

enum status load_nothing(struct loader *ld, const char *name)
{
    return ld->names ? collect(ld->names, name) : ST_OK;
}

enum status load_named(struct loader *ld, const char *name, int ndim, const int64_t *shape)
{
    TRY(collect(ld->names, name));
    return weights_want(ld->weights, name, ndim, shape);
}

enum status load_alloc(struct loader *ld, int64_t rows, int64_t cols, struct tensor *out)
{
    int64_t dim[2] = {rows, cols};
    if (rows == 0)
        return arena_tensor(ld->arena, ld->dtype, 1, &cols, out);
    return arena_tensor(ld->arena, ld->dtype, 2, dim, out);
}

enum status load_shaped(struct loader *ld, struct tensor dst, const char *name, int ndim,
                        const int64_t *shape, struct weights_slice slice)
{
    if (ld->names)
        return load_named(ld, name, ndim, shape);
    if (arena_measuring(ld->arena))
        return ST_OK;
    return weights_fill(ld->weights, name, ndim, shape, &slice, ld->q, &dst);
}

enum status load_slice(struct loader *ld, struct tensor dst, const char *name, int64_t rows,
                       int64_t cols, struct weights_slice slice)
{
    int64_t shape[2] = {rows, cols};
    return load_shaped(ld, dst, name, rows ? 2 : 1, rows ? shape : &cols, slice);
}

enum status load_matrix(struct loader *ld, const char *name, int64_t rows, int64_t cols,
                        struct tensor *out)
{
    struct weights_slice whole = {0, rows, 0, cols};
    TRY(load_alloc(ld, rows, cols, out));
    return load_slice(ld, *out, name, rows, cols, whole);
}

enum status load_vector(struct loader *ld, const char *name, int64_t count, struct tensor *out)
{
    struct weights_slice whole = {0, 1, 0, count};
    TRY(load_alloc(ld, 0, count, out));
    return load_slice(ld, *out, name, 0, count, whole);
}

enum status load_room(struct loader *ld, int64_t rows, int64_t cols, bool bias,
                      struct dit_linear *out)
{
    TRY(load_alloc(ld, rows, cols, &out->w));
    return bias ? load_alloc(ld, 0, rows, &out->b) : ST_OK;
}

enum status load_bias(struct loader *ld, const char *prefix, int64_t rows, struct dit_linear *to)
{
    struct load_name name = load_join(prefix, "bias");
    struct weights_slice whole = {0, 1, 0, rows};
    return load_slice(ld, to->b, name.text, 0, rows, whole);
}

enum status load_linear(struct loader *ld, const char *prefix, int64_t rows, int64_t cols,
                        bool bias, struct dit_linear *out)
{
    struct load_part all = {0, rows, 0};
    TRY(load_room(ld, rows, cols, bias, out));
    return load_rows(ld, prefix, rows, cols, all, out);
}

enum status load_rows(struct loader *ld, const char *prefix, int64_t rows, int64_t cols,
                      struct load_part part, struct dit_linear *to)
{
    struct load_name weight = load_join(prefix, "weight");
    struct load_name bias = load_join(prefix, "bias");
    struct weights_slice slice = {part.begin, part.count, 0, cols};
    struct weights_slice of_bias = {0, 1, part.begin, part.count};
    TRY(load_slice(ld, tensor_slice(&to->w, 0, part.at, part.count), weight.text, rows, cols,
                   slice));
    if (to->b.ndim == 0) /* there is none; a measured one has no data either */
        return ST_OK;
    return load_slice(ld, tensor_slice(&to->b, 0, part.at, part.count), bias.text, 0, rows,
                      of_bias);
}

enum status load_columns(struct loader *ld, const char *prefix, int64_t rows, int64_t cols,
                         struct load_part part, struct dit_linear *to)
{
    struct load_name weight = load_join(prefix, "weight");
    struct weights_slice slice = {0, rows, part.begin, part.count};
    return load_slice(ld, tensor_slice(&to->w, 1, part.at, part.count), weight.text, rows, cols,
                      slice);
}

enum status load_mlp(struct loader *ld, const char *prefix, int64_t in, int64_t mid, int64_t out,
                     struct dit_mlp *mlp)
{
    struct load_name first = load_join(prefix, "linear_1");
    struct load_name second = load_join(prefix, "linear_2");
    TRY(load_linear(ld, first.text, mid, in, true, &mlp->in));
    return load_linear(ld, second.text, out, mid, true, &mlp->out);
}

enum status load_affine(struct loader *ld, const char *prefix, int64_t count, struct tensor *weight,
                        struct tensor *bias)
{
    struct loader exact = *ld;
    struct load_name of_weight = load_join(prefix, "weight");
    struct load_name of_bias = load_join(prefix, "bias");
    exact.dtype = DTYPE_F32;
    TRY(load_vector(&exact, of_weight.text, count, weight));
    return bias ? load_vector(&exact, of_bias.text, count, bias) : ST_OK;
}
