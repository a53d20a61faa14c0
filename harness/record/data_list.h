/* SPDX-License-Identifier: Apache-2.0 */
/* The lists that the structs of a record are made of: n elements at v; NULL when n is 0. */
#ifndef HARNESS_RECORD_DATA_LIST_H
#define HARNESS_RECORD_DATA_LIST_H

#include <stdint.h>

/* Answers to a question that may not have been asked. */
enum { RECORD_UNKNOWN = -1, RECORD_NO = 0, RECORD_YES = 1 };

struct record_texts {
    int n;
    const char **v;
};

struct record_numbers {
    int n;
    double *v;
};

struct record_counts {
    int n;
    uint64_t *v;
};

struct record_pair {
    const char *name, *value;
};

struct record_map {
    int n;
    struct record_pair *v;
};

#endif
