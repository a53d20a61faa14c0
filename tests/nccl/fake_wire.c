/* SPDX-License-Identifier: Apache-2.0 */
/* Memory between the fake libraries' processes. Nobody holds a lock in it while he may be killed:
 * ranks of a test die between calls. */
#include "tests/nccl/fake_wire.h"

#include "kernels/base/status.h"
#include "tests/nccl/fake_windows.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { COMMS = 96, BOX_BYTES = 4096, COMPLAINT_SIZE = 500 };

/* Of one ordered pair of ranks. IDLE; ASKED by the receiver; FULL by the sender; IDLE again. */
enum box_state { BOX_IDLE, BOX_ASKED, BOX_FULL };

struct box {
    atomic_int state;
    int kind; /* enum wire_kind of the receive */
    size_t bytes;
    char data[BOX_BYTES];
};

enum presence { THERE, GAVE_BACK, GAVE_UP };

struct wire_comm {
    int size;
    int process[FAKE_RANKS];
    atomic_int presence[FAKE_RANKS];
    atomic_flag meeting; /* a lock */
    int arrived;
    atomic_int rounds; /* meetings that are over */
    struct wire_vote vote[FAKE_RANKS];
    int child[FAKE_RANKS];
    struct box box[FAKE_RANKS][FAKE_RANKS]; /* from, to */
};

static struct wire {
    struct wire_comm comm[COMMS];
    atomic_int comms;
    atomic_bool ended[FAKE_RANKS];
    atomic_bool struck;
    atomic_flag complained;
    atomic_bool complaint_told;
    char complaint[COMPLAINT_SIZE];
} * wire;

static int me = -1;
static const struct fake_faults *faults;

void fake_open(void)
{
    wire = mmap(NULL, sizeof *wire, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    BUG_ON(wire == MAP_FAILED, "no %zu bytes to share", sizeof *wire);
    fake_windows_open();
}

void fake_close(void)
{
    munmap(wire, sizeof *wire);
    wire = NULL;
    fake_windows_close();
}

void fake_enter(int rank, const struct fake_faults *with)
{
    me = rank;
    faults = with;
}

int wire_me(void)
{
    return me;
}

const struct fake_faults *wire_faults(void)
{
    return faults;
}

void fake_end(int rank)
{
    atomic_store(&wire->ended[rank], true);
}

bool fake_ended(int rank)
{
    return atomic_load(&wire->ended[rank]);
}

void fake_complain(const char *format, ...)
{
    va_list args;
    if (atomic_flag_test_and_set(&wire->complained))
        return;
    int n = snprintf(wire->complaint, COMPLAINT_SIZE, "rank %d: ", me);
    va_start(args, format);
    vsnprintf(wire->complaint + n, (size_t)(COMPLAINT_SIZE - n), format, args);
    va_end(args);
    atomic_store(&wire->complaint_told, true);
}

const char *fake_complaint(void)
{
    return atomic_load(&wire->complaint_told) ? wire->complaint : NULL;
}

bool wire_strikes(const struct fake_fault *fault, int *count)
{
    if (fault->rank != me || ++*count != fault->nth)
        return false;
    atomic_store(&wire->struck, true);
    return true;
}

bool fake_struck(void)
{
    return atomic_load(&wire->struck);
}

int wire_new(void)
{
    int id = atomic_fetch_add(&wire->comms, 1);
    BUG_ON(id >= COMMS, "more than %d communicators", COMMS);
    return id;
}

void wire_world(int comm, int size)
{
    wire->comm[comm].size = size;
    for (int i = 0; i < size; i++)
        wire->comm[comm].process[i] = i;
}

/* ---- messages ---- */

static const char *kind_name(int kind)
{
    static const char *const name[] = {"message", "gather", "sum"};
    return name[kind];
}

static void step_recv(struct box *box, struct wire_half *half)
{
    int state = atomic_load(&box->state);
    if (!half->asked && state == BOX_IDLE) {
        box->kind = (int)half->kind;
        box->bytes = half->bytes;
        half->asked = true;
        atomic_store(&box->state, BOX_ASKED);
    } else if (half->asked && state == BOX_FULL) {
        memcpy(half->data, box->data, half->bytes);
        half->done = true;
        atomic_store(&box->state, BOX_IDLE);
    }
}

static void step_send(int comm, int rank, struct box *box, struct wire_half *half)
{
    if (atomic_load(&box->state) != BOX_ASKED)
        return;
    if (box->kind != (int)half->kind || box->bytes != half->bytes)
        fake_complain("communicator %d, rank %d: a %s of %zu bytes meets rank %d's receive of a %s "
                      "of %zu",
                      comm, rank, kind_name((int)half->kind), half->bytes, half->peer,
                      kind_name(box->kind), box->bytes);
    memcpy(box->data, half->data, half->bytes);
    half->done = true;
    atomic_store(&box->state, BOX_FULL);
}

void wire_step(int comm, int rank, struct wire_half *half)
{
    struct wire_comm *c = &wire->comm[comm];
    BUG_ON(half->bytes > BOX_BYTES, "a message of %zu bytes", half->bytes);
    if (half->sends)
        step_send(comm, rank, &c->box[rank][half->peer], half);
    else
        step_recv(&c->box[half->peer][rank], half);
}

/* ---- meetings ---- */

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 300000}, NULL);
}

/* Where rank i stands among those of its color. */
static struct wire_child place_of(const struct wire_comm *c, int i)
{
    struct wire_child place = {.id = c->child[i]};
    const struct wire_vote *mine = &c->vote[i];
    for (int j = 0; j < c->size; j++) {
        const struct wire_vote *vote = &c->vote[j];
        if (vote->color != mine->color)
            continue;
        place.broken |= vote->fails;
        place.rank += vote->key < mine->key || (vote->key == mine->key && j < i);
        place.size++;
    }
    return place;
}

/* One new communicator for each color. */
static void make_children(struct wire_comm *c)
{
    for (int i = 0; i < c->size; i++) {
        int first = 0;
        while (c->vote[first].color != c->vote[i].color)
            first++;
        c->child[i] = first < i ? c->child[first] : wire_new();
        struct wire_child place = place_of(c, i);
        wire->comm[place.id].size = place.size;
        wire->comm[place.id].process[place.rank] = c->process[i];
    }
}

static void arrive(struct wire_comm *c, int rank, const struct wire_vote *mine)
{
    while (atomic_flag_test_and_set(&c->meeting))
        nap();
    c->vote[rank] = *mine;
    if (++c->arrived == c->size) {
        make_children(c);
        c->arrived = 0;
        atomic_fetch_add(&c->rounds, 1);
    }
    atomic_flag_clear(&c->meeting);
}

bool wire_meet(int comm, int rank, int round, const struct wire_vote *mine, const atomic_bool *left,
               struct wire_child *out)
{
    struct wire_comm *c = &wire->comm[comm];
    arrive(c, rank, mine);
    while (atomic_load(&c->rounds) <= round) {
        if (atomic_load(left) || wire_lost(comm))
            return false;
        nap();
    }
    *out = place_of(c, rank);
    return true;
}

/* ---- who is gone ---- */

void wire_leave(int comm, int rank, bool gives_up)
{
    atomic_store(&wire->comm[comm].presence[rank], gives_up ? GAVE_UP : GAVE_BACK);
}

bool wire_lost(int comm)
{
    const struct wire_comm *c = &wire->comm[comm];
    for (int i = 0; i < c->size; i++) {
        int presence = atomic_load(&c->presence[i]);
        if (presence == GAVE_UP || (presence == THERE && fake_ended(c->process[i])))
            return true;
    }
    return false;
}

bool wire_all_left(int comm)
{
    const struct wire_comm *c = &wire->comm[comm];
    for (int i = 0; i < c->size; i++)
        if (atomic_load(&c->presence[i]) == THERE && !fake_ended(c->process[i]))
            return false;
    return true;
}
