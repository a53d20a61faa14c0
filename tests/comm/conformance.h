/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every transport must do, as functions that all ranks of a world run together. Independent of
 * Criterion: the same cases run on threads (test_comm_local.c) and under mpirun (worker/main.c).
 */
#ifndef TESTS_COMM_CONFORMANCE_H
#define TESTS_COMM_CONFORMANCE_H

#include "kernels/base/arena.h"
#include "kernels/comm/comm.h"

#include <stdbool.h>

/* One rank in one case. */
struct conformance {
    struct comm *world;
    struct device *dev;
    struct queue *q;
    struct arena *arena; /* tensors of the case; host memory */
    int rank, size;
    uint64_t digest; /* of everything received, in a fixed order: equal on every transport */
};

struct conformance_case {
    const char *name;
    enum status (*run)(struct conformance *c);
};

/* NULL past the end. */
const struct conformance_case *conformance_at(int index);

/* Runs a case on this rank, to its end on all ranks. digest: of all ranks together. */
enum status conformance_run(const struct conformance_case *test, struct comm *world,
                            struct queue *q, uint64_t *digest);

/* ---- for the cases ---- */

/* ST_OK, or ST_WRONG with the sentence. */
enum status expect(bool condition, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A vector of fp32. */
enum status conformance_vector(struct conformance *c, int64_t count, struct tensor *out);

/* Element i of the message that `from` makes for `to`; a small whole number, so that sums are
 * exact. */
float conformance_value(int from, int to, int64_t i);

void conformance_write(const struct tensor *t, int from, int to);

/* Every element is what `from` wrote for `to`; adds it to the digest. The queue must be idle. */
enum status conformance_read(struct conformance *c, const struct tensor *t, int from, int to);

/* The cases, by file. */
enum status case_ring_shift(struct conformance *c);
enum status case_order(struct conformance *c);
enum status case_wait_order(struct conformance *c);
enum status case_self(struct conformance *c);
enum status case_dtypes(struct conformance *c);
enum status case_many_per_request(struct conformance *c);
enum status case_two_communicators(struct conformance *c);
enum status case_channels(struct conformance *c);

enum status case_all_to_all_even(struct conformance *c);
enum status case_all_to_all_uneven(struct conformance *c);
enum status case_all_to_all_empty(struct conformance *c);
enum status case_all_gather(struct conformance *c);
enum status case_all_gather_in_place(struct conformance *c);
enum status case_large_group(struct conformance *c);
enum status case_all_reduce_exact(struct conformance *c);
enum status case_all_reduce_order(struct conformance *c);

enum status case_exchange(struct conformance *c);
enum status case_exchange_many_lanes(struct conformance *c);
enum status case_exchange_counters(struct conformance *c);

enum status case_counters(struct conformance *c);
enum status case_counters_of_one_rank(struct conformance *c);
enum status case_split(struct conformance *c);
enum status case_mesh(struct conformance *c);
enum status case_host_gather(struct conformance *c);
enum status case_agree(struct conformance *c);

enum status case_random(struct conformance *c);

#endif
