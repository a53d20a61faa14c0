/* SPDX-License-Identifier: Apache-2.0 */
/* One MPI rank of the equivalence tests: every hybrid of this world's size against its one-rank
 * reference, whose latents are equal bit for bit on every transport as long as the ranks compute
 * alike. */
#include "kernels/backend.h"
#include "tests/support/cells.h"
#include "tests/support/near.h"

#include "kernels/comm/rendezvous.h"

#include <stdio.h>
#include <stdlib.h>

static int check(const struct cell_setup *setup, const char *spec, struct comm *world,
                 struct device *dev)
{
    char text[SPEC_TEXT];
    struct cell_result want = {0};
    struct cell_result threads = {0};
    struct cell_result got = {0};
    int bad = 0;
    bool one = comm_rank(world) == 0;
    if (cell_run(setup, cell_reference(setup, spec, text), 1, &want) != ST_OK)
        return fprintf(stderr, "%s: %s\n", text, status_text()), 1;
    got.latent = calloc(want.count, sizeof *got.latent);
    if (cell_run_rank(setup, spec, world, dev, 1, &got) != ST_OK)
        return fprintf(stderr, "%s: %s\n", spec, status_text()), 1;
    bad |= !got.bytes_match || !got.memory_match;
    if (bad)
        fprintf(stderr, "%s: %s\n", spec, got.mismatch);
    struct spec parsed;
    struct plan *plan = NULL;
    struct problem problem = cell_problem(setup);
    if (spec_parse(spec, &parsed) != ST_OK ||
        plan_build(&problem, &parsed, comm_size(world), 0, &plan) != ST_OK)
        return 1;
    if (plan_output_rank(plan) == comm_rank(world)) {
        bad |=
            !near_floats(spec, got.latent, want.latent, (int64_t)want.count, cell_tolerance(spec));
        if (cell_run(setup, spec, 1, &threads) != ST_OK)
            return fprintf(stderr, "%s: %s\n", spec, status_text()), 1;
        bad |=
            !near_equal("threads and processes", got.latent, threads.latent, (int64_t)want.count);
    }
    if (one && !bad)
        fprintf(stderr, "ok %s\n", spec);
    plan_close(plan);
    cell_release(&want);
    cell_release(&threads);
    free(got.latent);
    return bad;
}

static int check_all(struct comm *world, struct device *dev)
{
    struct cell_setup setup = cell_setup_of("pixart-tiny");
    int bad = 0;
    for (int i = 0; hybrid_at(i); i++)
        if (cell_ranks(&setup, hybrid_at(i)) == comm_size(world))
            bad |= check(&setup, hybrid_at(i), world, dev);
    return bad;
}

int main(int argc, char **argv)
{
    struct rendezvous where = {0};
    struct device_options options = {.threads = 1};
    struct device *dev = NULL;
    struct comm *world = NULL;
    bool under = false;
    int bad = 1;
    enum status st = rendezvous_mpi(&argc, &argv, &under, &where);
    if (st == ST_OK && !under)
        st = fail(ST_INVALID, "start this with mpirun");
    where.timeout_s = 120;
    if (st == ST_OK)
        st = device_open(backend_find("cpu"), &options, &dev);
    if (st == ST_OK)
        st = comm_open(comm_ops_find("mpi"), &where, dev, &world);
    if (st == ST_OK)
        bad = check_all(world, dev);
    else
        fprintf(stderr, "%s\n", status_text());
    if (bad && world)
        comm_abort(world);
    comm_close(world);
    device_close(dev);
    rendezvous_finish();
    return bad;
}
