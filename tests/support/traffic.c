/* SPDX-License-Identifier: Apache-2.0 */
/* Random traffic whose contents are a function of (salt, sender, receiver, element). Measures
 * nothing. */
#include "tests/support/traffic.h"

#include "kernels/base/arena.h"
#include "kernels/base/hash.h"

enum { SLOTS = 4, COMMS = 4, RANKS = 64 };
enum kind { SHIFT, ALL_TO_ALL, ALL_GATHER, ALL_REDUCE, KINDS };

/* One operation in flight. */
struct slot {
    bool busy;
    enum kind kind;
    uint64_t salt; /* of this operation, the same on all ranks */
    struct comm *comm;
    struct comm_req req;
    struct tensor out_room, in_room; /* [RANKS' share of the longest message] */
    struct tensor out[RANKS], in[RANKS];
};

struct traffic {
    struct queue *q;
    struct arena *arena;
    struct comm *comm[COMMS]; /* [0] all ranks */
    struct slot slot[SLOTS];
    int64_t longest;
    uint64_t digest;
};

static uint64_t mix(uint64_t salt, int a, int b)
{
    const int key[2] = {a, b};
    return hash_bytes(salt, key, sizeof(key));
}

/* A third of the messages is empty, some are one element, few are long. */
static int64_t length_of(const struct traffic *t, uint64_t salt, int from, int to)
{
    uint64_t h = mix(salt ^ 0x5eed, from, to);
    switch (h % 6) {
    case 0:
    case 1:
        return 0;
    case 2:
        return 1;
    case 3:
        return (int64_t)(h / 6 % (uint64_t)t->longest) + 1;
    default:
        return (int64_t)(h / 6 % 64) + 1;
    }
}

/* Element i of the message whose hash is `message`: a small whole number, so that sums of all ranks
 * are exact. */
static float value_of(uint64_t message, int64_t i)
{
    return (float)(int)((message + (uint64_t)i * 0x9e3779b97f4a7c15u) >> 52) - 2048.0f;
}

/* The i-th message of a room that all of them share. */
static struct tensor carve(const struct tensor *room, int64_t *used, int64_t count)
{
    struct tensor t = tensor_slice(room, 0, *used, count);
    *used += count;
    return t;
}

static void write_values(const struct tensor *t, uint64_t salt, int from, int to)
{
    float *x = t->data;
    uint64_t message = mix(salt, from, to);
    for (int64_t i = 0; i < t->dim[0]; i++)
        x[i] = value_of(message, i);
}

/* The message from a rank that an operation makes for another: gathers have one for all. */
static int addressee(enum kind kind, int to)
{
    return kind == ALL_GATHER ? -1 : to;
}

static void prepare(struct traffic *t, struct slot *s)
{
    int n = comm_size(s->comm);
    int r = comm_rank(s->comm);
    int64_t out_used = 0;
    int64_t in_used = 0;
    for (int i = 0; i < n; i++) {
        int to = addressee(s->kind, i);
        int me = addressee(s->kind, r);
        s->out[i] = carve(&s->out_room, &out_used, length_of(t, s->salt, r, to));
        s->in[i] = carve(&s->in_room, &in_used, length_of(t, s->salt, i, me));
        write_values(&s->out[i], s->salt, r, to);
    }
}

static enum status post(struct traffic *t, struct slot *s)
{
    int n = comm_size(s->comm);
    int r = comm_rank(s->comm);
    int distance = (int)(s->salt % (uint64_t)n); // 0: to itself
    int to = (r + distance) % n;
    int from = (r + n - distance) % n;
    prepare(t, s);
    switch (s->kind) {
    case SHIFT:
        TRY(comm_send(s->comm, to, &s->out[to], t->q, &s->req));
        return comm_recv(s->comm, from, &s->in[from], t->q, &s->req);
    case ALL_TO_ALL:
        return comm_all_to_all(s->comm, s->out, s->in, t->q, &s->req);
    case ALL_GATHER:
        return comm_all_gather(s->comm, &s->out[r], s->in, t->q, &s->req);
    default: {
        int64_t count = length_of(t, s->salt, 0, 0); // of one length on all ranks
        s->out[0] = tensor_slice(&s->out_room, 0, 0, count);
        s->in[0] = tensor_slice(&s->in_room, 0, 0, count);
        write_values(&s->out[0], s->salt, r, 0);
        return comm_all_reduce(s->comm, &s->out[0], &s->in[0], t->q, &s->req);
    }
    }
}

static enum status check_values(struct traffic *t, const struct tensor *got, uint64_t salt,
                                int from, int to)
{
    const float *x = got->data;
    uint64_t message = mix(salt, from, to);
    for (int64_t i = 0; i < got->dim[0]; i++) {
        if (x[i] != value_of(message, i))
            return fail(ST_WRONG, "element %lld of %lld from rank %d to %d is %g, not %g",
                        (long long)i, (long long)got->dim[0], from, to, (double)x[i],
                        (double)value_of(message, i));
    }
    t->digest += hash_bytes(salt, x, tensor_bytes(got)); // a sum: slots are checked in any order
    return ST_OK;
}

static enum status check_sum(struct traffic *t, const struct slot *s)
{
    const struct tensor *sum = &s->out[0];
    const float *x = sum->data;
    uint64_t message[RANKS];
    int n = comm_size(s->comm);
    for (int r = 0; r < n; r++)
        message[r] = mix(s->salt, r, 0);
    for (int64_t i = 0; i < sum->dim[0]; i++) {
        float want = 0;
        for (int r = 0; r < n; r++)
            want += value_of(message[r], i);
        if (x[i] != want)
            return fail(ST_WRONG, "sum %lld is %g, not %g", (long long)i, (double)x[i],
                        (double)want);
    }
    t->digest += hash_bytes(s->salt, x, tensor_bytes(sum));
    return ST_OK;
}

static enum status finish(struct traffic *t, struct slot *s)
{
    if (!s->busy)
        return ST_OK;
    int n = comm_size(s->comm);
    int r = comm_rank(s->comm);
    int distance = (int)(s->salt % (uint64_t)n);
    int from = (r + n - distance) % n;
    s->busy = false;
    TRY(comm_wait(&s->req, t->q));
    TRY(queue_sync(t->q));
    if (s->kind == ALL_REDUCE)
        return check_sum(t, s);
    if (s->kind == SHIFT)
        return check_values(t, &s->in[from], s->salt, from, r);
    for (int i = 0; i < n; i++)
        TRY(check_values(t, &s->in[i], s->salt, i, addressee(s->kind, r)));
    return ST_OK;
}

/* What is posted, and where, is the same for all; what is waited for before is not. */
static enum status round_of(struct traffic *t, uint64_t salt)
{
    struct slot *s = &t->slot[salt / 64 % SLOTS];
    uint64_t own = mix(salt, comm_rank(t->comm[0]), 0);
    if (own % 3 == 0)
        TRY(finish(t, &t->slot[own / 3 % SLOTS]));
    TRY(finish(t, s));
    s->busy = true;
    s->salt = salt;
    s->kind = (enum kind)(salt / 8 % KINDS);
    s->comm = t->comm[salt % COMMS];
    return post(t, s);
}

static enum status traffic_open(struct traffic *t, struct comm *world)
{
    int rank = comm_rank(world);
    int64_t room = t->longest * comm_size(world) + 64;
    TRY(comm_split(world, 0, rank, "all", COMM_AT_ONCE, NULL, &t->comm[0]));
    TRY(comm_split(world, 0, -rank, "reversed", COMM_AT_ONCE, NULL, &t->comm[1]));
    TRY(comm_split(world, rank % 2, 0, "every second", COMM_AT_ONCE, NULL, &t->comm[2]));
    TRY(comm_split(world, rank / 2, 0, "pairs", COMM_AT_ONCE, NULL, &t->comm[3]));
    TRY(arena_open(t->q->dev, ARENA_BUFFERS, &t->arena));
    for (int i = 0; i < SLOTS; i++) {
        TRY(arena_tensor(t->arena, DTYPE_F32, 1, &room, &t->slot[i].out_room));
        TRY(arena_tensor(t->arena, DTYPE_F32, 1, &room, &t->slot[i].in_room));
    }
    return ST_OK;
}

static enum status traffic_flow(struct traffic *t, uint64_t seed, int rounds)
{
    for (int i = 0; i < rounds; i++)
        TRY(round_of(t, mix(seed, i, 0)));
    for (int i = 0; i < SLOTS; i++)
        TRY(finish(t, &t->slot[i]));
    return ST_OK;
}

/* Communicators go before the memory that their messages point to. */
static void traffic_close(struct traffic *t)
{
    for (int i = 0; i < COMMS; i++)
        comm_close(t->comm[i]);
    arena_close(t->arena);
}

enum status traffic_run(struct comm *world, struct queue *q, uint64_t seed, int rounds,
                        int64_t longest, uint64_t *digest)
{
    BUG_ON(comm_size(world) > RANKS, "traffic between %d ranks", comm_size(world));
    struct traffic t = {.q = q, .longest = longest < 64 ? 64 : longest};
    enum status st = traffic_open(&t, world);
    if (st == ST_OK)
        st = traffic_flow(&t, seed, rounds);
    traffic_close(&t);
    *digest = t.digest;
    return st;
}
