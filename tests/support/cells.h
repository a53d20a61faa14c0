/* SPDX-License-Identifier: Apache-2.0 */
/* Small cells for strategy tests: one model, one problem, any specification, on threads or on
 * processes, on any backend. */
#ifndef TESTS_SUPPORT_CELLS_H
#define TESTS_SUPPORT_CELLS_H

#include "strategies/strategy.h"

struct cell_setup {
    struct dit_config config; /* a tiny preset, perhaps changed */
    int width, height, steps, requests;
    uint64_t seed;
    enum dtype dtype;              /* of the model */
    struct device *const *devices; /* cell_run's, one for each rank; borrowed. NULL: a CPU device of
                                      its own for each */
    bool graph;                    /* run_inputs.graph */
    bool forward;                  /* one bare transformer call instead of loops */
    const struct spec_item *own;   /* (optional) a strategy of the test's own, appended to every
                                      specification; it need not be in the registry */
};

/* preset: "pixart-tiny" or "dit-tiny". 96 x 80 pixels (6 x 5 tokens), 5 steps, 2 requests; fp32 on
 * the CPU, no graphs. */
struct cell_setup cell_setup_of(const char *preset);

struct problem cell_problem(const struct cell_setup *setup);

struct cell_result {
    size_t count;  /* floats of the latents, cell_count */
    float *latent; /* [requests, C, h, w], or of a forward [lanes, Cout, h, w]; freed by
                      cell_release */
    bool bytes_match, memory_match;
    char mismatch[256]; /* what did not match */
};

/* One rank of a cell; latents are written by the output rank only. Collective. */
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

/* The rank of a cell that has the latents. */
int cell_output_rank(const struct cell_setup *setup, const char *spec);

/* Relative L2 distance of latents; infinite where one is not finite. */
double cell_distance(const struct cell_result *got, const struct cell_result *want);

/* 1e-5 where only data moves, 1e-4 where sums are reordered. */
double cell_tolerance(const char *spec);

/* hybrids.c: every specification that the equivalence tests cover; NULL past the end. */
const char *hybrid_at(int index);

/* The first of them that is this strategy and no other, on several ranks or on one; NULL: none. */
const char *hybrid_alone(const struct strategy_ops *ops, bool several);

#endif
