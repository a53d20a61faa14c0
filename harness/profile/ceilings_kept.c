/* SPDX-License-Identifier: Apache-2.0 */
/* Joins the measurement and the file. */
#include "harness/profile/ceilings_kept.h"

#include <stdio.h>
#include <stdlib.h>

/* What was measured counts whether or not it can be kept. */
static bool store(const struct ceilings_set *set, char *word)
{
    if (ceilings_file_store(set) == ST_OK)
        return true;
    snprintf(word, CEILINGS_WORD, "the rates are not kept: %.300s", status_message());
    status_clear();
    return false;
}

enum status ceilings_kept_get(const struct ceilings_measure *measure, struct ceilings *out,
                              char *word)
{
    struct ceilings_key key;
    struct ceilings_set *set = &out->set[measure->dtype];
    TRY(ceilings_file_key(measure->backend, measure->threads, &key));
    TRY(ceilings_file_read(&key, out, word));
    if (out->have[measure->dtype])
        return ST_OK;
    TRY(ceilings_measure_run(measure, set));
    out->have[measure->dtype] = true;
    TRY(ceilings_file_key(measure->backend, measure->threads, &set->key));
    store(set, word);
    return ST_OK;
}

/* The key is made last: by then the libraries are loaded that may be asked for their versions. */
enum status ceilings_kept_renew(const struct ceilings_measure *measure, struct ceilings_set *out,
                                bool *kept, char *word)
{
    TRY(ceilings_measure_run(measure, out));
    TRY(ceilings_file_key(measure->backend, measure->threads, &out->key));
    struct ceilings *before = malloc(sizeof *before);
    if (!before)
        return fail(ST_OOM, "ceilings: no host memory");
    enum status st = ceilings_file_read(&out->key, before, word);
    free(before);
    TRY(st);
    *kept = store(out, word);
    return ST_OK;
}
