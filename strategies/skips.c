/* SPDX-License-Identifier: Apache-2.0 */
/* Long skips between stages: who sends what to whom, the buffers, the messages. Not the order of
 * passes, which is the strategy's. */
#include "strategies/skips.h"

struct skip_link {
    struct comm *comm;
    int peer;
    bool sends;
    int first, n;        /* of the producing blocks that are in its message, the first; how many */
    struct tensor whole; /* [n, grids, rows, C] of a whole sequence */
    struct tensor *slot; /* [slots] flat: [n, grids, rows of the largest patch, C] */
    struct comm_req *sent; /* [slots + 1] whole passes' first */
    struct comm_req coming;
    bool posted; /* `coming` was posted */
};

/* ---- pairs of stages ---- */

/* The skips of one pair. Producing blocks of a pair are neighbours, for both stages' layers are. */
struct pair {
    int from, to;
    int first, n;
};

/* The pair that begins with the next skip across stages from layer `layer` on, or n = 0. */
static struct pair next_pair(const struct strategy *me, const struct plan *plan,
                             skips_stage *stage_of, int layer)
{
    const struct dit_config *c = plan->problem.config;
    struct pair pair = {0};
    for (; layer < c->layers; layer++) {
        int to = dit_config_layer(c, layer).skip_to;
        struct pair here = {.first = layer, .n = 1};
        if (to < 0 || stage_of(me, plan, to) == stage_of(me, plan, layer))
            continue;
        here.from = stage_of(me, plan, layer);
        here.to = stage_of(me, plan, to);
        if (pair.n > 0 && (here.from != pair.from || here.to != pair.to))
            break;
        if (pair.n == 0)
            pair = here;
        else
            pair.n++;
    }
    return pair;
}

int skips_pairs(const struct strategy *me, const struct plan *plan, skips_stage *stage_of)
{
    int n = 0;
    struct pair pair = next_pair(me, plan, stage_of, 0);
    for (; pair.n > 0; n++)
        pair = next_pair(me, plan, stage_of, pair.first + pair.n);
    return n;
}

void skips_volume(const struct strategy *me, const struct plan *plan, skips_stage *stage_of,
                  struct volume *out)
{
    int rows = plan_rows(plan, TOKENS_ALL, PLAN_OWN, NULL, PATCH_ALL);
    uint64_t bytes = volume_heads_bytes(plan, rows, plan->problem.config->heads);
    struct pair pair = next_pair(me, plan, stage_of, 0);
    for (; pair.n > 0; pair = next_pair(me, plan, stage_of, pair.first + pair.n)) {
        struct volume_line whole = {.axis = me->axis, .op = COMM_SEND, .calls = 1};
        whole.api_bytes = whole.wire_bytes = (uint64_t)pair.n * bytes;
        if (pair.from == plan->coord[me->axis])
            volume_add_steps(out, plan, &whole, VOLUME_BY_ROWS);
    }
}

/* ---- buffers ---- */

static struct tensor message_view(const struct skip_link *link, const struct tensor *flat,
                                  const struct tensor *h)
{
    int64_t dim[4] = {link->n, h->dim[0], h->dim[1], h->dim[2]};
    return tensor_of(flat->data, flat->dev, flat->dtype, 4, dim);
}

/* The message of a pass. */
static struct tensor message_of(const struct skips *skips, const struct skip_link *link,
                                struct run *run, int patch, int pass)
{
    struct tensor h = run_hidden(run, patch);
    return message_view(link, patch == PATCH_ALL ? &link->whole : &link->slot[pass % skips->slots],
                        &h);
}

static enum status link_init(struct skips *skips, struct skip_link *link, struct run *run)
{
    struct arena *arena = run_arena(run, ARENA_BUFFERS);
    size_t slots = (size_t)skips->slots;
    struct tensor h = run_hidden(run, PATCH_ALL);
    int64_t whole = link->n * tensor_count(&h);
    int64_t most = link->n * run_hidden_most(run);
    TRY(run_tensor(run, ARENA_BUFFERS, 1, &whole, &link->whole));
    TRY(arena_host(arena, slots * sizeof *link->slot, (void **)&link->slot));
    for (int s = 0; s < skips->slots; s++)
        TRY(run_tensor(run, ARENA_BUFFERS, 1, &most, &link->slot[s]));
    return arena_host(arena, (slots + 1) * sizeof *link->sent, (void **)&link->sent);
}

/* Patches go through the slots in turn, so that a slot has always rows of one size. */
static void fill_table(struct skips *skips, struct run *run, int slot)
{
    int patch = slot == 0 ? PATCH_ALL : (slot - 1) % run_plan(run)->n_patches;
    for (int i = 0; i < skips->n; i++) {
        struct skip_link *link = &skips->link[i];
        struct tensor message = message_of(skips, link, run, patch, slot - 1);
        for (int k = 0; k < link->n; k++)
            skips->table[slot][link->first + k] = tensor_at(&message, k);
    }
}

static enum status table_init(struct skips *skips, struct run *run)
{
    struct arena *arena = run_arena(run, ARENA_BUFFERS);
    size_t layers = (size_t)run_plan(run)->problem.config->layers;
    size_t slots = (size_t)skips->slots + 1;
    TRY(arena_host(arena, slots * sizeof *skips->table, (void **)&skips->table));
    for (int slot = 0; slot <= skips->slots; slot++) {
        TRY(arena_host(arena, layers * sizeof **skips->table, (void **)&skips->table[slot]));
        fill_table(skips, run, slot);
    }
    return ST_OK;
}

enum status skips_init(struct skips *skips, const struct strategy *me, struct run *run,
                       skips_stage *stage_of, int channel, int slots)
{
    const struct plan *plan = run_plan(run);
    int stage = plan->coord[me->axis];
    size_t pairs = (size_t)skips_pairs(me, plan, stage_of);
    struct pair pair = next_pair(me, plan, stage_of, 0);
    skips->slots = slots;
    TRY(arena_host(run_arena(run, ARENA_BUFFERS), pairs * sizeof *skips->link,
                   (void **)&skips->link));
    for (; pair.n > 0; channel++, pair = next_pair(me, plan, stage_of, pair.first + pair.n)) {
        if (pair.from != stage && pair.to != stage)
            continue;
        struct skip_link *link = &skips->link[skips->n++];
        link->comm = run_comm(run, me->axis, channel);
        link->sends = pair.from == stage;
        link->peer = link->sends ? pair.to : pair.from;
        link->first = pair.first;
        link->n = pair.n;
        TRY(link_init(skips, link, run));
    }
    return table_init(skips, run);
}

/* ---- messages ---- */

void skips_begin(struct skips *skips)
{
    for (int i = 0; i < skips->n; i++)
        skips->link[i].posted = false;
}

const struct tensor *skips_of(const struct skips *skips, int patch, int pass)
{
    return skips->table[patch == PATCH_ALL ? 0 : 1 + pass % skips->slots];
}

static struct comm_req *sent_of(const struct skips *skips, const struct skip_link *link, int patch,
                                int pass)
{
    return &link->sent[patch == PATCH_ALL ? 0 : 1 + pass % skips->slots];
}

static enum status post(struct skips *skips, struct skip_link *link, struct run *run, int patch,
                        int pass)
{
    struct tensor message = message_of(skips, link, run, patch, pass);
    link->posted = true;
    return comm_recv(link->comm, link->peer, &message, run_queue(run), &link->coming);
}

enum status skips_enter(struct skips *skips, struct run *run, int patch, int pass, const int *next)
{
    struct queue *q = run_queue(run);
    for (int i = 0; i < skips->n; i++) {
        struct skip_link *link = &skips->link[i];
        if (link->sends) {
            TRY(comm_wait(sent_of(skips, link, patch, pass), q));
            continue;
        }
        if (!link->posted)
            TRY(post(skips, link, run, patch, pass));
        TRY(comm_wait(&link->coming, q));
        link->posted = false;
        if (next && *next != PATCH_ALL) /* another place than the one in use */
            TRY(post(skips, link, run, *next, patch == PATCH_ALL ? pass : pass + 1));
    }
    return ST_OK;
}

enum status skips_leave(struct skips *skips, struct run *run, int patch, int pass)
{
    for (int i = 0; i < skips->n; i++) {
        struct skip_link *link = &skips->link[i];
        struct tensor message = message_of(skips, link, run, patch, pass);
        if (link->sends)
            TRY(comm_send(link->comm, link->peer, &message, run_queue(run),
                          sent_of(skips, link, patch, pass)));
    }
    return ST_OK;
}

enum status skips_finish(struct skips *skips, struct run *run)
{
    for (int i = 0; i < skips->n; i++)
        for (int s = 0; s <= skips->slots; s++)
            TRY(comm_wait(&skips->link[i].sent[s], run_queue(run)));
    return ST_OK;
}

enum status skips_rehearse(struct skips *skips, struct run *run, int patch, int pass)
{
    for (int i = 0; i < skips->n; i++) {
        struct tensor message = message_of(skips, &skips->link[i], run, patch, pass);
        int64_t C = message.dim[3];
        int64_t dim[2] = {tensor_count(&message) / C, C};
        struct tensor rows = tensor_reshape(&message, 2, dim);
        TRY(op_random_uniform(run_queue(run), &rows, 1.0f, 1, 0, 0, C));
    }
    return ST_OK;
}
