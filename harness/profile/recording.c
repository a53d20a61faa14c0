/* SPDX-License-Identifier: Apache-2.0 */
/* Growing arrays of a recording, and texts kept once. Reads no clock and no file. */
#include "harness/profile/recording.h"

#include "kernels/base/hash.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A hash table of pointers; open addressing. */
struct recording_texts {
    size_t n, slots; /* slots: a power of two */
    char **slot;     /* [slots] NULL: free */
};

/* ---- texts ---- */

static char **find_slot(const struct recording_texts *texts, const char *text)
{
    size_t at = hash_text(0, text) & (texts->slots - 1);
    while (texts->slot[at] && strcmp(texts->slot[at], text) != 0)
        at = (at + 1) & (texts->slots - 1);
    return &texts->slot[at];
}

static bool grow_texts(struct recording_texts *texts)
{
    struct recording_texts more = {texts->n, texts->slots * 2, NULL};
    more.slot = calloc(more.slots, sizeof *more.slot);
    if (!more.slot)
        return false;
    for (size_t i = 0; i < texts->slots; i++)
        if (texts->slot[i])
            *find_slot(&more, texts->slot[i]) = texts->slot[i];
    free(texts->slot);
    *texts = more;
    return true;
}

const char *recording_text(struct recording *recording, const char *text)
{
    struct recording_texts *texts = recording->texts;
    if (!text)
        return NULL;
    char **slot = find_slot(texts, text);
    if (*slot)
        return *slot;
    char *copy = strdup(text);
    if (!copy || (2 * texts->n >= texts->slots && !grow_texts(texts))) {
        free(copy);
        recording->out_of_memory = true;
        return "";
    }
    texts->n++;
    *find_slot(texts, text) = copy;
    return copy;
}

/* ---- life ---- */

static enum status open_ranks(struct recording *r)
{
    r->rank = calloc((size_t)r->ranks, sizeof *r->rank);
    r->texts = calloc(1, sizeof *r->texts);
    if (!r->rank || !r->texts)
        return fail(ST_OOM, "recording of %d ranks: no host memory", r->ranks);
    r->texts->slots = 256;
    r->texts->slot = calloc(r->texts->slots, sizeof *r->texts->slot);
    if (!r->texts->slot)
        return fail(ST_OOM, "recording: no host memory");
    for (int i = 0; i < r->ranks; i++) {
        struct recorded_rank *rank = &r->rank[i];
        rank->host = rank->device_name = "";
        rank->step_end = calloc((size_t)r->steps + 1, sizeof *rank->step_end);
        rank->step_ms = calloc((size_t)r->steps + 1, sizeof *rank->step_ms);
        if (!rank->step_end || !rank->step_ms)
            return fail(ST_OOM, "recording of %d steps: no host memory", r->steps);
        for (int s = 0; s < r->steps; s++)
            rank->step_ms[s] = (double)NAN;
    }
    return ST_OK;
}

enum status recording_open(int ranks, int steps, struct recording **out)
{
    struct recording *r = calloc(1, sizeof *r);
    *out = NULL;
    if (!r)
        return fail(ST_OOM, "recording: no host memory");
    r->ranks = ranks;
    r->steps = steps;
    r->schedule_axis = RECORDED_NONE;
    enum status st = open_ranks(r);
    if (st == ST_OK)
        *out = r;
    else
        recording_close(r);
    return st;
}

static void release_rank(struct recorded_rank *rank)
{
    free(rank->step_end);
    free(rank->step_ms);
    free(rank->track);
    free(rank->range);
    free(rank->item);
    free(rank->call);
    free(rank->sample);
}

void recording_close(struct recording *recording)
{
    if (!recording)
        return;
    for (int i = 0; recording->rank && i < recording->ranks; i++)
        release_rank(&recording->rank[i]);
    free(recording->rank);
    struct recording_texts *texts = recording->texts;
    for (size_t i = 0; texts && texts->slot && i < texts->slots; i++)
        free(texts->slot[i]);
    if (texts)
        free(texts->slot);
    free(texts);
    free(recording);
}

enum status recording_check(const struct recording *recording)
{
    return recording->out_of_memory ? fail(ST_OOM, "recording: no host memory for all of it")
                                    : ST_OK;
}

/* ---- adding ---- */

/* Room for one more of `size` bytes behind the n there are: a copy of `from` at the end. */
static int append(struct recording *r, void **array, int *n, size_t size, const void *from)
{
    bool full = *n >= 16 ? (*n & (*n - 1)) == 0 : *n == 0; /* room: 16, then powers of two */
    if (full) {
        size_t room = *n ? 2 * (size_t)*n : 16;
        void *more = realloc(*array, room * size);
        if (!more) {
            r->out_of_memory = true;
            return RECORDED_NONE;
        }
        *array = more;
    }
    memcpy((char *)*array + (size_t)*n * size, from, size);
    return (*n)++;
}

int recording_add_track(struct recording *r, int rank, const struct recorded_track *track)
{
    struct recorded_rank *to = &r->rank[rank];
    struct recorded_track own = *track;
    own.name = recording_text(r, track->name);
    return append(r, (void **)&to->track, &to->tracks, sizeof own, &own);
}

int recording_add_range(struct recording *r, int rank, const struct recorded_range *range)
{
    struct recorded_rank *to = &r->rank[rank];
    struct recorded_range own = *range;
    BUG_ON(own.parent >= to->ranges, "a range before the one around it");
    own.name = recording_text(r, range->name);
    own.axis = recording_text(r, range->axis);
    return append(r, (void **)&to->range, &to->ranges, sizeof own, &own);
}

int recording_add_item(struct recording *r, int rank, const struct recorded_item *item)
{
    struct recorded_rank *to = &r->rank[rank];
    struct recorded_item own = *item;
    own.name = recording_text(r, item->name);
    return append(r, (void **)&to->item, &to->items, sizeof own, &own);
}

int recording_add_call(struct recording *r, int rank, const struct recorded_call *call)
{
    struct recorded_rank *to = &r->rank[rank];
    struct recorded_call own = *call;
    own.name = recording_text(r, call->name);
    return append(r, (void **)&to->call, &to->calls, sizeof own, &own);
}

int recording_add_sample(struct recording *r, int rank, const struct recorded_sample *sample)
{
    struct recorded_rank *to = &r->rank[rank];
    return append(r, (void **)&to->sample, &to->samples, sizeof *sample, sample);
}

/* ---- asking ---- */

int recording_around(const struct recorded_rank *rank, int range, enum trace_kind kind)
{
    while (range >= 0 && rank->range[range].kind != kind)
        range = rank->range[range].parent;
    return range;
}

const char *recording_operation(const struct recorded_rank *rank, int range)
{
    int model = recording_around(rank, range, TRACE_MODEL);
    return model >= 0 ? rank->range[model].name : "";
}

int recording_communication(const struct recorded_rank *rank, int range)
{
    static const enum trace_kind kind[] = {TRACE_COMM, TRACE_GROUP, TRACE_WAIT};
    int found = RECORDED_NONE;
    for (int i = 0; i < 3 && found < 0; i++)
        found = recording_around(rank, range, kind[i]);
    return found;
}

bool recording_moves(const struct recorded_rank *rank, const struct recorded_item *item)
{
    return recording_communication(rank, item->range) >= 0;
}

bool recording_marks(const struct recorded_rank *rank, const struct recorded_item *item)
{
    return recording_around(rank, item->range, TRACE_MARK) >= 0;
}

bool recording_transports(const struct recorded_rank *rank, const struct recorded_item *item)
{
    return item->what == RECORDED_KERNEL && recording_moves(rank, item) &&
           !recording_marks(rank, item) && recording_around(rank, item->range, TRACE_OP) < 0;
}

bool recording_may_outlast(const struct recorded_rank *rank, const struct recorded_item *item)
{
    return recording_transports(rank, item) || recording_marks(rank, item);
}

int recording_peer(const struct recording *recording, int rank, int axis, int peer)
{
    int coord[MESH_MAX_AXES];
    mesh_coords(&recording->shape, rank, coord);
    coord[axis] = peer;
    return mesh_rank(&recording->shape, coord);
}

int recording_axis(const struct recording *recording, const char *name)
{
    for (int a = 0; name && a < recording->shape.n_axes; a++)
        if (strcmp(recording->shape.name[a], name) == 0)
            return a;
    return RECORDED_NONE;
}
