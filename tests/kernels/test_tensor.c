/* SPDX-License-Identifier: Apache-2.0 */
/* Views: what an index of a view points at, compared with the index arithmetic written out. */
#include "kernels/base/tensor.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

static float memory[2 * 3 * 4];

/* memory as [2, 3, 4], element (i, j, k) = 12 i + 4 j + k */
static struct tensor cube(void)
{
    for (int i = 0; i < 24; i++)
        memory[i] = (float)i;
    return tensor_of(memory, NULL, DTYPE_F32, 3, (const int64_t[]){2, 3, 4});
}

static float at(const struct tensor *t, int64_t i, int64_t j, int64_t k)
{
    const float *data = t->data;
    int64_t index = i * t->stride[0];
    if (t->ndim > 1)
        index += j * t->stride[1];
    if (t->ndim > 2)
        index += k * t->stride[2];
    return data[index];
}

Test(tensor, dense_strides_and_sizes)
{
    struct tensor t = cube();
    cr_assert_eq(t.stride[0], 12);
    cr_assert_eq(t.stride[1], 4);
    cr_assert_eq(t.stride[2], 1);
    cr_assert_eq(tensor_count(&t), 24);
    cr_assert_eq(tensor_bytes(&t), 96);
    cr_assert(tensor_contiguous(&t));
    cr_assert_eq(at(&t, 1, 2, 3), 23.0f);
    struct tensor scalar = tensor_of(memory, NULL, DTYPE_BF16, 0, NULL);
    cr_assert_eq(tensor_count(&scalar), 1);
    cr_assert_eq(tensor_bytes(&scalar), 2);
    cr_assert(tensor_contiguous(&scalar));
}

Test(tensor, slice_of_every_axis)
{
    struct tensor t = cube();
    for (int axis = 0; axis < 3; axis++) {
        for (int64_t begin = 0; begin <= t.dim[axis]; begin++) {
            for (int64_t count = 0; begin + count <= t.dim[axis]; count++) {
                struct tensor s = tensor_slice(&t, axis, begin, count);
                cr_assert_eq(s.dim[axis], count);
                cr_assert_eq(tensor_count(&s), 24 / t.dim[axis] * count);
                if (count == 0)
                    continue;
                int64_t first = begin * t.stride[axis];
                cr_assert_eq(at(&s, 0, 0, 0), (float)first);
                cr_assert_eq(
                    at(&s, s.dim[0] - 1, s.dim[1] - 1, s.dim[2] - 1),
                    (float)(first + (s.dim[0] - 1) * 12 + (s.dim[1] - 1) * 4 + s.dim[2] - 1));
            }
        }
    }
}

Test(tensor, contiguous_only_without_gaps)
{
    struct tensor t = cube();
    struct tensor rows = tensor_slice(&t, 0, 1, 1);
    cr_assert(tensor_contiguous(&rows));
    struct tensor middle = tensor_slice(&t, 1, 0, 2);
    cr_assert_not(tensor_contiguous(&middle));
    cr_assert_eq(tensor_bytes(&middle), 2 * 2 * 4 * 4);
    struct tensor one = tensor_at(&middle, 1); /* [2, 4] of one i: dense */
    cr_assert(tensor_contiguous(&one));
    struct tensor columns = tensor_slice(&t, 2, 1, 2);
    cr_assert_not(tensor_contiguous(&columns));
    struct tensor empty = tensor_slice(&columns, 0, 2, 0);
    cr_assert(tensor_contiguous(&empty));
    struct tensor broadcast = tensor_slice(&t, 0, 0, 1);
    broadcast.dim[0] = 5;
    broadcast.stride[0] = 0;
    cr_assert_not(tensor_contiguous(&broadcast));
    cr_assert_eq(at(&broadcast, 4, 1, 1), 5.0f);
}

Test(tensor, at_drops_the_first_axis)
{
    struct tensor t = cube();
    struct tensor plane = tensor_at(&t, 1);
    cr_assert_eq(plane.ndim, 2);
    cr_assert_eq(plane.dim[0], 3);
    cr_assert_eq(plane.dim[1], 4);
    cr_assert_eq(at(&plane, 2, 1, 0), 21.0f);
    struct tensor row = tensor_at(&plane, 2);
    struct tensor element = tensor_at(&row, 3);
    cr_assert_eq(element.ndim, 0);
    cr_assert_eq(*(float *)element.data, 23.0f);
}

Test(tensor, split_then_merge_is_the_same_view)
{
    struct tensor t = cube();
    struct tensor view = tensor_slice(&t, 1, 1, 2); /* strided on purpose */
    struct tensor split = tensor_split(&view, 2, 2, 2);
    cr_assert_eq(split.ndim, 4);
    cr_assert_eq(split.dim[2], 2);
    cr_assert_eq(split.dim[3], 2);
    cr_assert_eq(split.stride[2], 2);
    cr_assert_eq(split.stride[3], 1);
    struct tensor merged = tensor_merge(&split, 2);
    cr_assert_eq(memcmp(&merged, &view, sizeof view), 0);
    struct tensor heads = tensor_split(&t, 0, 1, 2);
    cr_assert_eq(heads.ndim, 4);
    cr_assert_eq(heads.stride[1], 12);
    cr_assert_eq(heads.dim[3], 4);
}

Test(tensor, merge_of_axes_of_one)
{
    struct tensor t = cube();
    struct tensor s = tensor_slice(&t, 1, 2, 1); /* [2, 1, 4]: strides 12, 4, 1 */
    struct tensor outer = tensor_merge(&s, 0);   /* [2, 4] */
    cr_assert_eq(outer.dim[0], 2);
    cr_assert_eq(outer.stride[0], 12);
    cr_assert_eq(at(&outer, 1, 3, 0), 23.0f);
    struct tensor inner = tensor_merge(&s, 1);
    cr_assert_eq(inner.dim[1], 4);
    cr_assert_eq(inner.stride[1], 1);
    cr_assert_eq(at(&inner, 1, 3, 0), 23.0f);
}

Test(tensor, reshape_counts_through_memory)
{
    struct tensor t = cube();
    struct tensor flat = tensor_reshape(&t, 1, (const int64_t[]){24});
    cr_assert_eq(at(&flat, 17, 0, 0), 17.0f);
    struct tensor other = tensor_reshape(&t, 3, (const int64_t[]){4, 3, 2});
    cr_assert_eq(at(&other, 3, 2, 1), 23.0f);
}

Test(tensor, views_of_measuring_tensors_have_no_data)
{
    struct tensor t = tensor_of(NULL, NULL, DTYPE_F16, 2, (const int64_t[]){8, 8});
    struct tensor s = tensor_slice(&t, 0, 3, 2);
    struct tensor r = tensor_at(&t, 7);
    cr_assert_null(s.data);
    cr_assert_null(r.data);
}

Test(tensor, empty_tensors_are_valid)
{
    struct tensor t = tensor_of(NULL, NULL, DTYPE_F32, 3, (const int64_t[]){2, 0, 4});
    cr_assert_eq(tensor_count(&t), 0);
    cr_assert_eq(tensor_bytes(&t), 0);
    cr_assert(tensor_contiguous(&t));
    struct tensor s = tensor_slice(&t, 1, 0, 0);
    struct tensor m = tensor_merge(&s, 0);
    cr_assert_eq(m.dim[0], 0);
}

Test(tensor, same_shape_ignores_types_and_strides)
{
    struct tensor t = cube();
    struct tensor other = tensor_of(NULL, NULL, DTYPE_BF16, 3, (const int64_t[]){2, 3, 4});
    cr_assert(tensor_same_shape(&t, &other));
    struct tensor shorter = tensor_slice(&t, 2, 0, 3);
    struct tensor plane = tensor_at(&t, 0);
    cr_assert_not(tensor_same_shape(&t, &shorter));
    cr_assert_not(tensor_same_shape(&t, &plane));
}

Test(tensor, describe_and_dtype_names)
{
    char text[64];
    struct tensor t = cube();
    cr_assert_str_eq(tensor_describe(&t, text, sizeof text), "fp32[2,3,4]");
    cr_assert_str_eq(tensor_describe(&t, text, 8), "fp32[2,");
    struct tensor scalar = tensor_of(NULL, NULL, DTYPE_F16, 0, NULL);
    cr_assert_str_eq(tensor_describe(&scalar, text, sizeof text), "fp16[]");
    for (int i = 0; i < DTYPE_COUNT; i++) {
        enum dtype found;
        cr_assert(dtype_find(dtype_name((enum dtype)i), &found));
        cr_assert_eq((int)found, i);
    }
    enum dtype unchanged = DTYPE_F16;
    cr_assert_not(dtype_find("float32", &unchanged));
    cr_assert_eq(unchanged, DTYPE_F16);
}

Test(tensor, slice_past_the_end_is_a_bug, .signal = SIGABRT)
{
    struct tensor t = cube();
    tensor_slice(&t, 1, 2, 2);
}

Test(tensor, slice_does_not_overflow, .signal = SIGABRT)
{
    struct tensor t = cube();
    tensor_slice(&t, 1, 2, INT64_MAX);
}

Test(tensor, merge_across_a_gap_is_a_bug, .signal = SIGABRT)
{
    struct tensor t = cube();
    struct tensor gap = tensor_slice(&t, 1, 0, 2);
    tensor_merge(&gap, 0);
}

Test(tensor, split_that_does_not_multiply_is_a_bug, .signal = SIGABRT)
{
    struct tensor t = cube();
    tensor_split(&t, 2, 3, 2);
}

Test(tensor, reshape_of_a_gap_is_a_bug, .signal = SIGABRT)
{
    struct tensor t = cube();
    struct tensor gap = tensor_slice(&t, 1, 0, 2);
    tensor_reshape(&gap, 1, (const int64_t[]){16});
}

Test(tensor, huge_dimensions_are_a_bug, .signal = SIGABRT)
{
    tensor_of(NULL, NULL, DTYPE_F32, 3, (const int64_t[]){INT64_C(1) << 31, INT64_C(1) << 31, 4});
}
