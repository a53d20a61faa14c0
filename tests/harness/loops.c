/* SPDX-License-Identifier: Apache-2.0 */
/* Rows with given loops. */
#include "tests/harness/loops.h"

#include "tests/harness/program.h"
#include "tests/harness/rows.h"

#include <stdlib.h>
#include <unistd.h>

struct record *loops_row(const char *strategy, int n, const double *loops)
{
    struct record *r = rows_ok(strategy, 1, 100);
    record_set_numbers(r, &r->latency_ms.samples, n, loops);
    record_summarise(r);
    return r;
}

struct record *loops_around(const char *strategy, int n, double median)
{
    double loops[LOOPS_MOST];
    for (int i = 0; i < n; i++)
        loops[i] = median * (1 + 0.01 * (i - 0.5 * (n - 1)) / n);
    return loops_row(strategy, n, loops);
}

const char *loops_write(const char *name, int n, struct record **rows)
{
    const char *path = program_file(name);
    unlink(path);
    free(rows_write(program_folder(), name, n, rows));
    for (int i = 0; i < n; i++)
        record_close(rows[i]);
    return path;
}
