/* SPDX-License-Identifier: Apache-2.0 */
/* A record as `run` shows it. */
#include "harness/report/run_report.h"

#include "harness/base/fold.h"
#include "harness/report/conditions.h"
#include "harness/report/machine.h"
#include "harness/report/memory.h"
#include "harness/report/table.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A line of text; a longer one than the console's goes on below. */
static void __attribute__((format(printf, 1, 2))) print_folded(const char *format, ...)
{
    char text[TABLE_CELL];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fold_print(0, 0, text);
}

static void print_header(const struct record_cell *c)
{
    char conditions[CONDITIONS_TEXT];
    print_folded("%s (weights: %s), %dx%d px, %d step%s, %s%d request%s, %s on %s, "
                 "%d rank%s over %s, %d thread%s",
                 c->model, c->weights, c->width, c->height, c->steps, c->steps == 1 ? "" : "s",
                 conditions_text(c, conditions), c->requests, c->requests == 1 ? "" : "s", c->dtype,
                 c->backend, c->ranks, c->ranks == 1 ? "" : "s", c->transport, c->threads,
                 c->threads == 1 ? "" : "s");
    print_folded("strategy: %s", c->strategy);
    putchar('\n');
}

static bool same_line(const struct record_comm *a, const struct record_comm *b)
{
    return strcmp(a->axis, b->axis) == 0 && strcmp(a->op, b->op) == 0 &&
           strcmp(a->when, b->when) == 0;
}

/* Sum over the ranks of the lines like line `first`; false when an earlier line was like it. */
static bool sum_lines(const struct record_comms *comm, int first, struct record_comm *sum,
                      bool *match)
{
    *sum = comm->v[first];
    *match = true;
    for (int i = 0; i < comm->n; i++) {
        const struct record_comm *line = &comm->v[i];
        if (!same_line(line, &comm->v[first]))
            continue;
        if (i < first)
            return false;
        *match &= line->wire_bytes == line->predicted_wire_bytes;
        if (i == first)
            continue;
        sum->calls += line->calls;
        sum->api_bytes += line->api_bytes;
        sum->wire_bytes += line->wire_bytes;
        sum->predicted_wire_bytes += line->predicted_wire_bytes;
    }
    return true;
}

static void print_bytes(const struct record *record)
{
    printf("\nSent in one loop, all ranks together (MB = 1e6 bytes):\n");
    if (record->comm.n == 0) {
        printf("  nothing: bytes match the closed form\n");
        return;
    }
    printf("  %-12s %-11s %-11s %9s %12s %12s %14s\n", "axis", "collective", "when", "calls",
           "API MB", "wire MB", "closed form MB");
    for (int i = 0; i < record->comm.n; i++) {
        struct record_comm sum;
        bool match;
        if (!sum_lines(&record->comm, i, &sum, &match))
            continue;
        printf("  %-12s %-11s %-11s %9llu %12.6f %12.6f %14.6f  %s\n", sum.axis, sum.op, sum.when,
               (unsigned long long)sum.calls, 1e-6 * (double)sum.api_bytes,
               1e-6 * (double)sum.wire_bytes, 1e-6 * (double)sum.predicted_wire_bytes,
               match ? "match" : "DIFFERS");
    }
    printf("  bytes %s\n", record->comm_match == RECORD_YES ? "match the closed form on every rank"
                                                            : "DIFFER from the closed form");
}

static void print_memory(const struct record *record)
{
    struct memory_share m = memory_fullest(&record->memory_bytes);
    if (isnan(m.total))
        return;
    putchar('\n');
    print_folded(
        "memory of the fullest rank: %.2f MB = weights %.2f + activations %.2f + key store "
        "%.2f + buffers %.2f + libraries %.2f; without libraries %.2f, by the plan %.2f",
        m.total / 1e6, m.weights / 1e6, m.activations / 1e6, m.kv_store / 1e6, m.buffers / 1e6,
        m.library / 1e6, m.own / 1e6, m.predicted / 1e6);
}

static void print_machine(const struct record *record)
{
    char text[1000];
    if (machine_text(record, sizeof text, text)[0] == '\0')
        return;
    putchar('\n');
    print_folded("machine during the measured loops: %s", text);
}

static void print_check(const struct record *record)
{
    const struct record_check *check = &record->check;
    const struct record_deviation *deviation = &record->deviation;
    putchar('\n');
    if (!check->against) {
        printf("check: off\n");
        return;
    }
    print_folded("check against %s: relative L2 %.3g, largest difference %.3g, tolerance %g: %s",
                 check->against, check->rel_l2, check->max_abs, check->tolerance,
                 check->pass == RECORD_YES ? "ok" : "WRONG");
    if (deviation->against && strcmp(deviation->against, check->against) != 0)
        print_folded("deviation from %s: relative L2 %.3g, largest difference %.3g, PSNR %.1f dB",
                     deviation->against, deviation->rel_l2, deviation->max_abs,
                     deviation->rel_l2 == 0 ? INFINITY : deviation->psnr_db);
}

enum status run_report_print(const struct record *record)
{
    char *text;
    print_header(&record->cell);
    if (record->status != ENDING_OK && record->status != ENDING_WRONG)
        return ST_OK;
    TRY(table_row_text(record, &text));
    fputs(text, stdout);
    free(text);
    print_bytes(record);
    print_memory(record);
    print_machine(record);
    print_check(record);
    return ST_OK;
}
