/* SPDX-License-Identifier: Apache-2.0 */
/* Position embeddings, row by row. Not where they are kept, added or applied. */
#include "models/dit_position.h"

#include <math.h>

enum { TRAINED_SIDE = 64 }; /* latent pixels of the grid that an image is resized into: 512 px */

static void embed(double position, int features, float *out)
{
    int half = features / 2;

    for (int i = 0; i < half; i++) {
        double angle = position / pow(10000.0, (double)i / half);

        out[i] = (float)sin(angle);
        out[half + i] = (float)cos(angle);
    }
}

static void embed_2d(double x, double y, int features, float *out)
{
    BUG_ON(features % 4 != 0, "positions of %d channels", features);
    embed(x, features / 2, out);
    embed(y, features / 2, out + features / 2);
}

static void check_grid(int rows, int columns, int token)
{
    BUG_ON(rows < 1 || columns < 1 || token < 0, "token %d of a grid of %d x %d", token, rows,
           columns);
}

void dit_position_row(const struct dit_config *c, int rows, int columns, int token, float *out)
{
    check_grid(rows, columns, token);
    double base = c->sample_size / c->patch;
    int x = token % columns;
    int y = token / columns;

    embed_2d(x / (columns / base) / c->pos_scale, y / (rows / base) / c->pos_scale, dit_channels(c),
             out);
}

enum status dit_position_crop(const struct dit_config *c, int rows, int columns, int *top,
                              int *left)
{
    int side = c->table_side;

    if (rows > side || columns > side)
        return fail(ST_INVALID,
                    "found an image of %d x %d tokens (rows x columns), wanted at most %d x %d, "
                    "the model's table of positions; remedy: a size of at most %d x %d pixels",
                    rows, columns, side, side, side * c->patch * c->vae_scale,
                    side * c->patch * c->vae_scale);
    *top = (side - rows) / 2;
    *left = (side - columns) / 2;
    return ST_OK;
}

void dit_position_table_row(const struct dit_config *c, int index, float *out)
{
    int side = c->table_side;
    double base = c->sample_size / c->patch;

    BUG_ON(index < 0 || index >= side * side, "row %d of a table of %d x %d", index, side, side);
    embed_2d((index % side) / (side / base), (index / side) / (side / base), dit_channels(c), out);
}

/* `elements` of a head: cosine and sine of position * 10000^(-2k / elements), in pairs. */
static void turn(double position, int elements, float *out)
{
    for (int k = 0; k < elements / 2; k++) {
        double angle = position / pow(10000.0, 2.0 * k / elements);

        out[2 * k] = (float)cos(angle);
        out[2 * k + 1] = (float)sin(angle);
    }
}

/* The same as the published model rounds it. */
static void turn_single(float position, int elements, float *out)
{
    for (int k = 0; k < elements / 2; k++) {
        float angle = position * (1 / powf(10000, (float)(2 * k) / (float)elements));

        out[2 * k] = cosf(angle);
        out[2 * k + 1] = sinf(angle);
    }
}

/* Where `i` of `count` tokens is along a side of the trained grid, if there are `other` tokens
 * along the other side: the longer side fills it. rint() has halves to even. */
static float resized_position(int base, int count, int other, int i)
{
    int size = count < other ? (int)rint((double)base / other * count) : base;
    int begin = (int)rint((base - size) / 2.0);
    float first = (float)begin;
    float last = (float)((begin + size) * (count - 1) / (double)count);
    float step = count > 1 ? (last - first) / (float)(count - 1) : 0;

    /* Evenly spaced, counted from the nearer end and rounded once. */
    if (i < count / 2 || count == 1)
        return fmaf(step, (float)i, first);
    return fmaf(-step, (float)(count - 1 - i), last);
}

void dit_rope_row(const struct dit_config *c, int rows, int columns, int token, float *out)
{
    check_grid(rows, columns, token);
    const int *axes = c->rope_axes;
    int base = TRAINED_SIDE / c->patch;
    int x = token % columns;
    int y = token / columns;
    int half = c->head_dim / 2;

    if (token >= rows * columns) {
        turn(0, c->head_dim, out);
    } else if (axes[0] || axes[1] || axes[2]) {
        BUG_ON(axes[0] + axes[1] + axes[2] != c->head_dim, "axes of %d, %d and %d of %d elements",
               axes[0], axes[1], axes[2], c->head_dim);
        turn(0, axes[0], out);
        turn(y, axes[1], out + axes[0]);
        turn(x, axes[2], out + axes[0] + axes[1]);
    } else {
        BUG_ON(c->head_dim % 4 != 0, "two axes in heads of %d elements", c->head_dim);
        turn_single(resized_position(base, columns, rows, x), half, out);
        turn_single(resized_position(base, rows, columns, y), half, out + half);
    }
}

void dit_frame_row(const struct dit_config *c, int frame, float *out)
{
    BUG_ON(frame < 0, "frame %d", frame);
    embed(frame, dit_channels(c), out);
}
