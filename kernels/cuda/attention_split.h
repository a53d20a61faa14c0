/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the attention for Hopper is dealt out to multiprocessors (SMs). A piece is as many queries of
 * a head as a block takes, and all keys; the last of a head may have fewer queries, which takes
 * less time. Blocks take pieces in order, the short ones last. Where the last round of pieces would
 * leave SMs without work, its pieces are split by keys into parts, which are merged.
 *
 * An item is what a block takes at a time: a piece, or a part of one. Chooses by estimated times
 * alone, launches nothing, and is read where there is no CUDA.
 */
#ifndef KERNELS_CUDA_ATTENTION_SPLIT_H
#define KERNELS_CUDA_ATTENTION_SPLIT_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    ATTENTION_TEAM = 64,        /* queries of a warpgroup */
    ATTENTION_MOST_TEAMS = 4,   /* warpgroups of a block that compute */
    ATTENTION_SPLIT = 128,      /* pieces in parts, at most */
    ATTENTION_PARTS = 16 << 20, /* bytes that all parts may take */
};

/* Of a head's width, as many as registers allow: warpgroups that compute, queries of a piece, keys
 * of a tile. */
#define ATTENTION_TEAMS(width)   ((width) == 128 ? 3 : 4)
#define ATTENTION_QUERIES(width) (ATTENTION_TEAM * ATTENTION_TEAMS(width))
#define ATTENTION_TILE(width)    ((width) == 88 ? 64 : 96)

/* What there is to do, by whom. */
struct attention_split_of {
    int rows;  /* of a head */
    int heads; /* of all lanes together */
    int keys;
    int width;           /* of a head */
    int multiprocessors; /* that may be counted on */
};

/*
 * Pieces in order: `full` ones of all queries, head by head, then `ragged` ones, one a head. The
 * first `whole` have one part each, those behind them full_parts where they are full, ragged_parts
 * where they are ragged; 1: they are not split.
 */
struct attention_split {
    int full, ragged;
    int whole;
    int full_parts, ragged_parts;
    int items; /* in all */
    int slots; /* of parts, counted from the first item behind the whole pieces; 0: none is split */
};

/* Tiles of a piece's keys are shared out evenly: part i begins with tile i * tiles / parts. Takes
 * what promises to be done first, and parts only where they save 3 %. */
struct attention_split attention_split(const struct attention_split_of *of);

/* Whether that promises to be done before cuDNN's attention, which in heads 128 wide takes blocks
 * of 128 queries in whole rounds and so wins where pieces are few. Other heads: always. */
bool attention_split_pays(const struct attention_split_of *of, const struct attention_split *s);

/* What a part leaves for the merge, each warpgroup's after another's: fp32 sums [width / 8, 128
 * threads, 4], then bases and sums of weights [128, 4]. */
size_t attention_split_slot(int width);

#ifdef __cplusplus
}
#endif
#endif
