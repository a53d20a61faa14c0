/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sink that keeps all activity records, for tests. What does not hold is told and counted and
 * ends no test: at the end all that is known is printed, so that one run on a rare machine tells
 * enough.
 */
#ifndef TESTS_CUDA_ACTIVITY_LOG_H
#define TESTS_CUDA_ACTIVITY_LOG_H

#include "kernels/activity.h"

#include <pthread.h>

enum { ACTIVITY_NAME = 96 };

struct activity_entry {
    struct activity a; /* its name is the one below */
    char name[ACTIVITY_NAME];
};

struct activity_log {
    pthread_mutex_t lock;
    int n, room;
    struct activity_entry *entry; /* [n] */
    uint64_t tag;                 /* that the next captured work gets */
    int asked;                    /* how often for a tag */
    int failures;
};

/* Opens the activity of "cuda". False, and the test is passed over, where there is none. */
bool activity_log_open(struct activity_log *log, struct activity_sink *sink);

/* Nothing was dropped. Entries are in the order of their begins afterwards. */
void activity_log_pause(struct activity_log *log);

/* Ends the test where anything did not hold. */
void activity_log_close(struct activity_log *log);

/* Prints what CUPTI told of so far. */
void activity_log_note(struct activity_log *log, const char *when);

__attribute__((format(printf, 2, 3))) void activity_log_failed(struct activity_log *log,
                                                               const char *format, ...);

#define EXPECT(log, condition, ...)                                                                \
    do {                                                                                           \
        if (!(condition))                                                                          \
            activity_log_failed(log, __VA_ARGS__);                                                 \
    } while (0)

/* A kernel, a copy or a fill. */
bool activity_log_work(const struct activity *a);

bool activity_log_is_call(const struct activity *a);

/* The call of this correlation, or NULL; a runtime's rather than the driver's below it. */
const struct activity_entry *activity_log_call(const struct activity_log *log,
                                               uint32_t correlation);

#endif
