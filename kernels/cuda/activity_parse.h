/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One record of CUPTI as one of ours: kinds, names, sizes. Neither asks for records nor hands them
 * on, and knows no tags. One thread at a time.
 */
#ifndef KERNELS_CUDA_ACTIVITY_PARSE_H
#define KERNELS_CUDA_ACTIVITY_PARSE_H

#include "kernels/activity.h"

struct activity_parser;

/* CUPTI's name of a function of the driver or of the runtime by its number; NULL: none. */
typedef const char *activity_parse_name_fn(bool driver, uint32_t number);

enum status activity_parse_open(activity_parse_name_fn *name_of, struct activity_parser **out);
void activity_parse_close(struct activity_parser *parser);

enum activity_parsed {
    ACTIVITY_PARSED,
    ACTIVITY_OF_NO_INTEREST, /* a quiet call, or a kind that nobody asked for */
    ACTIVITY_WITHOUT_TIMES,  /* CUPTI could not tell them, or it was not at its end */
};

/* record: CUpti_Activity. *node: the number of the graph's node that it is of, or 0. The name lasts
 * until the next call. */
enum activity_parsed activity_parse(struct activity_parser *parser, const void *record,
                                    struct activity *out, uint64_t *node);

/* A call, by CUPTI's name, that only asks for something or chooses the thread's device. Each launch
 * comes with several of them; none starts work or waits for it. */
bool activity_parse_quiet(const char *name);

#endif
