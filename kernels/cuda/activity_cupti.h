/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernels/activity.h by CUPTI, NVIDIA's library of records, which is loaded when it is opened and
 * then stays. Kernels of graphs come one by one.
 */
#ifndef KERNELS_CUDA_ACTIVITY_CUPTI_H
#define KERNELS_CUDA_ACTIVITY_CUPTI_H

#include "kernels/activity.h"

extern const struct activity_ops activity_cupti;

/* What CUPTI told since it was opened: to find out why a tag or a record is missing. All 0 where
 * this build has no CUPTI. */
struct activity_cupti_seen {
    uint32_t version;      /* CUPTI_API_VERSION of the library */
    uint64_t created;      /* nodes added to graphs, those that a launch would not run included */
    uint64_t asked;        /* of them and of orphans: the sink was asked for a tag */
    uint64_t instantiated; /* nodes that CUPTI said were created while a graph was instantiated */
    uint64_t cloned;       /* nodes copied from another */
    uint64_t orphans;      /* of them: from one that was not known */
    uint64_t destroyed;    /* nodes that are no more */
    uint64_t nameless;     /* nodes for which CUPTI had no number */
    uint64_t without_room; /* nodes that were not remembered */
    uint64_t executables;  /* graphs instantiated */
    uint64_t first_created, first_clone, first_original; /* numbers of nodes; 0: none so far */
    uint64_t of_captured;                                /* records that name a captured node, */
    uint64_t of_clones;                                  /* a clone, */
    uint64_t of_unknown;                                 /* or one that was never heard of, */
    uint64_t first_unknown;                              /* the number of the first such */
    uint64_t without_times; /* records of work that were lost since CUPTI had no times for them */
    uint64_t not_wanted;    /* quiet calls and kinds not asked for */
    uint64_t unbuffered;    /* records that CUPTI had no buffer for */
    uint64_t buffers;       /* handed back with records */
    uint32_t most_held;     /* buffers that CUPTI had at once */
};

void activity_cupti_seen(struct activity_cupti_seen *out);

#endif
