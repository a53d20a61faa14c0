/* SPDX-License-Identifier: Apache-2.0 */
/* What tools look for in a slice: Kineto's categories and names of arguments; of a kernel of NCCL
 * those of its collective. Communications move bytes here, whatever they are bytes of, so that
 * their elements are bytes too. */
#include "harness/profile/trace_slice.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void trace_slice_name(const struct recorded_range *range, char name[TRACE_SLICE_NAME])
{
    bool patch = range->kind == TRACE_PASS && range->index >= 0;
    if (range->axis)
        snprintf(name, TRACE_SLICE_NAME, "%s.%s", range->axis, range->name);
    else if (range->kind == TRACE_GRAPH)
        snprintf(name, TRACE_SLICE_NAME, "graph %s", range->name);
    else if (range->index >= 0)
        snprintf(name, TRACE_SLICE_NAME, "%s %d", patch ? "patch" : range->name, range->index);
    else
        snprintf(name, TRACE_SLICE_NAME, "%s", range->name);
}

/* ---- parts ---- */

static void head(struct trace_out *out, const struct trace_scene *scene, int64_t tid,
                 const struct trace_slice *slice, const char *category, const char *name)
{
    trace_out_event(out, 'X', scene->number, tid);
    trace_out_text(out, ", \"ts\": ");
    trace_out_us(out, slice->begin);
    trace_out_text(out, ", \"dur\": ");
    trace_out_us(out, slice->end - slice->begin);
    trace_out_text(out, ", \"cat\": \"%s\", \"name\": ", category);
    trace_out_string(out, name);
    trace_out_text(out, ", \"args\": {");
}

static void put_double(struct trace_out *out, bool *first, const char *key, double value)
{
    if (isfinite(value) && value > 0) {
        trace_out_text(out, "%s\"%s\": %.17g", *first ? "" : ", ", key, value);
        *first = false;
    }
}

static void put_vector(struct trace_out *out, bool *first, const char *key, const int v[3])
{
    if (v[0] > 0) {
        trace_out_text(out, "%s\"%s\": [%d, %d, %d]", *first ? "" : ", ", key, v[0], v[1], v[2]);
        *first = false;
    }
}

/* Where in the model something was given. */
static void put_place(struct trace_out *out, bool *first, const struct recorded_rank *rank,
                      int range)
{
    int layer = recording_around(rank, range, TRACE_LAYER);
    int pass = recording_around(rank, range, TRACE_PASS);
    int op = recording_around(rank, range, TRACE_OP);
    const char *operation = recording_operation(rank, range);
    if (op >= 0)
        trace_out_key_number(out, first, "External id", (int64_t)op + 1);
    if (*operation)
        trace_out_key_string(out, first, "operation", operation);
    if (layer >= 0)
        trace_out_key_number(out, first, "layer", rank->range[layer].index);
    if (pass >= 0 && rank->range[pass].index >= 0)
        trace_out_key_number(out, first, "patch", rank->range[pass].index);
}

/* The rank of the world at the other end, or -1. */
static int peer_of(const struct trace_scene *scene, const struct recorded_range *range)
{
    int axis = recording_axis(scene->recording, range->axis);
    if (range->peer < 0 || axis < 0)
        return range->peer;
    return recording_peer(scene->recording, scene->number, axis, range->peer);
}

static void put_message(struct trace_out *out, bool *first, const struct trace_scene *scene,
                        const struct recorded_range *range)
{
    if (range->axis)
        trace_out_key_string(out, first, "axis", range->axis);
    trace_out_key_number(out, first, "channel", range->channel);
    if (range->peer >= 0)
        trace_out_key_number(out, first, "peer", peer_of(scene, range));
    if (range->kind == TRACE_COMM) {
        trace_out_key_number(out, first, "payload bytes", (int64_t)range->payload);
        trace_out_key_number(out, first, "wire bytes", (int64_t)range->wire);
    }
}

static void put_collective(struct trace_out *out, bool *first, const struct trace_scene *scene,
                           const struct recorded_range *range)
{
    const struct mesh_shape *shape = &scene->recording->shape;
    int axis = recording_axis(scene->recording, range->axis);
    int size = axis >= 0 ? shape->size[axis] : scene->recording->ranks;
    int coord[MESH_MAX_AXES];
    mesh_coords(shape, scene->number, coord);
    bool gather = strcmp(range->name, "all_gather") == 0;
    int64_t bytes = (int64_t)range->payload;
    trace_out_key_string(out, first, "Collective name", range->name);
    trace_out_key_number(out, first, "In msg nelems", bytes);
    trace_out_key_number(out, first, "Out msg nelems", gather ? bytes * size : bytes);
    trace_out_key_number(out, first, "Group size", size);
    trace_out_key_string(out, first, "dtype", "Byte");
    trace_out_key_string(out, first, "Process Group Name", range->axis);
    trace_out_key_string(out, first, "Process Group Description", range->axis);
    trace_out_key_number(out, first, "Rank", axis >= 0 ? coord[axis] : scene->number);
    if (strcmp(range->name, "send") == 0)
        trace_out_key_number(out, first, "Dst Rank", range->peer);
    if (strcmp(range->name, "recv") == 0)
        trace_out_key_number(out, first, "Src Rank", range->peer);
}

/* ---- kinds ---- */

static bool communicates(const struct recorded_range *range)
{
    return range->kind == TRACE_COMM || range->kind == TRACE_WAIT || range->kind == TRACE_GROUP;
}

static void write_range(struct trace_out *out, const struct trace_scene *scene, int64_t tid,
                        const struct trace_slice *slice)
{
    const struct recorded_range *range = &scene->rank->range[slice->index];
    char name[TRACE_SLICE_NAME];
    bool first = true;
    trace_slice_name(range, name);
    if (slice->kind == TRACE_SLICE_STEP)
        snprintf(name, sizeof name, "ProfilerStep#%d", range->index);
    if (communicates(range)) {
        head(out, scene, tid, slice, "comm", name);
        put_message(out, &first, scene, range);
    } else if (range->kind == TRACE_OP) {
        head(out, scene, tid, slice, "cpu_op", name);
        put_place(out, &first, scene->rank, slice->index);
        put_double(out, &first, "flops", range->work.flops);
        put_double(out, &first, "bytes", range->work.bytes);
    } else {
        head(out, scene, tid, slice, "user_annotation", name);
        trace_out_key_string(out, &first, "kind", trace_kind_name(range->kind));
    }
    trace_out_text(out, "}}");
}

/* Without args.stream, by which readers tell kernels. */
static void write_projected(struct trace_out *out, const struct trace_scene *scene, int64_t tid,
                            const struct trace_slice *slice)
{
    const struct projected *p = &scene->projection.v[slice->index];
    const struct recorded_range *range = &scene->rank->range[p->range];
    char name[TRACE_SLICE_NAME];
    bool first = true;
    trace_slice_name(range, name);
    head(out, scene, tid, slice, "gpu_user_annotation", name);
    trace_out_key_string(out, &first, "kind", trace_kind_name(range->kind));
    if (p->step >= 0)
        trace_out_key_number(out, &first, "step", p->step);
    trace_out_key_number(out, &first, "items", p->items);
    if (communicates(range))
        put_message(out, &first, scene, range);
    trace_out_text(out, "}}");
}

static void write_call(struct trace_out *out, const struct trace_scene *scene, int64_t tid,
                       const struct trace_slice *slice)
{
    static const char *const category[] = {
        [RECORDED_RUNTIME] = "cuda_runtime",
        [RECORDED_DRIVER] = "cuda_driver",
        [RECORDED_SYNC] = "cuda_sync",
        [RECORDED_OVERHEAD] = "overhead",
    };
    const struct recorded_call *call = &scene->rank->call[slice->index];
    bool first = true;
    head(out, scene, tid, slice, category[call->kind], call->name);
    /* Readers join calls and kernels by this number: one call a number. */
    bool told = call->kind == RECORDED_RUNTIME || scene->started[slice->index];
    if (call->kind == RECORDED_DRIVER || call->kind == RECORDED_RUNTIME)
        trace_out_key_number(out, &first, told ? "correlation" : "driver correlation",
                             call->correlation);
    trace_out_text(out, "}}");
}

/* Kineto's "Memcpy DtoH (Device -> Pageable)" of "copy device to host". */
static void copy_name(const char *name, char text[TRACE_SLICE_NAME])
{
    char from[32];
    char to[32];
    if (sscanf(name, "copy %31s to %31s", from, to) != 2) {
        snprintf(text, TRACE_SLICE_NAME, "Memcpy %s", name);
        return;
    }
    from[0] = (char)(from[0] & 0xdf); /* a capital */
    to[0] = (char)(to[0] & 0xdf);
    snprintf(text, TRACE_SLICE_NAME, "Memcpy %cto%c (%s -> %s)", from[0], to[0], from, to);
}

static void put_kernel(struct trace_out *out, bool *first, const struct trace_scene *scene,
                       const struct recorded_item *item)
{
    put_vector(out, first, "grid", item->grid);
    put_vector(out, first, "block", item->block);
    if (item->registers > 0)
        trace_out_key_number(out, first, "registers per thread", item->registers);
    if (item->grid[0] > 0)
        trace_out_key_number(out, first, "shared memory", item->shared);
    int comm = recording_around(scene->rank, item->range, TRACE_COMM);
    if (comm >= 0 && recording_transports(scene->rank, item))
        put_collective(out, first, scene, &scene->rank->range[comm]);
}

static void write_item(struct trace_out *out, const struct trace_scene *scene, int64_t tid,
                       const struct trace_slice *slice)
{
    static const char *const category[] = {[RECORDED_KERNEL] = "kernel",
                                           [RECORDED_COPY] = "gpu_memcpy",
                                           [RECORDED_FILL] = "gpu_memset"};
    const struct recorded_item *item = &scene->rank->item[slice->index];
    char moved[TRACE_SLICE_NAME] = "Memset (Device)";
    bool first = true;
    if (item->what == RECORDED_COPY)
        copy_name(item->name, moved);
    head(out, scene, tid, slice, category[item->what],
         item->what == RECORDED_KERNEL ? item->name : moved);
    trace_out_key_number(out, &first, "device", scene->rank->device);
    trace_out_key_number(out, &first, "context", 1);
    trace_out_key_number(out, &first, "stream", scene->tid[item->track]);
    trace_out_key_number(out, &first, "correlation",
                         item->call >= 0 ? scene->rank->call[item->call].correlation : 0);
    if (item->step >= 0)
        trace_out_key_number(out, &first, "step", item->step);
    put_place(out, &first, scene->rank, item->range);
    if (item->what == RECORDED_KERNEL) {
        put_kernel(out, &first, scene, item);
    } else {
        double ns = (double)(item->end - item->begin);
        trace_out_key_number(out, &first, "bytes", (int64_t)item->bytes);
        put_double(out, &first, "memory bandwidth (GB/s)", ns > 0 ? (double)item->bytes / ns : 0);
    }
    trace_out_text(out, "}}");
}

void trace_slice_write(struct trace_out *out, const struct trace_scene *scene, int64_t tid,
                       const struct trace_slice *slice)
{
    switch (slice->kind) {
    case TRACE_SLICE_STEP:
    case TRACE_SLICE_RANGE:
        write_range(out, scene, tid, slice);
        break;
    case TRACE_SLICE_PROJECTED:
        write_projected(out, scene, tid, slice);
        break;
    case TRACE_SLICE_CALL:
        write_call(out, scene, tid, slice);
        break;
    case TRACE_SLICE_ITEM:
        write_item(out, scene, tid, slice);
        break;
    }
}
