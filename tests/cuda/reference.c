/* SPDX-License-Identifier: Apache-2.0 */
/* One-GPU runs that are kept, and the account of what was compared with them. Not a test. */
#include "tests/cuda/reference.h"

#include "tests/cuda/gpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reference_book *reference_open(const struct cell_setup *setup, struct device *dev)
{
    struct reference_book *book = calloc(1, sizeof *book);
    CHECK(book, "no host memory for references");
    book->setup = *setup;
    book->setup.graph = false;
    book->dev = dev;
    return book;
}

void reference_close(struct reference_book *book)
{
    for (int i = 0; i < book->n; i++)
        cell_release(&book->page[i].result);
    free(book);
}

const struct cell_result *reference_get(struct reference_book *book, const char *spec)
{
    char text[SPEC_TEXT];
    cell_reference(&book->setup, spec, text);
    for (int i = 0; i < book->n; i++)
        if (strcmp(book->page[i].text, text) == 0)
            return &book->page[i].result;
    CHECK(book->n < REFERENCES_MAX, "more than %d references", REFERENCES_MAX);
    struct cell_setup setup = book->setup;
    setup.devices = &book->dev;
    struct cell_result *result = &book->page[book->n].result;
    CHECK(cell_run(&setup, text, 1, result) == ST_OK, "%s on one device, %s: %s", text,
          dtype_name(setup.dtype), status_text());
    snprintf(book->page[book->n].text, SPEC_TEXT, "%s", text);
    book->n++;
    return result;
}

double reference_tolerance(enum dtype dtype, const char *spec)
{
    return dtype == DTYPE_F32 ? cell_tolerance(spec) : 5e-2;
}

void reference_judge(struct reference_tally *tally, const char *spec, const struct cell_result *got,
                     const struct cell_result *want, double tolerance)
{
    double distance = want ? cell_distance(got, want) : 0;
    bool near = distance <= tolerance;
    tally->cells++;
    if (tally->cells == 1 || !(distance <= tally->worst)) {
        tally->worst = distance;
        snprintf(tally->spec, sizeof tally->spec, "%s", spec);
    }
    if (near && got->bytes_match && got->memory_match)
        return;
    tally->bad++;
    fprintf(stderr, "%s: %s: relative L2 %.3g, tolerance %g%s%s%s\n", tally->group, spec, distance,
            tolerance, got->bytes_match ? "" : "; bytes differ from the formula",
            got->memory_match ? "" : "; memory differs from the prediction",
            near ? "" : "; LATENTS DIFFER");
    if (got->mismatch[0])
        fprintf(stderr, "    %s\n", got->mismatch);
}

void reference_print(const struct reference_tally *tally)
{
    printf("     %s: %d cells, %d bad, worst relative L2 %.3g (%s)\n", tally->group, tally->cells,
           tally->bad, tally->worst, tally->cells > 0 ? tally->spec : "none");
    fflush(stdout);
}
