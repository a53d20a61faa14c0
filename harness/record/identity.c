/* SPDX-License-Identifier: Apache-2.0 */
/* The three hashes that name a record: the cell, what of it was asked, and where it ran. */
#include "harness/record/record.h"
#include "kernels/base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *as_hex(uint64_t hash, char id[RECORD_ID_SIZE])
{
    snprintf(id, RECORD_ID_SIZE, "%016" PRIx64, hash);
    return id;
}

static enum status hash_cell(const char *salt, const struct record_cell *cell,
                             char id[RECORD_ID_SIZE])
{
    char *text;
    size_t size;
    TRY(record_cell_write(cell, &text, &size));
    as_hex(hash_text(hash_text(0, salt), text), id);
    free(text);
    return ST_OK;
}

enum status record_cell_id(const struct record_cell *cell, char id[RECORD_ID_SIZE])
{
    return hash_cell(RECORD_SCHEMA, cell, id);
}

enum status record_recipe(const struct record_cell *cell, char id[RECORD_ID_SIZE])
{
    struct record_cell asked = *cell;
    asked.warmup_loops = asked.repeats = asked.round = 0;
    asked.stop = (struct record_stop){0};
    if (strcmp(asked.weights, "synthetic") != 0)
        asked.model = "";
    return hash_cell("recipe", &asked, id);
}

/* The sum of the texts' hashes does not depend on their order. */
static uint64_t hash_pair(const char *name, const char *value)
{
    return hash_text(hash_text(1, name), value ? value : "");
}

/* "Debian GNU/Linux 12 (bookworm), Linux 6.1.0-28": the last word. */
static const char *kernel_release(const struct record_env *env)
{
    const char *last = env->os ? strrchr(env->os, ' ') : NULL;
    return last ? last + 1 : env->os;
}

char *record_cohort(const struct record_env *env, char id[RECORD_ID_SIZE])
{
    char cores[16];
    uint64_t sum = hash_pair("cpu", env->cpu) + hash_pair("kernel", kernel_release(env));
    snprintf(cores, sizeof cores, "%d", env->cores);
    sum += hash_pair("cores", cores);
    for (int i = 0; i < env->libraries.n; i++)
        sum += hash_pair(env->libraries.v[i].name, env->libraries.v[i].value);
    for (int i = 0; i < env->gpus.n; i++)
        sum += hash_pair("gpu", env->gpus.v[i].name) + hash_pair("driver", env->gpus.v[i].driver);
    return as_hex(hash_bytes(0, &sum, sizeof sum), id);
}

enum status record_identify(struct record *record)
{
    char id[RECORD_ID_SIZE];
    TRY(record_cell_id(&record->cell, id));
    record->id = record_text(record, id);
    TRY(record_recipe(&record->cell, id));
    record->recipe = record_text(record, id);
    record->cohort = record_text(record, record_cohort(&record->env, id));
    return ST_OK;
}
