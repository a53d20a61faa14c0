/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an experiment file: refused with the file's name, or cells that are in range. */
#include "harness/sweep/experiment.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_cell(const struct cell *c)
{
    struct spec spec;
    BUG_ON(c->steps < 0 || c->requests < 0 || c->ranks < 0 || c->width < 0 || c->height < 0,
           "a count below 0");
    BUG_ON((c->repeats < 1 && c->repeats != CELL_AUTO) || c->timeout_s <= 0,
           "no loop, or no time for one");
    BUG_ON(spec_parse(c->strategy, &spec) != ST_OK, "a strategy that cannot be read: %s",
           c->strategy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct experiment *e;
    struct cell *cells = NULL;
    int n = 0;
    enum status st = experiment_open_memory("fuzz", data, size, &e);
    if (st == ST_OK) {
        st = experiment_expand(e, &n, &cells);
        for (int i = 0; st == ST_OK && i < n; i++)
            check_cell(&cells[i]);
        free(cells);
        experiment_close(e);
    }
    BUG_ON(st != ST_OK && strncmp(status_message(), "fuzz:", 5) != 0,
           "a message without the file: %s", status_message());
    return 0;
}
