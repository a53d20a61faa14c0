/* SPDX-License-Identifier: Apache-2.0 */
/* Sums what ran by kernel and operation, and gives work to kernels. Writes nothing: hot_write.c. */
#include "harness/profile/hot.h"

#include "harness/base/stats.h"
#include "kernels/base/hash.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What rows are told apart by: texts of the recording, so that equal ones are equal pointers. */
struct key {
    const char *kernel, *axis, *operation; /* axis: of what moves data, else NULL */
    bool moves;
};

/* An item: the row that it counts in, and whose work it carries out. */
struct piece {
    int rank, row;
    int carrier; /* OP, COMM or GROUP range; or none */
    int launch;  /* of the graph that it is of; or none */
    double ns;
};

/* What a row is short of while pieces are handed out. */
struct sum {
    double flops, bytes, least_us;
    bool unknown; /* of some piece no ceiling is known */
};

struct builder {
    const struct recording *recording;
    const struct hot_device *device;
    struct hot *hot;
    int n;
    struct piece *piece; /* [n] */
    double *ns;          /* [n] durations of a row; scratch */
    int slots, *slot;    /* open addressing over rows; -1: free. slots: a power of two */
    struct key *key;     /* [rows] */
    struct sum *sum;     /* [rows] */
    bool **carried;      /* [ranks][ranges] a COMM range with a kernel of the transport's own: no
                            group's kernel carries it */
};

/* ---- rows ---- */

static struct key key_of(const struct recorded_rank *rank, const struct recorded_item *item)
{
    struct key key = {.kernel = item->name};
    int moves = recording_communication(rank, item->range);
    key.moves = moves >= 0;
    key.axis = key.moves ? rank->range[moves].axis : NULL;
    key.operation = key.moves ? rank->range[moves].name : recording_operation(rank, item->range);
    return key;
}

static bool same_key(const struct key *a, const struct key *b)
{
    return a->kernel == b->kernel && a->axis == b->axis && a->moves == b->moves &&
           (a->operation == b->operation || strcmp(a->operation, b->operation) == 0);
}

/* The row's slot, or the free one where it belongs. */
static int *find_slot(const struct builder *b, const struct key *key)
{
    uint64_t hash =
        hash_text(hash_bytes(key->moves, &key->kernel, sizeof key->kernel), key->operation);
    size_t at = hash & (size_t)(b->slots - 1);
    while (b->slot[at] >= 0 && !same_key(&b->key[b->slot[at]], key))
        at = (at + 1) & (size_t)(b->slots - 1);
    return &b->slot[at];
}

/* Room for twice as many rows. */
static enum status grow(struct builder *b)
{
    int slots = b->slots ? 2 * b->slots : 128;
    size_t room = (size_t)slots / 2;
    struct key *key = realloc(b->key, room * sizeof *key);
    b->key = key ? key : b->key;
    struct hot_row *row = realloc(b->hot->row, room * sizeof *row);
    b->hot->row = row ? row : b->hot->row;
    int *slot = malloc((size_t)slots * sizeof *slot);
    if (!key || !row || !slot) {
        free(slot);
        return fail(ST_OOM, "hot kernels: no host memory for %zu rows", room);
    }
    free(b->slot);
    b->slot = slot;
    b->slots = slots;
    memset(slot, 0xff, (size_t)slots * sizeof *slot);
    for (int i = 0; i < b->hot->rows; i++)
        *find_slot(b, &key[i]) = i;
    return ST_OK;
}

static enum status row_of(struct builder *b, const struct key *key, int *out)
{
    if (2 * b->hot->rows >= b->slots)
        TRY(grow(b));
    int *slot = find_slot(b, key);
    if (*slot < 0) {
        *slot = b->hot->rows++;
        b->key[*slot] = *key;
        b->hot->row[*slot] = (struct hot_row){.name = key->kernel};
    }
    *out = *slot;
    return ST_OK;
}

static int carrier_of(const struct recorded_rank *rank, const struct recorded_item *item)
{
    static const enum trace_kind kind[] = {TRACE_OP, TRACE_COMM, TRACE_GROUP};
    int found = RECORDED_NONE;
    for (int i = 0; i < 3 && found < 0; i++)
        found = recording_around(rank, item->range, kind[i]);
    return found;
}

static enum status add_items(struct builder *b)
{
    for (int r = 0; r < b->recording->ranks; r++) {
        const struct recorded_rank *rank = &b->recording->rank[r];
        for (int i = 0; i < rank->items; i++) {
            const struct recorded_item *item = &rank->item[i];
            const struct key key = key_of(rank, item);
            struct piece *piece = &b->piece[b->n++];
            *piece = (struct piece){.rank = r,
                                    .carrier = carrier_of(rank, item),
                                    .launch = item->launch,
                                    .ns = (double)(item->end - item->begin)};
            if (recording_transports(rank, item) && piece->carrier >= 0)
                b->carried[r][piece->carrier] = true;
            TRY(row_of(b, &key, &piece->row));
            struct hot_row *row = &b->hot->row[piece->row];
            row->instances++;
            row->total += piece->ns;
            b->hot->kernels += item->what == RECORDED_KERNEL;
        }
    }
    return ST_OK;
}

/* ---- times ---- */

static int by_row(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    if (x->row != y->row)
        return x->row < y->row ? -1 : 1;
    return (x->ns > y->ns) - (x->ns < y->ns);
}

/* Sorts the pieces. */
static void reckon_times(struct builder *b)
{
    double all = 0;
    int at = 0;
    qsort(b->piece, (size_t)b->n, sizeof *b->piece, by_row);
    for (int i = 0; i < b->hot->rows; i++)
        all += b->hot->row[i].total;
    for (int i = 0; i < b->hot->rows; i++) {
        struct hot_row *row = &b->hot->row[i];
        double squares = 0;
        int n = row->instances;
        row->mean = row->total / n;
        for (int k = 0; k < n; k++) {
            b->ns[k] = b->piece[at++].ns;
            squares += (b->ns[k] - row->mean) * (b->ns[k] - row->mean);
        }
        row->median = stats_percentile(n, b->ns, 50);
        row->min = b->ns[0];
        row->max = b->ns[n - 1];
        row->deviation = n > 1 ? sqrt(squares / (n - 1)) : 0;
        row->percent = all > 0 ? 100 * row->total / all : 0;
    }
}

/* ---- work ---- */

static int by_work(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    if (x->carrier != y->carrier)
        return x->carrier < y->carrier ? -1 : 1;
    if (x->launch != y->launch)
        return x->launch < y->launch ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static bool same_work(const struct piece *a, const struct piece *b)
{
    return a->rank == b->rank && a->carrier == b->carrier && a->launch == b->launch;
}

static bool is_own(const struct builder *b, int rank, const struct recorded_range *range)
{
    int axis = recording_axis(b->recording, range->axis);
    int peer = axis >= 0 && range->peer >= 0 ? recording_peer(b->recording, rank, axis, range->peer)
                                             : range->peer;
    return peer == rank;
}

/* The posts of a group are its siblings before it that no group had before. */
static double group_bytes(const struct builder *b, int rank, int group)
{
    const struct recorded_rank *of = &b->recording->rank[rank];
    uint64_t out = 0, in = 0;
    for (int i = group - 1; i > of->range[group].parent; i--) {
        const struct recorded_range *range = &of->range[i];
        if (range->parent != of->range[group].parent)
            continue;
        if (range->kind == TRACE_GROUP)
            break;
        if (range->kind != TRACE_COMM || b->carried[rank][i] || is_own(b, rank, range))
            continue;
        if (strcmp(range->name, "recv") == 0)
            in += range->payload;
        else
            out += range->peer >= 0 ? range->payload : range->wire;
    }
    return (double)(out > in ? out : in);
}

/* Bytes that a range of communication carries; 0: not known. */
static double carried_bytes(const struct builder *b, int rank, int index)
{
    const struct recorded_range *range = &b->recording->rank[rank].range[index];
    if (range->kind == TRACE_GROUP)
        return group_bytes(b, rank, index);
    return (double)(range->peer >= 0 ? range->payload : range->wire);
}

/* The work of one pass through a range, and the least time that it takes; false: not known. */
static bool work_of(const struct builder *b, int rank, int index, struct trace_work *work,
                    double *least_us)
{
    const struct recorded_range *range = &b->recording->rank[rank].range[index];
    const struct hot_device *device = b->device;
    struct ceilings_op op = {.dtype = device->dtype, .head = device->head};
    struct ceilings_limit limit;
    *work = range->work;
    *least_us = 0;
    if (range->kind != TRACE_OP) {
        op.kind = CEILINGS_EXCHANGE;
        *work = (struct trace_work){.bytes = carried_bytes(b, rank, index)};
        if (work->bytes == 0)
            return false;
    } else {
        op.kind = ceilings_kind_of(range->name);
    }
    if (!device->ceilings)
        return false;
    if (work->flops == 0 && work->bytes == 0)
        return true;
    op.flops = work->flops;
    op.bytes = work->bytes;
    if (!ceilings_find(device->ceilings, &op, &limit))
        return false;
    *least_us = limit.least_us;
    return true;
}

/* Pieces [n] of one pass through a range: all work to the row with the largest total. */
static void give_work(struct builder *b, int n, const struct piece *piece)
{
    int longest = piece[0].row;
    struct trace_work work = {0, 0};
    double least_us = 0;
    bool known = piece->carrier >= 0 && work_of(b, piece->rank, piece->carrier, &work, &least_us);
    for (int i = 0; i < n; i++) {
        b->sum[piece[i].row].unknown |= !known;
        if (b->hot->row[piece[i].row].total > b->hot->row[longest].total)
            longest = piece[i].row;
    }
    b->sum[longest].flops += work.flops;
    b->sum[longest].bytes += work.bytes;
    b->sum[longest].least_us += least_us;
}

/* Sorts the pieces. */
static void reckon_work(struct builder *b)
{
    qsort(b->piece, (size_t)b->n, sizeof *b->piece, by_work);
    for (int i = 0, n; i < b->n; i += n) {
        for (n = 1; i + n < b->n && same_work(&b->piece[i], &b->piece[i + n]); n++)
            ;
        give_work(b, n, &b->piece[i]);
    }
    for (int i = 0; i < b->hot->rows; i++) {
        struct hot_row *row = &b->hot->row[i];
        const struct sum *sum = &b->sum[i];
        bool timed = row->total > 0;
        row->gflop = sum->flops * 1e-9;
        row->mb = sum->bytes * 1e-6;
        row->tflops = timed && sum->flops > 0 ? sum->flops / row->total * 1e-3 : NAN;
        row->gbs = timed && sum->bytes > 0 ? sum->bytes / row->total : NAN;
        row->intensity = sum->bytes > 0 ? sum->flops / sum->bytes : NAN;
        row->ceiling_pct = !sum->unknown && timed && sum->least_us > 0
                               ? 100 * sum->least_us * 1e3 / row->total
                               : NAN;
        row->to_win_ms = sum->unknown ? NAN : fmax(row->total - sum->least_us * 1e3, 0) * 1e-6;
    }
}

/* ---- operations ---- */

static bool same_range(const struct key *a, const struct key *b)
{
    return a->axis == b->axis && a->moves == b->moves && strcmp(a->operation, b->operation) == 0;
}

/* The text of a key's operation; NULL without memory. */
static const char *range_text(struct hot *hot, const struct key *key)
{
    char *text;
    if (!key->axis)
        return key->operation;
    if (asprintf(&text, "%s.%s", key->axis, key->operation) < 0)
        return NULL;
    hot->text[hot->texts++] = text;
    return text;
}

static void add_row(struct hot_range *range, const struct hot_row *row, const struct sum *sum,
                    double *least_us, double *known)
{
    range->rows++;
    range->percent += row->percent;
    range->total += row->total;
    range->gflop += row->gflop;
    range->mb += row->mb;
    if (isnan(row->to_win_ms))
        return;
    range->to_win_ms = isnan(range->to_win_ms) ? row->to_win_ms : range->to_win_ms + row->to_win_ms;
    *least_us += sum->least_us;
    *known += row->total;
}

/* The range of row `first`, which is the first of it; its rows get its name. */
static enum status add_range(struct builder *b, int first)
{
    struct hot *hot = b->hot;
    const char *name = range_text(hot, &b->key[first]);
    double least_us = 0, known = 0;
    if (!name)
        return fail(ST_OOM, "hot kernels: no host memory");
    struct hot_range *range = &hot->range[hot->ranges++];
    *range = (struct hot_range){.name = name, .to_win_ms = NAN};
    for (int i = first; i < hot->rows; i++)
        if (same_range(&b->key[first], &b->key[i])) {
            hot->row[i].range = name;
            add_row(range, &hot->row[i], &b->sum[i], &least_us, &known);
        }
    bool timed = range->total > 0;
    range->tflops = timed && range->gflop > 0 ? range->gflop / range->total * 1e6 : NAN;
    range->gbs = timed && range->mb > 0 ? range->mb / range->total * 1e6 : NAN;
    range->ceiling_pct = least_us > 0 && known > 0 ? 100 * least_us * 1e3 / known : NAN;
    return ST_OK;
}

static enum status reckon_ranges(struct builder *b)
{
    struct hot *hot = b->hot;
    hot->range = calloc((size_t)hot->rows + 1, sizeof *hot->range);
    hot->text = calloc((size_t)hot->rows + 1, sizeof *hot->text);
    if (!hot->range || !hot->text)
        return fail(ST_OOM, "hot kernels: no host memory for %d rows", hot->rows);
    for (int i = 0; i < hot->rows; i++)
        if (!hot->row[i].range)
            TRY(add_range(b, i));
    return ST_OK;
}

/* ---- order ---- */

/* Falling, NAN last. */
static int compare(double a, double b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) - isnan(b);
    return (a < b) - (a > b);
}

static int by_winning(const void *a, const void *b)
{
    const struct hot_row *x = a, *y = b;
    int order = compare(x->to_win_ms, y->to_win_ms);
    if (order == 0)
        order = compare(x->total, y->total);
    if (order == 0)
        order = strcmp(x->range, y->range);
    return order ? order : strcmp(x->name, y->name);
}

static int ranges_by_winning(const void *a, const void *b)
{
    const struct hot_range *x = a, *y = b;
    int order = compare(x->to_win_ms, y->to_win_ms);
    if (order == 0)
        order = compare(x->total, y->total);
    return order ? order : strcmp(x->name, y->name);
}

/* ---- life ---- */

static enum status open_carried(struct builder *b)
{
    b->carried = calloc((size_t)b->recording->ranks + 1, sizeof *b->carried);
    for (int r = 0; b->carried && r < b->recording->ranks; r++) {
        b->carried[r] = calloc((size_t)b->recording->rank[r].ranges + 1, sizeof **b->carried);
        if (!b->carried[r])
            return fail(ST_OOM, "hot kernels: no host memory");
    }
    return b->carried ? ST_OK : fail(ST_OOM, "hot kernels: no host memory");
}

static enum status build(struct builder *b)
{
    size_t items = 0;
    TRY(open_carried(b));
    for (int r = 0; r < b->recording->ranks; r++)
        items += (size_t)b->recording->rank[r].items;
    b->piece = calloc(items + 1, sizeof *b->piece);
    b->ns = calloc(items + 1, sizeof *b->ns);
    if (!b->piece || !b->ns || items > INT32_MAX)
        return fail(ST_OOM, "hot kernels: no host memory for %zu items", items);
    TRY(add_items(b));
    b->sum = calloc((size_t)b->hot->rows + 1, sizeof *b->sum);
    if (!b->sum)
        return fail(ST_OOM, "hot kernels: no host memory for %d rows", b->hot->rows);
    reckon_times(b);
    reckon_work(b);
    TRY(reckon_ranges(b));
    if (b->hot->rows > 0) {
        qsort(b->hot->row, (size_t)b->hot->rows, sizeof *b->hot->row, by_winning);
        qsort(b->hot->range, (size_t)b->hot->ranges, sizeof *b->hot->range, ranges_by_winning);
    }
    return ST_OK;
}

enum status hot_open(const struct recording *recording, const struct hot_device *device,
                     struct hot *out)
{
    struct builder b = {.recording = recording, .device = device, .hot = out};
    *out = (struct hot){.steps = recording->steps};
    for (int r = 0; r < recording->ranks; r++)
        out->ranks += recording->rank[r].items > 0 || recording->rank[r].ranges > 0;
    enum status st = build(&b);
    free(b.piece);
    free(b.ns);
    free(b.slot);
    free(b.key);
    free(b.sum);
    for (int r = 0; b.carried && r < recording->ranks; r++)
        free(b.carried[r]);
    free(b.carried);
    if (st)
        hot_release(out);
    return st;
}

void hot_release(struct hot *hot)
{
    for (int i = 0; i < hot->texts; i++)
        free(hot->text[i]);
    free(hot->text);
    free(hot->row);
    free(hot->range);
    *hot = (struct hot){.rows = 0};
}
