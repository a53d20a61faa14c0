/* SPDX-License-Identifier: Apache-2.0 */
/* In how many parts the last pieces of an attention are done first, by estimated times. */
#include "kernels/cuda/attention_split.h"

enum {
    MOST_PARTS = 16, /* of a piece */
    GROUPS = 4,
};

/* Times are in what a block takes for a tile of keys where all of its warpgroups have queries: 1.5
 * us on an H200 in heads 64 to 72 wide, 1.9 in heads 128 wide. */
static const double PIECE = 1.5;  /* to begin and to end one */
static const double PART = 0.5;   /* to write one's sums */
static const double MERGED = 0.4; /* to read one's */

/* Of a tile, by the warpgroups that have queries, as measured on an H200. Heads of 72 and 88 have
 * boxes of few columns, which take the copy engine long; those of 128 were measured where each
 * block reads keys of its own from memory. */
static double share_of(int width, int teams)
{
    static const double narrow[] = {0.0, 0.56, 0.68, 0.85, 1.0},
                        odd[] = {0.0, 0.82, 0.84, 0.89, 1.0}, wide[] = {0.0, 0.75, 0.82, 1.0};
    return (width == 64 ? narrow : width == 128 ? wide : odd)[teams];
}

/* What cuDNN takes for 96 keys of a block of 128 queries, 128 wide, on an H200. */
static const double CUDNN_TILE = 0.69;

static const double WORTHWHILE = 0.97;

/* Items that take as long as each other. */
struct group {
    int count;
    double time;
};

/* Multiprocessors that are free at a time. */
struct level {
    double time;
    int count;
};

static double part_time(int tiles, int parts, double share)
{
    return share * ((tiles + parts - 1) / parts) + PIECE + (parts > 1 ? PART : 0.0);
}

static int earliest(const struct level *level, int n)
{
    int first = -1;
    for (int i = 0; i < n; i++) {
        if (level[i].count > 0 && (first < 0 || level[i].time < level[first].time))
            first = i;
    }
    return first;
}

/* When all items are done that multiprocessors take in order as they are free. Each group adds at
 * most one level. */
static double finish(const struct group group[GROUPS], int multiprocessors)
{
    struct level level[GROUPS + 1] = {{0.0, multiprocessors}};
    int levels = 1;
    double end = 0.0;
    for (int g = 0; g < GROUPS; g++) {
        int left = group[g].count;
        if (levels == 1) { // whole rounds
            level[0].time += left / multiprocessors * group[g].time;
            left %= multiprocessors;
        }
        while (left > 0) {
            struct level *from = &level[earliest(level, levels)];
            if (from->count > left) {
                level[levels++] = (struct level){from->time, from->count - left};
                from->count = left;
            }
            left -= from->count;
            from->time += group[g].time;
        }
    }
    for (int i = 0; i < levels; i++)
        end = level[i].count > 0 && level[i].time > end ? level[i].time : end;
    return end;
}

size_t attention_split_slot(int width)
{
    return (size_t)ATTENTION_TEAMS(width) * (size_t)(width / 8 + 1) * 128 * 4 * sizeof(float);
}

static int tiles_of(const struct attention_split_of *of)
{
    int tile = ATTENTION_TILE(of->width);
    return (of->keys + tile - 1) / tile;
}

static double estimate(const struct attention_split_of *of, const struct attention_split *s)
{
    int tiles = tiles_of(of);
    int last = of->rows % ATTENTION_QUERIES(of->width);
    double share = share_of(of->width, (last + ATTENTION_TEAM - 1) / ATTENTION_TEAM);
    int whole_full = s->whole < s->full ? s->whole : s->full;
    int whole_ragged = s->whole - whole_full;
    int most = s->full_parts > s->ragged_parts ? s->full_parts : s->ragged_parts;
    const struct group group[GROUPS] = {
        {whole_full, part_time(tiles, 1, 1.0)},
        {whole_ragged, part_time(tiles, 1, share)},
        {(s->full - whole_full) * s->full_parts, part_time(tiles, s->full_parts, 1.0)},
        {(s->ragged - whole_ragged) * s->ragged_parts, part_time(tiles, s->ragged_parts, share)},
    };
    return finish(group, of->multiprocessors) + (most > 1 ? MERGED * most : 0.0);
}

/* What follows from `whole` and the numbers of parts. */
static void count_items(struct attention_split *s)
{
    int full = s->whole < s->full ? s->full - s->whole : 0;
    int ragged = s->full + s->ragged - s->whole - full;
    s->items = s->whole + full * s->full_parts + ragged * s->ragged_parts;
    s->slots = s->ragged_parts > 1 ? s->items - s->whole
               : s->full_parts > 1 ? full * s->full_parts
                                   : 0;
}

/* The pieces that may be split: the full ones behind whole rounds and the ragged ones, of which
 * only the last where they are many. */
static int first_split(const struct attention_split *s, int multiprocessors)
{
    if (s->ragged > multiprocessors)
        return s->full + s->ragged / multiprocessors * multiprocessors;
    return s->full / multiprocessors * multiprocessors;
}

/* With so many parts; false where that is none of the choices. */
static bool try_parts(const struct attention_split_of *of, int full_parts, int ragged_parts,
                      struct attention_split *s)
{
    s->whole = first_split(s, of->multiprocessors);
    if (full_parts == 1 && s->whole < s->full)
        s->whole = s->full;
    s->full_parts = full_parts;
    s->ragged_parts = ragged_parts;
    count_items(s);
    return s->full + s->ragged - s->whole <= ATTENTION_SPLIT &&
           (size_t)s->slots * attention_split_slot(of->width) <= ATTENTION_PARTS;
}

struct attention_split attention_split(const struct attention_split_of *of)
{
    int tiles = tiles_of(of), queries = ATTENTION_QUERIES(of->width);
    struct attention_split best = {
        .full = of->rows / queries * of->heads,
        .ragged = of->rows % queries > 0 ? of->heads : 0,
        .full_parts = 1,
        .ragged_parts = 1,
    };
    best.whole = best.items = best.full + best.ragged;
    struct attention_split s = best;
    double time = estimate(of, &best) * WORTHWHILE;
    int first = first_split(&best, of->multiprocessors);
    int most = tiles < MOST_PARTS ? tiles : MOST_PARTS;
    int most_full = first < best.full ? most : 1;
    int most_ragged = best.ragged > 0 ? most : 1;
    for (int f = 1; f <= most_full; f++) {
        for (int r = 1; r <= most_ragged; r++) {
            if (!try_parts(of, f, r, &s) || s.slots == 0)
                continue;
            double now = estimate(of, &s);
            if (now < time) {
                time = now;
                best = s;
            }
        }
    }
    return best;
}

bool attention_split_pays(const struct attention_split_of *of, const struct attention_split *s)
{
    enum { BLOCK = 128, KEYS = 96 };
    int blocks = (of->rows + BLOCK - 1) / BLOCK * of->heads;
    int rounds = (blocks + of->multiprocessors - 1) / of->multiprocessors;
    return of->width != 128 || estimate(of, s) < rounds * CUDNN_TILE * of->keys / KEYS;
}
