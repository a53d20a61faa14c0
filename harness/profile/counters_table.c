/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of counters, what they come to, and counters.csv. */
#include "harness/profile/counters_table.h"

#include "harness/base/csv_out.h"
#include "harness/base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void counters_table_init(struct counters_table *table)
{
    *table = (struct counters_table){.rows = 0};
}

void counters_table_release(struct counters_table *table)
{
    free(table->row);
    counters_table_init(table);
}

static enum status find_row(struct counters_table *table, const char *name,
                            struct counters_row **out)
{
    for (int i = 0; i < table->rows; i++) {
        *out = &table->row[i];
        if (strncmp(table->row[i].name, name, COUNTERS_NAME - 1) == 0)
            return ST_OK;
    }
    if (table->rows == table->room) {
        int room = table->room ? 2 * table->room : 32;
        struct counters_row *more = realloc(table->row, (size_t)room * sizeof *more);
        if (!more)
            return fail(ST_OOM, "counters of %d ranges: no host memory", room);
        table->row = more;
        table->room = room;
    }
    *out = &table->row[table->rows++];
    **out = (struct counters_row){.instances = 0};
    snprintf((*out)->name, sizeof(*out)->name, "%s", name);
    return ST_OK;
}

/* Where no multiprocessor worked, which CUPTI has no share for, the share weighs nothing. */
enum status counters_table_add(struct counters_table *table, const char *name,
                               const double value[COUNTERS])
{
    struct counters_row *row;
    TRY(find_row(table, name, &row));
    row->instances++;
    for (int k = 0; k < COUNTERS; k++) {
        if (k == COUNTER_TENSOR)
            row->sum[k] += value[COUNTER_SM_ACTIVE] > 0    ? value[k] * value[COUNTER_SM_ACTIVE]
                           : value[COUNTER_SM_ACTIVE] <= 0 ? 0
                                                           : (double)NAN;
        else
            row->sum[k] += value[k];
    }
    return ST_OK;
}

/* ---- several ranks ---- */

static enum status compare(const struct counters_table *a, const struct counters_table *b)
{
    if (a->passes != b->passes || strcmp(a->mode, b->mode) != 0)
        return fail(ST_INVALID, "ranks were counted differently: %d passes, %s; %d passes, %s",
                    a->passes, a->mode, b->passes, b->mode);
    for (int k = 0; k < COUNTERS; k++)
        if (strcmp(a->metric[k], b->metric[k]) != 0)
            return fail(ST_INVALID, "ranks were counted differently: %s by \"%s\" and by \"%s\"",
                        counters_name((enum counter)k), a->metric[k], b->metric[k]);
    return ST_OK;
}

enum status counters_table_merge(struct counters_table *table, const struct counters_table *from)
{
    if (table->passes == 0) {
        table->passes = from->passes;
        memcpy(table->mode, from->mode, sizeof table->mode);
        memcpy(table->metric, from->metric, sizeof table->metric);
        memcpy(table->reason, from->reason, sizeof table->reason);
    }
    TRY(compare(table, from));
    table->wire += from->wire;
    for (int i = 0; i < from->rows; i++) {
        struct counters_row *row;
        TRY(find_row(table, from->row[i].name, &row));
        row->instances += from->row[i].instances;
        for (int k = 0; k < COUNTERS; k++)
            row->sum[k] += from->row[i].sum[k];
    }
    return ST_OK;
}

double counters_table_total(const struct counters_table *table, enum counter counter)
{
    double total = table->rows > 0 ? 0 : (double)NAN;
    for (int i = 0; i < table->rows; i++)
        total += table->row[i].sum[counter];
    return total;
}

/* ---- what they come to ---- */

/* NAN for nothing of nothing. */
static double share(double part, double whole)
{
    return whole > 0 ? part / whole : (double)NAN;
}

double counters_row_column(const struct counters_row *row, enum counters_column column)
{
    const double *sum = row->sum;
    switch (column) {
    case COLUMN_TIME_US:
        return 1e-3 * sum[COUNTER_TIME];
    case COLUMN_TENSOR_PCT:
        return share(sum[COUNTER_TENSOR], sum[COUNTER_SM_ACTIVE]);
    case COLUMN_READ_MB:
        return 1e-6 * sum[COUNTER_DRAM_READ];
    case COLUMN_WRITTEN_MB:
        return 1e-6 * sum[COUNTER_DRAM_WRITE];
    case COLUMN_GBS: /* bytes a nanosecond */
        return share(sum[COUNTER_DRAM_READ] + sum[COUNTER_DRAM_WRITE], sum[COUNTER_TIME]);
    case COLUMN_L2_HIT_PCT:
        return 100 * share(sum[COUNTER_L2_HIT], sum[COUNTER_L2_HIT] + sum[COUNTER_L2_MISS]);
    case COLUMN_SENT_MB:
        return 1e-6 * sum[COUNTER_NVLINK_SENT];
    case COLUMN_RECEIVED_MB:
        return 1e-6 * sum[COUNTER_NVLINK_RECEIVED];
    default:
        BUG_ON(true, "column %d of counters does not exist", (int)column);
    }
}

/* Names are the program's own and hold no comma or quote. */
static void put_row(FILE *out, const struct counters_row *row)
{
    char text[TEXT_NUMBER];
    fprintf(out, "%s,%d", row->name, row->instances);
    for (int c = 0; c < COUNTERS_COLUMNS; c++) {
        double value = counters_row_column(row, (enum counters_column)c);
        fprintf(out, ",%s", isnan(value) ? "" : text_digits(value, text));
    }
    fputc('\n', out);
}

enum status counters_table_write(const struct counters_table *table, const char *path)
{
    FILE *out;
    TRY(csv_out_open(
        path,
        "Range,Instances,Time (us),Tensor pipe (%),DRAM read (MB),DRAM write (MB),DRAM (GB/s),"
        "L2 hit (%),NVLink sent (MB),NVLink received (MB)",
        &out));
    for (int i = 0; i < table->rows; i++)
        put_row(out, &table->row[i]);
    return csv_out_close(out, path);
}
