/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table that a backend fills, and the list of backends. Callers use kernels/device.h and
 * kernels/op.h, where each slot's contract is beside the function of its name.
 */
#ifndef KERNELS_BACKEND_H
#define KERNELS_BACKEND_H

#include "kernels/activity.h"
#include "kernels/counters.h"
#include "kernels/device.h"
#include "kernels/op.h"
#include "kernels/op_image.h"

struct identity; /* kernels/identity.h */

struct backend_ops {
    const char *name;    /* "cpu", "cuda" */
    const char *summary; /* one line */
    bool on_host;        /* the host reads and writes its memory where it is */
    bool (*supports)(enum dtype dtype);
    enum status (*count)(int *devices); /* devices usable here; 0 is an answer */

    enum status (*open)(const struct device_options *options, struct device **out);
    void (*close)(struct device *dev);
    enum status (*alloc)(struct device *dev, size_t bytes,
                         void **out); /* ST_OOM is an answer, not an accident */
    void (*release)(struct device *dev, void *p);
    enum status (*capacity)(struct device *dev,
                            size_t *available); /* bytes that alloc could give now */

    enum status (*queue_open)(struct device *dev, struct queue **out);
    void (*queue_close)(struct queue *q);
    enum status (*queue_sync)(struct queue *q); /* host waits until q is empty */
    enum status (*event_open)(struct device *dev, struct event *out);
    void (*event_close)(struct device *dev, struct event *event);
    enum status (*mark)(struct queue *q, struct event *event);        /* CPU: now */
    enum status (*await)(struct queue *q, const struct event *event); /* q waits; CPU: nothing */
    /* Milliseconds from one marked event to another, both complete. */
    enum status (*elapsed)(const struct event *from, const struct event *to, double *ms);

    enum status (*copy)(struct queue *q, struct tensor *dst, const struct tensor *src);
    enum status (*fill)(struct queue *q, struct tensor *t, float value);
    enum status (*linear)(struct queue *q, struct tensor *y, const struct tensor *x,
                          const struct tensor *w, const struct tensor *bias, enum act act);
    enum status (*linear_add)(struct queue *q, struct tensor *h, const struct tensor *x,
                              const struct tensor *w, const struct tensor *bias);
    enum status (*activate)(struct queue *q, struct tensor *y, const struct tensor *x,
                            enum act act);
    enum status (*norm)(struct queue *q, struct tensor *y, const struct tensor *x,
                        const struct norm *norm);
    enum status (*gate_add)(struct queue *q, struct tensor *h, const struct tensor *y,
                            const struct tensor *bias, const struct tensor *gate);
    enum status (*gate_add_norm)(struct queue *q, struct tensor *h, const struct tensor *y,
                                 const struct tensor *bias, const struct tensor *gate,
                                 struct tensor *a, const struct norm *norm);
    enum status (*qk_norm_rope)(struct queue *q, struct tensor *query, struct tensor *key,
                                const struct qk_norm *norm, const struct tensor *rope);
    enum status (*add_rows)(struct queue *q, struct tensor *h, const struct tensor *table);
    enum status (*add)(struct queue *q, struct tensor *y, const struct tensor *x);
    enum status (*add_outer)(struct queue *q, struct tensor *out, const struct tensor *table,
                             const struct tensor *t);
    enum status (*timestep)(struct queue *q, struct tensor *out, const struct tensor *t,
                            float freq_shift);
    enum status (*attention)(struct queue *q, struct tensor *o, struct tensor *lse,
                             const struct tensor *query, const struct tensor *key,
                             const struct tensor *value, const int *key_count, float scale);
    enum status (*merge)(struct queue *q, struct tensor *o, struct tensor *lse,
                         const struct tensor *o2, const struct tensor *lse2);
    enum status (*advance)(struct queue *q, struct tensor *x, struct tensor *hist,
                           const struct tensor *eps_u, const struct tensor *eps_c,
                           const struct tensor *noise, const struct tensor *coef);
    /* geometry->frames is 1 at the least here. */
    enum status (*random_normal)(struct queue *q, struct tensor *out,
                                 const struct latent_geometry *geometry, int first_token,
                                 uint64_t seed, uint64_t stream);
    enum status (*random_uniform)(struct queue *q, struct tensor *out, float scale, uint64_t seed,
                                  uint64_t stream, uint64_t first, int64_t row_step);
    enum status (*conv)(struct queue *q, struct tensor *y, const struct tensor *x,
                        const struct tensor *w, const struct conv *conv);
    enum status (*conv_fold)(struct queue *q, struct tensor *folded, const struct tensor *w);
    enum status (*group_sums)(struct queue *q, struct tensor *sums, const struct tensor *x);
    enum status (*group_centre)(struct queue *q, struct tensor *sums,
                                const struct group_parts *parts);
    enum status (*group_norm)(struct queue *q, struct tensor *y, const struct tensor *x,
                              const struct group_norm *norm);

    /* (optional) NULL, all four: the backend captures no work. */
    enum status (*graph_begin)(struct queue *q);
    enum status (*graph_end)(struct queue *q, struct graph *out);
    enum status (*graph_launch)(struct queue *q, const struct graph *graph);
    void (*graph_release)(struct device *dev, struct graph *graph);

    enum status (*identify)(int ordinal, struct identity *out); /* (optional) NULL: no name */
    const struct activity_ops *activity; /* (optional) NULL: nothing beside ranges */
    const struct counters_ops *counters; /* (optional) NULL: none that are read */
};

const struct backend_ops *backend_find(const char *name); /* NULL: not built in or unknown */
bool backend_known(const char *name);                     /* built in or not */
bool backend_wants_gpus(const char *name);                /* a GPU for each rank; built in or not */
const struct backend_ops *backend_at(int index);          /* NULL past the end */
bool backend_on_host(const struct backend_ops *ops);      /* NULL, as for plain memory: true */

#endif
