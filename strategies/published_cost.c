/* SPDX-License-Identifier: Apache-2.0 */
/* The table, and the reasons why this program counts otherwise. Nothing here steers a strategy. */
#include "strategies/published_cost.h"

#include <string.h>

const char published_source[] =
    "xDiT, README and arXiv 2411.01738; PipeFusion, arXiv 2405.14430: cost of a diffusion step";

/* ---- what models have that the table does not ---- */

static double parts_of_others(const struct published_case *c)
{
    return (double)(c->ranks - 1) / c->ranks;
}

static double tokens(const struct published_case *c, enum token_set set)
{
    double image = (double)problem_tokens(c->problem) * c->problem->frames;
    double text = (double)problem_text(c->problem) * c->problem->frames;
    return set == TOKENS_IMAGE ? image : set == TOKENS_TEXT ? text : image + text;
}

static bool has_dual(const struct dit_config *config)
{
    return dit_sites(config, config->layers) > config->layers;
}

/* Attentions over the sequence for each layer. */
static double sites(const struct published_case *c)
{
    const struct dit_config *config = c->problem->config;
    return (double)dit_sites(config, config->layers) / config->layers;
}

static double over_time(const struct published_case *c)
{
    return c->problem->config->temporal ? sites(c) : 1;
}

static double second_attention(const struct published_case *c)
{
    return has_dual(c->problem->config) ? sites(c) : 1;
}

/* Rows of keys and, if `asked`, of queries of all attentions from `first` on to `end`. */
static double site_rows(const struct published_case *c, int first, int end, bool asked)
{
    double rows = 0;
    for (int s = first; s < end; s++) {
        struct dit_site site = dit_site_at(c->problem->config, s);
        rows += tokens(c, site.keys) + (asked ? tokens(c, site.queries) : 0);
    }
    return rows;
}

static double text_keys(const struct published_case *c)
{
    int n = dit_sites(c->problem->config, c->problem->config->layers);
    return site_rows(c, 0, n, false) / (n * tokens(c, TOKENS_IMAGE));
}

static double text_exchanged(const struct published_case *c)
{
    int n = dit_sites(c->problem->config, c->problem->config->layers);
    return site_rows(c, 0, n, true) / (2 * n * tokens(c, TOKENS_IMAGE));
}

static double text_rows(const struct published_case *c)
{
    return tokens(c, TOKENS_ALL) / tokens(c, TOKENS_IMAGE);
}

/* ---- sums of tensor parallelism ---- */

/* Rows of all sums, over the image's alone or all, in units of the image's tokens. */
static double sums(const struct published_case *c, bool with_text)
{
    const struct dit_config *config = c->problem->config;
    double rows = 0;
    for (int layer = 0; layer < config->layers; layer++) {
        struct dit_reduction r[DIT_MOST_REDUCTIONS];
        int n = dit_config_reductions(config, layer, r);
        for (int i = 0; i < n; i++) {
            bool image = r[i].rows != TOKENS_TEXT;
            rows += with_text ? tokens(c, r[i].rows) : image ? tokens(c, TOKENS_IMAGE) : 0;
        }
    }
    return rows / tokens(c, TOKENS_IMAGE);
}

static double sums_of_layers(const struct published_case *c)
{
    return sums(c, false) / (2 * c->problem->config->layers);
}

static double one_sum(const struct published_case *c)
{
    return c->problem->config->parallel_layers > 0 ? sums_of_layers(c) : 1;
}

static double third_sum(const struct published_case *c)
{
    return has_dual(c->problem->config) ? sums_of_layers(c) : 1;
}

static double text_sums(const struct published_case *c)
{
    return sums(c, true) / sums(c, false);
}

/* The landing place of sums is one whole activation, (2/N)A in the table. */
static double whole_activation(const struct published_case *c)
{
    return 0.5 * c->ranks;
}

/* Two sets of keys and values, one arriving while the other is read, and a block's output. */
static double two_sets(const struct published_case *c)
{
    (void)c;
    return 2.5;
}

/* ---- stages ---- */

static double sent_only(const struct published_case *c)
{
    (void)c;
    return 0.5;
}

/* The most skips that leave a stage, each an activation beside the stage's own. */
static double skips(const struct published_case *c)
{
    const struct dit_config *config = c->problem->config;
    int most = 0;
    for (int k = 0; k + 1 < c->ranks; k++) {
        int begin, n = part_of(config->layers, k, c->ranks, &begin), leaving = 0;
        for (int layer = begin; layer < begin + n; layer++)
            leaving += dit_config_layer(config, layer).skip_to >= begin + n;
        most = leaving > most ? leaving : most;
    }
    return 1 + most;
}

/* The fullest stage's rows of keys, against the N-th part of all. */
static double uneven_keys(const struct published_case *c)
{
    const struct dit_config *config = c->problem->config;
    double most = 0;
    for (int k = 0; k < c->ranks; k++) {
        int begin, n = part_of(config->layers, k, c->ranks, &begin);
        double rows = site_rows(c, dit_sites(config, begin), dit_sites(config, begin + n), false);
        most = rows > most ? rows : most;
    }
    return most * c->ranks / site_rows(c, 0, dit_sites(config, config->layers), false);
}

/* ---- the reasons ---- */

#define TAKEN_FOR_1 "(N-1)/N is taken for 1: a rank's own part is not sent"
#define OVER_TIME   "blocks over time attend within a rank"
#define DUAL        "some blocks have a second attention, over the image"
#define TEXT        "text is part of the sequence, and p counts the image alone"
#define SCRATCH                                                                                    \
    "two tensors of the attention are counted, and the MLP's hidden rows, norms, modulations and " \
    "what "                                                                                        \
    "is made of the text once a loop are activations too"

static const struct published_why tensor_why[] = {
    {PUBLISHED_COMM, TAKEN_FOR_1, parts_of_others},
    {PUBLISHED_COMM, "single blocks complete one sum, not two", one_sum},
    {PUBLISHED_COMM, "blocks with a second attention complete a third sum", third_sum},
    {PUBLISHED_COMM, TEXT, text_sums},
    {PUBLISHED_WEIGHTS,
     "only heads and the MLP's columns are divided: embeddings, modulation, norms and "
     "cross-attention stay whole on every rank",
     NULL},
    {PUBLISHED_ACTIVATIONS, SCRATCH, NULL},
    {PUBLISHED_ACTIVATIONS, "all ranks hold the rows of all tokens", NULL},
    {PUBLISHED_KEYS, "sums land in one whole activation, whatever N is", whole_activation},
    {PUBLISHED_KEYS, TEXT, text_rows},
    {0},
};

static const struct published_why distrifusion_why[] = {
    {PUBLISHED_COMM, TAKEN_FOR_1, parts_of_others},
    {PUBLISHED_COMM, OVER_TIME, over_time},
    {PUBLISHED_COMM, DUAL, second_attention},
    {PUBLISHED_COMM, TEXT, text_keys},
    {PUBLISHED_COMM, "the last step, which has no successor, sends nothing", NULL},
    {PUBLISHED_ACTIVATIONS, SCRATCH, NULL},
    {PUBLISHED_KEYS, OVER_TIME, over_time},
    {PUBLISHED_KEYS, DUAL, second_attention},
    {PUBLISHED_KEYS, TEXT, text_keys},
    {0},
};

static const struct published_why ring_why[] = {
    {PUBLISHED_COMM, TAKEN_FOR_1, parts_of_others},
    {PUBLISHED_COMM, OVER_TIME, over_time},
    {PUBLISHED_COMM, DUAL, second_attention},
    {PUBLISHED_COMM, TEXT, text_keys},
    {PUBLISHED_ACTIVATIONS, SCRATCH, NULL},
    {PUBLISHED_KEYS,
     "two sets of keys and values, one arriving while the other is read, and a block's output",
     two_sets},
    {PUBLISHED_KEYS, TEXT, text_rows},
    {0},
};

static const struct published_why ulysses_why[] = {
    {PUBLISHED_COMM, TAKEN_FOR_1, parts_of_others},
    {PUBLISHED_COMM, OVER_TIME, over_time},
    {PUBLISHED_COMM, DUAL, second_attention},
    {PUBLISHED_COMM, TEXT, text_exchanged},
    {PUBLISHED_ACTIVATIONS, SCRATCH, NULL},
    {PUBLISHED_KEYS,
     "queries and outputs are exchanged too, and other ranks' parts lie in a buffer before they "
     "are put in order",
     NULL},
    {0},
};

static const struct published_why pipefusion_why[] = {
    {PUBLISHED_COMM,
     "what a middle stage sends and what it receives are added up, where all other rows count "
     "what is sent",
     sent_only},
    {PUBLISHED_COMM, TEXT, text_rows},
    {PUBLISHED_COMM, "long skips leave the stage as well", skips},
    {PUBLISHED_COMM, "the last stage sends a latent only", NULL},
    {PUBLISHED_WEIGHTS,
     "blocks differ in size, stages are as even as whole layers allow, and what conditions blocks "
     "is on every rank",
     NULL},
    {PUBLISHED_ACTIVATIONS, SCRATCH, NULL},
    {PUBLISHED_ACTIVATIONS,
     "the synchronous first step takes all tokens at once, so that no buffer is a patch's", NULL},
    {PUBLISHED_KEYS, OVER_TIME, over_time},
    {PUBLISHED_KEYS, DUAL, second_attention},
    {PUBLISHED_KEYS, TEXT, text_keys},
    {PUBLISHED_KEYS, "the fullest stage has more than the N-th part of the attentions",
     uneven_keys},
    {0},
};

/* ---- the table ---- */

static const struct published_cost rows[] = {
    {.strategy = "tensor",
     .keys = "fresh",
     .overlap = "no",
     .term = {{"4 O(p hs) L", 4, .by_layers = true},
              {"P/N", 1, .over_ranks = true},
              {"(2/N) A", 2, .over_ranks = true},
              {"(2/N) A", 2, .over_ranks = true}},
     .why = tensor_why},
    {.strategy = "distrifusion",
     .keys = "stale",
     .overlap = "the whole forward",
     .term = {{"2 O(p hs) L", 2, .by_layers = true},
              {"P", 1, .by_layers = false},
              {"(2/N) A", 2, .over_ranks = true},
              {"2 A L", 2, .by_layers = true}},
     .keeps_keys = true,
     .why = distrifusion_why},
    {.strategy = "ring",
     .keys = "fresh",
     .overlap = "inside attention",
     .term = {{"2 O(p hs) L", 2, .by_layers = true},
              {"P", 1, .by_layers = false},
              {"(2/N) A", 2, .over_ranks = true},
              {"(2/N) A", 2, .over_ranks = true}},
     .why = ring_why},
    {.strategy = "ulysses",
     .keys = "fresh",
     .overlap = "no",
     .term = {{"(4/N) O(p hs) L", 4, .by_layers = true, .over_ranks = true},
              {"P", 1, .by_layers = false},
              {"(2/N) A", 2, .over_ranks = true},
              {"(2/N) A", 2, .over_ranks = true}},
     .why = ulysses_why},
    {.strategy = "pipefusion",
     .keys = "partly stale",
     .overlap = "yes",
     .term = {{"2 O(p hs)", 2, .by_layers = false},
              {"P/N", 1, .over_ranks = true},
              {"(2/M) A", 2, .over_patches = true},
              {"(2 L/N) A", 2, .by_layers = true, .over_ranks = true}},
     .keeps_keys = true,
     .why = pipefusion_why},
};

const char *published_term_name(enum published_term term)
{
    static const char *const name[PUBLISHED_TERMS] = {
        [PUBLISHED_COMM] = "bytes sent in a step",
        [PUBLISHED_WEIGHTS] = "parameters",
        [PUBLISHED_ACTIVATIONS] = "activations",
        [PUBLISHED_KEYS] = "extra KV buffer",
    };
    return name[term];
}

const struct published_cost *published_cost_find(const struct strategy_ops *ops)
{
    for (size_t i = 0; ops && i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].strategy, ops->name) == 0)
            return &rows[i];
    return NULL;
}

double published_cost_bytes(const struct published_cost *row, enum published_term term,
                            const struct published_case *c)
{
    const struct published_formula *f = &row->term[term];
    const struct problem *p = c->problem;
    double element = (double)dtype_size(p->dtype);
    double lanes = (double)p->requests * problem_branches(p);
    double unit = term == PUBLISHED_WEIGHTS
                      ? (double)dit_config_parameters(p->config) * element
                      : tokens(c, TOKENS_IMAGE) * dit_channels(p->config) * lanes * element;
    return f->factor * unit * (f->by_layers ? p->config->layers : 1) /
           (f->over_ranks ? c->ranks : 1) / (f->over_patches ? c->patches : 1);
}

double published_cost_corrected(const struct published_cost *row, enum published_term term,
                                const struct published_case *c)
{
    double product = 1;
    for (const struct published_why *why = row->why; why->text; why++)
        product *= why->term == term && why->factor ? why->factor(c) : 1;
    return product;
}
