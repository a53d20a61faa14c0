/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the engine share. For strategies/run*.c and attn_chain.c only; strategies use
 * strategy.h. */
#ifndef STRATEGIES_RUN_INTERNAL_H
#define STRATEGIES_RUN_INTERNAL_H

#include "strategies/strategy.h"

struct run {
    struct plan plan; /* own copy; its strategies carry this run's state */
    struct run_inputs in;
    struct device *dev; /* borrowed; NULL while measuring */
    struct queue *q;
    struct mesh *mesh; /* NULL while measuring */
    struct arena *arena[ARENA_KINDS];
    struct dit *dit; /* a transformer's; NULL: of another kind */
    struct dit_hooks hooks;
    struct decoder *decoder; /* kind_decoder.c's; NULL: of another kind */
    struct event *event;     /* [steps + 1] start of the loop and end of each step */
    bool graphs;             /* steps become graphs */
    bool rehearsed;          /* an own schedule's steps have been computed once */
    int n_captures;
    struct capture *capture; /* [n_captures], run_capture.c */

    struct span *span[TOKEN_SETS]; /* [plan_slots] my rows: PATCH_ALL, then each patch */
    int *rows[TOKEN_SETS];         /* [plan_slots] */
    int *row_begin;    /* [plan_slots] where a patch's image rows begin among all of them */
    int *prompt_row;   /* [lanes] */
    float *host_noise; /* [draws, R, F, n, K] own rows of given step noise, or NULL: drawn */

    /* n: image rows; N: the text's before them, too */
    struct tensor schedule; /* fp32 [steps, lanes + ADVANCE_COEFS] timesteps, then coefficients */
    struct tensor now;   /* fp32 [lanes + ADVANCE_COEFS] the schedule's row of the step at hand */
    struct tensor start; /* fp32 [R*F, n, K] initial latents */
    struct tensor x;     /* fp32 [R*F, n, K]; of a decoder its pixels, in the place of its rows in
                            `whole` */
    struct tensor hist;  /* fp32 [R*F, n, K] multistep history; ranks with the head */
    struct tensor noise; /* fp32 [R*F, n, K] a step's noise; ranks with the head, DDPM */
    struct tensor input; /* [B*F, n, K] model dtype, what the patch embedding reads; ranks that
                            embed */
    struct tensor h;     /* [B*F, N, C] */
    struct tensor eps;   /* [B*F, n, Kout]; ranks with the head */
    struct tensor whole; /* fp32, all of the result, for the final gather; ranks with the head */
    struct tensor *gather_part; /* [ranks of the largest axis] of it; ranks with the head */
};

/* One rank's part of one image of the result, for kind_ops.place. */
struct run_block {
    const struct plan *plan;
    const int *coord;                /* of the rank */
    struct latent_geometry geometry; /* of the latent, and which frame */
    int channels;
};

/* run_latents.c: between images [.., C, F, h, w] on the host and a rank's rows. */
void latents_pack(const struct run *run, const float *image, int channels, int request,
                  float *rows);
void latents_place(const struct run_block *block, const float *rows, float *image);
enum status latents_open(struct run *run); /* `start` */
enum status latents_start(struct run *run);
enum status latents_noise(struct run *run, int i);

/* run_schedule.c: what changes from step to step, in device memory. */
int schedule_at_once(const struct plan *plan);     /* steps whose modulations are made together */
enum status schedule_init(struct run *run);        /* the tensors */
enum status schedule_upload(struct run *run);      /* the sampler's numbers of all steps */
enum status schedule_step(struct run *run, int i); /* `now`, modulation, noise of step i, in turn */
enum status schedule_try(struct run *run, int i);  /* of any step, out of turn */
enum status schedule_forward(struct run *run);     /* modulation of a forward from `now` */
struct tensor schedule_coefs(struct run *run);     /* of `now`: [ADVANCE_COEFS] */

/* run_capture.c */
void run_capture_release(struct run *run);

/* attn_chain.c: the attend hook's implementation, outermost level first. */
enum status attn_outer(void *run, const struct attn_call *call);

/* run_gather.c: `mine` [grids, n, features] of all ranks with the head, fp32 or the model's dtype;
 * images of so many channels on the output rank. branches: of a bare forward, all lanes' outputs.
 */
enum status gather_images(struct run *run, const struct tensor *mine, bool branches, int channels,
                          float *out);
enum status gather_open(struct run *run, bool branches, int channels); /* `whole`, gather_part */
struct tensor gather_own(const struct run *run, bool branches, int features, int64_t count);

/* run.c: what every strategy is asked, for kinds' steps. */
enum status run_begin(struct run *run);
enum status run_settle(struct run *run);
enum status run_finish(struct run *run);
void run_set_when(struct run *run, int i);

/* The host waits for the queue, and hears of peers that failed or hang. */
enum status run_drain(struct run *run);

/* run_memory.c: everything a run holds, from real or measuring arenas. */
enum status run_allocate(struct run *run);

#endif
