/* SPDX-License-Identifier: Apache-2.0 */
/* Small cells for strategy tests: one model, one problem, any specification, on threads or on
 * processes, on any backend. */
#ifndef TESTS_SUPPORT_CELLS_H
#define TESTS_SUPPORT_CELLS_H

#include "strategies/strategy.h"

struct cell_setup {
    const struct kind_ops *kind;
    struct dit_config config;  /* of a transformer: a tiny preset, perhaps changed */
    struct vae_config decoder; /* of a decoder, likewise */
    int width, height, steps, requests;
    int frames; /* of a video; 0: as the model was trained */
    uint64_t seed;
    enum dtype dtype;              /* of the model */
    struct device *const *devices; /* cell_run's, one for each rank; borrowed. NULL: a CPU device of
                                      its own for each */
    bool graph;                    /* run_inputs.graph */
    bool forward;                  /* one bare transformer call instead of loops */
    const struct spec_item *own;   /* (optional) a strategy of the test's own, appended to every
                                      specification; it need not be in the registry */
};

/* preset: a tiny one. A transformer gets 8 layers and 9 text tokens, 96 x 80 pixels (6 x 5 tokens),
 * 5 steps (under a sanitizer 3: fresh, stale, last), and is guided where it can be; a decoder gets
 * 56 x 44 pixels (14 x 11 of vae-tiny's latent) and 1 step. 2 requests; fp32 on the CPU, no graphs.
 */
struct cell_setup cell_setup_of(const char *preset);

/* Another number of layers of a transformer, with as large a share of each kind; an even one where
 * there are skips. */
void cell_set_layers(struct cell_setup *setup, int layers);

struct problem cell_problem(const struct cell_setup *setup);
const char *cell_model(const struct cell_setup *setup); /* its name */

struct cell_result {
    size_t count;  /* floats of the result, cell_count */
    float *latent; /* the result: [requests, C, h, w], or of a forward [lanes, Cout, h, w], of
                      videos with F before h; of a decoder pixels. Freed by cell_release */
    bool bytes_match, memory_match;
    char mismatch[256]; /* what did not match */
};

/* One rank of a cell; the result is written by the output rank only. Collective. */
enum status cell_run_rank(const struct cell_setup *setup, const char *spec, struct comm *world,
                          struct device *dev, int loops, struct cell_result *out);

size_t cell_count(const struct cell_setup *setup);

/* All ranks as threads. */
enum status cell_run(const struct cell_setup *setup, const char *spec, int loops,
                     struct cell_result *out);
void cell_release(struct cell_result *result);

/* "serial", or the stale one-rank reference of a specification, as text of SPEC_TEXT bytes. */
const char *cell_reference(const struct cell_setup *setup, const char *spec, char *text);

int cell_ranks(const struct cell_setup *setup, const char *spec);

/* The rank of a cell that has the result. */
int cell_output_rank(const struct cell_setup *setup, const char *spec);

/* Relative L2 distance of results; infinite where one is not finite. */
double cell_distance(const struct cell_result *got, const struct cell_result *want);

/* 1e-5 where only data moves, 1e-4 where sums are reordered. */
double cell_tolerance(const char *spec);

/* ---- hybrids.c ---- */

/* Every specification that the equivalence tests cover; NULL past the end. */
const char *hybrid_at(int index);

/* DITBENCH_TESTS=all, as `make test-all` sets it: nothing is left out to save time. */
bool hybrid_all(void);

/* A sanitizer looks at memory, in the same code for the second model as for the first: tests of
 * values leave out under it what only has other numbers; never where hybrid_all. */
bool hybrid_sanitized(void);

/* What tests go up to where they choose: 8 ranks of all, 4, or 3 under a sanitizer. */
int hybrid_most_ranks(void);

/* Whether tests try it on this model. All that the model can do (a distilled one has no branches to
 * split, a decoder has other strategies than a transformer) on pixart-tiny, vae-tiny and, but for a
 * sanitizer, dit-tiny, and on every model where hybrid_all; else a choice of those on up to
 * hybrid_most_ranks. */
bool hybrid_tested(const struct cell_setup *setup, int index);

/* Whether tests that run the table once more, captured or over another transport, try it on this
 * model: as hybrid_tested, but under a sanitizer a choice on every model. */
bool hybrid_repeated(const struct cell_setup *setup, int index);

/* The tiny models with blocks of further kinds, each of which is tested as hybrid_tested says; NULL
 * past the end. */
const char *hybrid_family(int index);

/* Strategies of transformers, in the registry's order; NULL past the end. */
const struct strategy_ops *hybrid_strategy(int index);

/* The first of them that is this strategy and no other, on several ranks or on one; NULL: none. */
const char *hybrid_alone(const struct strategy_ops *ops, bool several);

#endif
