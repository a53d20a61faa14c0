/* SPDX-License-Identifier: Apache-2.0 */
/* One MPI rank of the equivalence tests, of the presets on the command line: every hybrid of this
 * world's size against its one-rank reference, and against the same over threads, whose results are
 * equal bit for bit. */
#include "kernels/backend.h"
#include "tests/support/book.h"
#include "tests/support/near.h"

#include "kernels/comm/rendezvous.h"

#include <stdio.h>
#include <stdlib.h>

/* On the rank that has the latents. */
static int compare(const struct cell_result *got, struct book *book, const char *spec)
{
    struct cell_result threads = {0};
    const struct cell_result *want = book_get(book, spec);
    int64_t count = (int64_t)want->count;
    if (cell_run(&book->setup, spec, 1, &threads) != ST_OK)
        return fprintf(stderr, "%s: %s\n", spec, status_text()), 1;
    bool good = near_floats(spec, got->latent, want->latent, count, cell_tolerance(spec)) &
                near_equal("threads and processes", got->latent, threads.latent, count);
    cell_release(&threads);
    if (good)
        fprintf(stderr, "ok %s %s\n", cell_model(&book->setup), spec);
    return !good;
}

static int check(struct book *book, const char *spec, struct comm *world, struct device *dev)
{
    struct cell_result got = {.count = cell_count(&book->setup)};
    got.latent = calloc(got.count, sizeof *got.latent);
    int bad = cell_run_rank(&book->setup, spec, world, dev, 1, &got) != ST_OK;
    if (bad)
        fprintf(stderr, "%s: %s\n", spec, status_text());
    if (!bad && (!got.bytes_match || !got.memory_match))
        bad = fprintf(stderr, "%s: %s\n", spec, got.mismatch) > 0;
    if (!bad && cell_output_rank(&book->setup, spec) == comm_rank(world))
        bad = compare(&got, book, spec);
    cell_release(&got);
    return bad;
}

static int check_all(const char *preset, struct comm *world, struct device *dev)
{
    struct cell_setup setup = cell_setup_of(preset);
    struct book *book = book_open(&setup, NULL);
    int bad = 0;
    for (int i = 0; hybrid_at(i); i++)
        if (hybrid_tested(&setup, i) && cell_ranks(&setup, hybrid_at(i)) == comm_size(world))
            bad |= check(book, hybrid_at(i), world, dev);
    book_close(book);
    return bad;
}

int main(int argc, char **argv)
{
    struct rendezvous where = {0};
    struct device_options options = {.threads = 1};
    struct device *dev = NULL;
    struct comm *world = NULL;
    bool under = false;
    int bad;
    enum status st = rendezvous_mpi(&argc, &argv, &under, &where);
    if (st == ST_OK && !under)
        st = fail(ST_INVALID, "start this with mpirun");
    where.timeout_s = 120;
    if (st == ST_OK)
        st = device_open(backend_find("cpu"), &options, &dev);
    if (st == ST_OK)
        st = comm_open(comm_ops_find("mpi"), &where, dev, &world);
    if (st != ST_OK)
        fprintf(stderr, "%s\n", status_text());
    bad = st != ST_OK;
    for (int i = 1; i < argc && st == ST_OK; i++)
        bad |= check_all(argv[i], world, dev);
    if (bad && world)
        comm_abort(world);
    comm_close(world);
    device_close(dev);
    rendezvous_finish();
    return bad;
}
