/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long skips of a model whose layers lie in stages: outputs of early blocks that late ones take go
 * straight from the producing stage to the consuming one, past the stages between. All that one
 * stage has for another goes as one message for each pass; each such pair has a channel of its own.
 * For a strategy that cuts layers; it says when a pass begins and ends. (HunyuanDiT, 2405.08748;
 * sent so by xDiT, 2411.01738.)
 */
#ifndef STRATEGIES_SKIPS_H
#define STRATEGIES_SKIPS_H

#include "strategies/strategy.h"

/* Which stage a layer is in. */
typedef int skips_stage(const struct strategy *me, const struct plan *plan, int layer);

struct skip_link;

struct skips {
    int n, slots;
    struct skip_link *link; /* [n] this stage's */
    struct tensor **table;  /* [slots + 1][layers] by producing block: whole passes' first */
};

/* Pairs of stages with a skip between them: the channels that they need. Pure. */
int skips_pairs(const struct strategy *me, const struct plan *plan, skips_stage *stage_of);

/* What this stage's messages add to the bytes. Pure. */
void skips_volume(const struct strategy *me, const struct plan *plan, skips_stage *stage_of,
                  struct volume *out);

/* Channels from `channel` on are theirs; passes over patches use `slots` places in turn. */
enum status skips_init(struct skips *skips, const struct strategy *me, struct run *run,
                       skips_stage *stage_of, int channel, int slots);

/* Nothing was posted ahead: at the start of a loop. */
void skips_begin(struct skips *skips);

/* Where the blocks of a pass put and take skips that cross stages, for run_blocks: [layers]. */
const struct tensor *skips_of(const struct skips *skips, int patch, int pass);

/* Before a pass computes: what it takes has come, and where it puts has left. `next`: the patch of
 * the pass after it, or NULL: none; where that is one patch, its message is asked for now. */
enum status skips_enter(struct skips *skips, struct run *run, int patch, int pass, const int *next);

/* After it: sends what it put. */
enum status skips_leave(struct skips *skips, struct run *run, int patch, int pass);

/* What was sent has left. */
enum status skips_finish(struct skips *skips, struct run *run);

/* Numbers where messages would come, so that a pass can be tried. */
enum status skips_rehearse(struct skips *skips, struct run *run, int patch, int pass);

#endif
