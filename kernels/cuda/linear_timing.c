/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All candidates are timed briefly, the best of them, and those that are sure to be among them, in
 * rounds. Large products drive a GPU to its power limit within some ten milliseconds, and its clock
 * falls: of candidates that are timed one after the other the later ones lose, by more than the
 * best differ. In a round each has a turn of about a millisecond, and the next round goes the other
 * way, so that the clock is the same for all.
 */
#include "kernels/cuda/linear_timing.h"

#include "kernels/cuda/cuda_private.h"

#include <cuda_runtime_api.h>

enum {
    BRIEFLY = 2,   /* launches */
    FINALISTS = 5, /* those that are sure included */
    ROUNDS = 6,
    TURNS = ROUNDS * FINALISTS,
};

static const float NEVER = 1e30f; /* milliseconds */

static enum status launch_often(const struct linear_trial *t, int which, int times)
{
    for (int i = 0; i < times; i++)
        TRY(t->launch(t->self, which));
    return ST_OK;
}

/* Mean of a few launches after one more; what cannot be launched takes for ever. */
static enum status time_briefly(const struct linear_trial *t, const cudaEvent_t *event, int which,
                                float *ms)
{
    *ms = NEVER;
    if (t->launch(t->self, which) != ST_OK) {
        status_clear();
        return ST_OK;
    }
    TRY(CU(cudaEventRecord(event[0], t->stream)));
    TRY(launch_often(t, which, BRIEFLY));
    TRY(CU(cudaEventRecord(event[1], t->stream)));
    TRY(CU(cudaEventSynchronize(event[1])));
    TRY(CU(cudaEventElapsedTime(ms, event[0], event[1])));
    *ms /= (float)BRIEFLY;
    return ST_OK;
}

static int fastest_of(int n, const float *ms)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        best = ms[i] < ms[best] ? i : best;
    return best;
}

/* The n-th turn of all rounds: whose it is. */
static int turn_of(int n, int finalists)
{
    return n / finalists % 2 ? finalists - 1 - n % finalists : n % finalists;
}

/* Without a pause of the GPU. `ms`: about what one launch takes. */
static enum status time_rounds(const struct linear_trial *t, const cudaEvent_t *event, float ms,
                               int finalists, const int *finalist, int *fastest)
{
    float sum[FINALISTS] = {0.0f};
    int times = ms > 0.1f ? 1 + (int)(1.0f / ms) : 10;
    TRY(CU(cudaEventRecord(event[0], t->stream)));
    for (int i = 0; i < ROUNDS * finalists; i++) {
        TRY(launch_often(t, finalist[turn_of(i, finalists)], times));
        TRY(CU(cudaEventRecord(event[i + 1], t->stream)));
    }
    TRY(CU(cudaEventSynchronize(event[ROUNDS * finalists])));
    for (int i = 0; i < ROUNDS * finalists; i++) {
        float turn;
        TRY(CU(cudaEventElapsedTime(&turn, event[i], event[i + 1])));
        sum[turn_of(i, finalists)] += turn;
    }
    *fastest = finalist[fastest_of(finalists, sum)];
    return ST_OK;
}

static enum status time_all(const struct linear_trial *t, const cudaEvent_t *event, int *fastest)
{
    float ms[LINEAR_TIMING_MOST];
    int finalist[FINALISTS], finalists = 0;
    for (int i = 0; i < t->count; i++)
        TRY(time_briefly(t, event, i, &ms[i]));
    float best = t->count > 0 ? ms[fastest_of(t->count, ms)] : NEVER;
    for (int i = t->count - t->sure; i < t->count; i++)
        ms[i] = ms[i] < NEVER ? 0.0f : NEVER;
    while (finalists < FINALISTS && finalists < t->count) {
        int next = fastest_of(t->count, ms);
        if (ms[next] >= NEVER)
            break;
        finalist[finalists++] = next;
        ms[next] = NEVER;
    }
    *fastest = finalists > 0 ? finalist[0] : -1;
    return finalists > 1 ? time_rounds(t, event, best, finalists, finalist, fastest) : ST_OK;
}

enum status linear_timing_fastest(const struct linear_trial *trial, int *fastest)
{
    cudaEvent_t event[TURNS + 1];
    enum status st = ST_OK;
    int made = 0;
    BUG_ON(trial->count > LINEAR_TIMING_MOST, "%d candidates to time", trial->count);
    while (made <= TURNS && st == ST_OK) {
        st = CU(cudaEventCreate(&event[made]));
        made += st == ST_OK;
    }
    if (st == ST_OK)
        st = time_all(trial, event, fastest);
    while (made > 0)
        cudaEventDestroy(event[--made]);
    return st;
}
