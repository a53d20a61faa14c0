/* SPDX-License-Identifier: Apache-2.0 */
/* The moves of moves.h: tensors, values, comparisons. */
#include "tests/nccl/moves.h"

#include "kernels/comm/exchange.h"
#include "kernels/comm/push.h"
#include "kernels/comm/sum.h"
#include "kernels/op.h"

enum { H = MOVES_HEADS, D = MOVES_WIDTH };

/* Of the row of all rows, in tensor i. Whole numbers that a float has. */
static float value(int round, int i, int64_t lane, int64_t row, int64_t head, int64_t d)
{
    int64_t place = (((int64_t)round * MOVES_TENSORS + i) * 4 + lane) * 32 + row;
    return (float)((place * 16 + head) * 4 + d);
}

static float *at(const struct tensor *t, int64_t lane, int64_t row, int64_t head, int64_t d)
{
    return (float *)t->data + lane * t->stride[0] + row * t->stride[1] + head * t->stride[2] + d;
}

/* t [B, rows, heads, D], its rows and heads counted from first_row and first_head on: written, or
 * compared after `more` was taken away. */
static enum status walk(const struct tensor *t, bool write, const char *what, int round, int i,
                        int first_row, int first_head, float more)
{
    for (int64_t b = 0; b < t->dim[0]; b++)
        for (int64_t row = 0; row < t->dim[1]; row++)
            for (int64_t k = 0; k < t->dim[2] * D; k++) {
                float *p = at(t, b, row, k / D, k % D);
                float want = value(round, i, b, first_row + row, first_head + k / D, k % D) + more;
                if (write)
                    *p = want;
                else if (*p != want)
                    return fail(ST_INVALID,
                                "%s, round %d, tensor %d, lane %lld, row %lld: %g is not %g", what,
                                round, i, (long long)b, (long long)row, *p, want);
            }
    return ST_OK;
}

static int rows_before(const struct moves *moves, int rank)
{
    int rows = 0;
    for (int r = 0; r < rank; r++)
        rows += moves->rows[r];
    return rows;
}

static enum status need_arena(struct rank *self)
{
    return self->arena ? ST_OK : arena_open(self->dev, ARENA_BUFFERS, &self->arena);
}

/* ---- heads ---- */

/* The first one has a window, the others share one. */
static enum status wide_open(struct heads *heads, struct rank *self, const int64_t *dim)
{
    int64_t count = dim[0] * dim[1] * dim[2] * dim[3];
    int n = heads->moves->n;
    TRY(comm_exchange_tensor(heads->comm, self->arena, DTYPE_F32, count, &heads->wide[0]));
    if (n > 1)
        TRY(comm_exchange_tensor(heads->comm, self->arena, DTYPE_F32, (n - 1) * count,
                                 &heads->wide[1]));
    heads->wide[0] = tensor_of(heads->wide[0].data, self->dev, DTYPE_F32, 4, dim);
    float *rest = heads->wide[1].data;
    for (int i = 1; i < n; i++)
        heads->wide[i] = tensor_of(rest + (i - 1) * count, self->dev, DTYPE_F32, 4, dim);
    return ST_OK;
}

enum status heads_open(struct heads *heads, struct rank *self, struct comm *comm,
                       const struct moves *moves)
{
    int P = comm_size(comm), me = comm_rank(comm), all = rows_before(moves, P);
    int64_t beside[4] = {moves->lanes, moves->rows[me], (int64_t)moves->n * P * H, D};
    int64_t narrow[4] = {moves->lanes, moves->rows[me], (int64_t)P * H, D};
    int64_t wide[4] = {moves->lanes, all, H, D};
    int64_t staging =
        1 + comm_exchange_staging(moves->n, P, me, moves->lanes, (int64_t)moves->rows[me] * H * D,
                                  (int64_t)all * H * D);
    struct tensor x;
    *heads = (struct heads){.moves = moves,
                            .comm = comm,
                            .q = self->q,
                            .ranks = P,
                            .rank = me,
                            .all = all,
                            .first = rows_before(moves, me)};
    TRY(need_arena(self));
    TRY(arena_tensor(self->arena, DTYPE_F32, 4, beside, &x));
    TRY(arena_tensor(self->arena, DTYPE_F32, 4, narrow, &heads->o));
    TRY(arena_tensor(self->arena, DTYPE_F32, 1, &staging, &heads->staging));
    for (int i = 0; i < moves->n; i++)
        heads->x[i] = tensor_slice(&x, 2, i * narrow[2], narrow[2]);
    return wide_open(heads, self, wide);
}

enum status heads_fill(struct heads *heads, int round)
{
    for (int i = 0; i < heads->moves->n; i++)
        TRY(walk(&heads->x[i], true, "x", round, i, heads->first, 0, 0));
    return ST_OK;
}

enum status heads_there(struct heads *heads)
{
    struct comm_req req = {0};
    TRY(comm_to_heads(heads->comm, heads->moves->n, heads->x, heads->wide, heads->moves->rows,
                      &heads->staging, heads->q, &req));
    return comm_wait(&req, heads->q);
}

enum status heads_back(struct heads *heads)
{
    struct comm_req req = {0};
    TRY(comm_to_tokens(heads->comm, heads->wide, &heads->o, heads->moves->rows, &heads->staging,
                       heads->q, &req));
    return comm_wait(&req, heads->q);
}

enum status heads_check_there(const struct heads *heads, int round)
{
    for (int i = 0; i < heads->moves->n; i++)
        TRY(walk(&heads->wide[i], false, "to heads", round, i, 0, heads->rank * H, 0));
    return ST_OK;
}

void heads_grow(struct heads *heads, float more)
{
    float *data = heads->wide->data;
    for (int64_t k = 0; k < tensor_count(heads->wide); k++)
        data[k] += more;
}

enum status heads_check_back(const struct heads *heads, int round, float more)
{
    return walk(&heads->o, false, "to tokens", round, 0, heads->first, 0, more);
}

/* ---- shares ---- */

/* Two tensors of rows of one rank, k and v. */
struct share {
    struct tensor t[2];
};

static struct tensor view(const struct tensor *flat, int lanes, int rows)
{
    int64_t dim[4] = {lanes, rows, H, D};
    return tensor_of(flat->data, flat->dev, DTYPE_F32, 4, dim);
}

static enum status copy(struct queue *q, struct tensor to, const struct tensor *from)
{
    return tensor_count(&to) > 0 ? op_copy(q, &to, from) : ST_OK;
}

/* Mine, filled, with gaps between rows. */
static enum status own_share(struct rank *self, const struct moves *moves, int me,
                             struct share *mine)
{
    int64_t dim[4] = {moves->lanes, moves->rows[me], 2 * H, D};
    struct tensor both;
    TRY(arena_tensor(self->arena, DTYPE_F32, 4, dim, &both));
    for (int i = 0; i < 2; i++) {
        mine->t[i] = tensor_slice(&both, 2, i * H, H);
        TRY(walk(&mine->t[i], true, "share", 0, i, rows_before(moves, me), 0, 0));
    }
    return ST_OK;
}

/* Flat memory for that many rows of each. */
static enum status share_room(struct rank *self, struct comm *comm, int64_t rows, struct share *out)
{
    for (int i = 0; i < 2; i++)
        TRY(comm_exchange_tensor(comm, self->arena, DTYPE_F32, rows * H * D, &out->t[i]));
    return ST_OK;
}

struct ring {
    struct rank *self;
    struct comm *comm;
    const struct moves *moves;
    struct share buffer[2]; /* flat */
    struct share dense;     /* flat; mine, for messages */
    struct share seen[FAKE_RANKS];
    struct share at_hand;
};

static enum status ring_open(struct ring *ring)
{
    const struct moves *moves = ring->moves;
    int largest = 1, P = comm_size(ring->comm);
    for (int r = 0; r < P; r++)
        largest = moves->rows[r] > largest ? moves->rows[r] : largest;
    TRY(need_arena(ring->self));
    for (int k = 0; k < 2; k++)
        TRY(share_room(ring->self, ring->comm, (int64_t)moves->lanes * largest, &ring->buffer[k]));
    TRY(share_room(ring->self, NULL, (int64_t)moves->lanes * largest, &ring->dense));
    for (int r = 0; r < P; r++)
        TRY(share_room(ring->self, NULL, (int64_t)moves->lanes * largest, &ring->seen[r]));
    return own_share(ring->self, moves, comm_rank(ring->comm), &ring->at_hand);
}

/* The share at hand, of `rows` rows, by messages. */
static enum status shift_by_messages(struct ring *ring, int rows, const struct share *next)
{
    struct queue *q = ring->self->q;
    struct comm_req req = {0};
    int P = comm_size(ring->comm), me = comm_rank(ring->comm);
    for (int i = 0; i < 2; i++) {
        struct tensor dense = view(&ring->dense.t[i], ring->moves->lanes, rows);
        if (tensor_contiguous(&ring->at_hand.t[i]))
            continue;
        TRY(copy(q, dense, &ring->at_hand.t[i]));
        ring->at_hand.t[i] = dense;
    }
    TRY(comm_group_begin(ring->comm));
    for (int i = 0; i < 2; i++)
        TRY(comm_send(ring->comm, (me + 1) % P, &ring->at_hand.t[i], q, &req));
    for (int i = 0; i < 2; i++)
        TRY(comm_recv(ring->comm, (me + P - 1) % P, &next->t[i], q, &req));
    TRY(comm_group_end(ring->comm));
    return comm_wait(&req, q);
}

/* What arrives is kept by the queue, as an attention would read it. */
static enum status shift(struct ring *ring, int step, int *pushes)
{
    const struct moves *moves = ring->moves;
    struct queue *q = ring->self->q;
    int P = comm_size(ring->comm), me = comm_rank(ring->comm);
    int rows = moves->rows[(me - step + P) % P], owner = (me - step - 1 + P) % P;
    const struct share *flat = &ring->buffer[step & 1];
    struct share place, next;
    bool taken;
    for (int i = 0; i < 2; i++) {
        place.t[i] = view(&flat->t[i], moves->lanes, rows);
        next.t[i] = view(&flat->t[i], moves->lanes, moves->rows[owner]);
    }
    const struct comm_push push = {
        .op = COMM_SEND, .peer = (me + 1) % P, .n = 2, .from = ring->at_hand.t, .place = place.t};
    TRY(comm_push(ring->comm, &push, q, &taken));
    *pushes += taken;
    if (!taken)
        TRY(shift_by_messages(ring, rows, &next));
    for (int i = 0; i < 2; i++)
        TRY(copy(q, view(&ring->seen[owner].t[i], moves->lanes, moves->rows[owner]), &next.t[i]));
    ring->at_hand = next;
    return ST_OK;
}

enum status moves_ring(struct rank *self, struct comm *comm, const struct moves *moves, int *pushes)
{
    struct ring ring = {.self = self, .comm = comm, .moves = moves};
    int P = comm_size(comm), me = comm_rank(comm);
    TRY(comm_agree(self->world, ring_open(&ring)));
    for (int step = 0; step < P - 1; step++)
        TRY(shift(&ring, step, pushes));
    TRY(comm_drain(self->world, self->q));
    for (int r = 0; r < P; r++) {
        for (int i = 0; i < 2 && r != me; i++) {
            struct tensor t = view(&ring.seen[r].t[i], moves->lanes, moves->rows[r]);
            TRY(walk(&t, false, "ring", 0, i, rows_before(moves, r), 0, 0));
        }
    }
    return ST_OK;
}

static enum status gather_by_messages(struct comm *comm, const struct moves *moves,
                                      const struct share *mine, const struct share *all,
                                      struct queue *q)
{
    struct comm_req req = {0};
    int me = comm_rank(comm);
    TRY(comm_group_begin(comm));
    for (int i = 0; i < 2; i++) {
        TRY(copy(q, tensor_slice(&all->t[i], 1, rows_before(moves, me), moves->rows[me]),
                 &mine->t[i]));
        for (int64_t b = 0; b < moves->lanes; b++) {
            struct tensor part[FAKE_RANKS];
            struct tensor lane = tensor_at(&all->t[i], b);
            for (int r = 0; r < comm_size(comm); r++)
                part[r] = tensor_slice(&lane, 0, rows_before(moves, r), moves->rows[r]);
            TRY(comm_all_gather(comm, &part[me], part, q, &req));
        }
    }
    TRY(comm_group_end(comm));
    return comm_wait(&req, q);
}

static enum status gather_open(struct rank *self, struct comm *comm, const struct moves *moves,
                               struct share *mine, struct share *all)
{
    int rows = rows_before(moves, comm_size(comm));
    TRY(need_arena(self));
    TRY(own_share(self, moves, comm_rank(comm), mine));
    TRY(share_room(self, comm, (int64_t)moves->lanes * rows, all));
    for (int i = 0; i < 2; i++)
        all->t[i] = view(&all->t[i], moves->lanes, rows);
    return ST_OK;
}

enum status moves_gather(struct rank *self, struct comm *comm, const struct moves *moves,
                         int *pushes)
{
    struct share mine, all;
    bool taken;
    TRY(comm_agree(self->world, gather_open(self, comm, moves, &mine, &all)));
    const struct comm_push push = {.op = COMM_ALL_GATHER,
                                   .peer = -1,
                                   .n = 2,
                                   .from = mine.t,
                                   .place = all.t,
                                   .first_row = rows_before(moves, comm_rank(comm))};
    TRY(comm_push(comm, &push, self->q, &taken));
    *pushes += taken;
    if (!taken)
        TRY(gather_by_messages(comm, moves, &mine, &all, self->q));
    TRY(comm_drain(self->world, self->q));
    for (int i = 0; i < 2; i++)
        TRY(walk(&all.t[i], false, "gather", 0, i, 0, 0, 0));
    return ST_OK;
}

/* ---- sums ---- */

enum { SUMS = 3 };

/* Of the nth sum: no two are alike, so that one rank's next part shows in another's last sum. */
static float addend(int n, int rank, int64_t i)
{
    return (float)((n * 7 + rank + 1) * 1000 + i * (rank % 2 ? -3 : 2));
}

struct sums {
    struct tensor part, mine[SUMS], out[SUMS];
};

/* Flat ones of the same length on all ranks, which divides by their number, odd or even. */
static enum status sums_open(struct rank *self, struct comm *comm, const struct moves *moves,
                             struct sums *sums)
{
    int64_t count = (int64_t)(moves->rows[0] + 1) * moves->lanes * 3 * comm_size(comm);
    TRY(need_arena(self));
    for (int n = 0; n < SUMS; n++) {
        TRY(arena_tensor(self->arena, DTYPE_F32, 1, &count, &sums->mine[n]));
        TRY(arena_tensor(self->arena, DTYPE_F32, 1, &count, &sums->out[n]));
        for (int64_t i = 0; i < count; i++)
            ((float *)sums->mine[n].data)[i] = addend(n, comm_rank(comm), i);
    }
    return comm_exchange_tensor(comm, self->arena, DTYPE_F32, count, &sums->part);
}

static enum status add_up(struct comm *comm, struct tensor *out, struct tensor *part,
                          const struct tensor *mine, struct queue *q, bool *taken)
{
    struct comm_req req = {0};
    TRY(comm_sum_takes(comm, part, q, taken));
    TRY(copy(q, *taken ? *part : *out, mine));
    if (*taken)
        return comm_sum(comm, out, part, q);
    TRY(comm_all_reduce(comm, out, part, q, &req));
    return comm_wait(&req, q);
}

static enum status check_sum(const struct tensor *out, int n, int ranks)
{
    for (int64_t i = 0; i < out->dim[0]; i++) {
        float want = 0, got = ((float *)out->data)[i];
        for (int r = 0; r < ranks; r++)
            want += addend(n, r, i);
        if (got != want)
            return fail(ST_INVALID, "sum %d, element %lld: %g is not %g", n, (long long)i, got,
                        want);
    }
    return ST_OK;
}

enum status moves_sums(struct rank *self, struct comm *comm, const struct moves *moves, int *pushes)
{
    struct sums sums;
    TRY(comm_agree(self->world, sums_open(self, comm, moves, &sums)));
    for (int n = 0; n < SUMS; n++) {
        bool taken;
        TRY(add_up(comm, &sums.out[n], &sums.part, &sums.mine[n], self->q, &taken));
        *pushes += taken;
    }
    TRY(comm_drain(self->world, self->q));
    for (int n = 0; n < SUMS; n++)
        TRY(check_sum(&sums.out[n], n, comm_size(comm)));
    return ST_OK;
}
