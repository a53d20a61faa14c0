/* SPDX-License-Identifier: Apache-2.0 */
/* table.csv and table.md. The same records always give the same bytes: nothing of the moment is in
 * them. */
#include "harness/report/page.h"
#include "harness/host/env.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void put_counts(FILE *out, int n, const struct record *const *records)
{
    int count[ENDINGS] = {0};
    const char *comma = "";
    for (int i = 0; i < n; i++)
        count[records[i]->status]++;
    fprintf(out, "%d row%s", n, n == 1 ? "" : "s");
    for (int s = 0; s < ENDINGS; s++) {
        if (count[s] == 0)
            continue;
        fprintf(out, "%s%d %s", *comma ? comma : ": ", count[s], ending_name((enum ending)s));
        comma = ", ";
    }
    fputs(".\n\n", out);
}

/* One line about a machine and build, without line breaks. */
static void put_machine(FILE *out, const struct record_env *env)
{
    char hardware[256];
    fputs("- ", out);
    table_markdown_text(out, env_hardware(env, hardware, sizeof hardware));
    fputs("; host ", out);
    table_markdown_text(out, env->host ? env->host : "unknown");
    fputs("; ", out);
    table_markdown_text(out, env->os ? env->os : "unknown system");
    fputs("; ", out);
    table_markdown_text(out, env->compiler ? env->compiler : "unknown compiler");
    fputs("; commit ", out);
    table_markdown_text(out, env->commit ? env->commit : "unknown");
    fputs(env->dirty == RECORD_YES ? " with local changes\n" : "\n", out);
}

static bool equal(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool same_machine(const struct record_env *a, const struct record_env *b)
{
    char x[256], y[256];
    return equal(a->host, b->host) && equal(a->os, b->os) && equal(a->compiler, b->compiler) &&
           equal(a->commit, b->commit) && a->dirty == b->dirty &&
           equal(env_hardware(a, x, sizeof x), env_hardware(b, y, sizeof y));
}

static void put_machines(FILE *out, int n, const struct record *const *records)
{
    fputs("## Machine and build\n\n", out);
    for (int i = 0; i < n; i++) {
        bool seen = false;
        for (int k = 0; k < i && !seen; k++)
            seen = same_machine(&records[i]->env, &records[k]->env);
        if (!seen)
            put_machine(out, &records[i]->env);
    }
}

/* Rows without a number, or with one that must not be used. */
static void put_failures(FILE *out, int n, const struct record *const *records)
{
    int failures = 0;
    for (int i = 0; i < n; i++) {
        const struct record *r = records[i];
        if (r->status == ENDING_OK)
            continue;
        if (failures++ == 0)
            fputs("## Not ok\n\nThese rows are in no chart.\n\n"
                  "| model | size | ranks | strategy | status | reason |\n"
                  "| --- | --- | ---: | --- | --- | --- |\n",
                  out);
        fputs("| ", out);
        table_markdown_text(out, r->cell.model);
        fprintf(out, " | %dx%d | %d | ", r->cell.width, r->cell.height, r->cell.ranks);
        table_markdown_text(out, r->cell.strategy);
        fprintf(out, " | %s | ", ending_name(r->status));
        table_markdown_text(out, r->reason ? r->reason : "-");
        fputs(" |\n", out);
    }
    if (failures > 0)
        fputc('\n', out);
}

static const char legend[] = "`t_med`, `t_p10`, `t_p90`: latency of one denoising loop in ms, "
                             "slowest rank. `step_ms`: median step. `it/s`: "
                             "steps a second.\n`speedup`, `eff%`: against the serial row of the "
                             "same cell. `comm_MB`: bytes on the wire in one "
                             "loop, all ranks, in 1e6 bytes; (an) by\nclosed form, (meas) counted. "
                             "`mem_MiB`: fullest rank, in 2^20 bytes; (an) "
                             "predicted. `rel_l2`, `maxabs`: final latent against the\none-rank "
                             "run that it must equal. `psnr`: in dB, against "
                             "the serial run.\n\n";

static enum status write_markdown(const char *path, int n, const struct record *const *records,
                                  const struct table_row *rows)
{
    FILE *out = fopen(path, "we");
    if (!out)
        return fail(ST_IO, "%s cannot be written: %s", path, strerror(errno));
    fputs("# Results", out);
    if (n > 0 && records[0]->experiment) {
        fputs(": ", out);
        table_markdown_text(out, records[0]->experiment);
    }
    fputs("\n\n", out);
    put_counts(out, n, records);
    table_markdown(out, n, rows);
    fputc('\n', out);
    fputs(legend, out);
    put_failures(out, n, records);
    if (n > 0)
        put_machines(out, n, records);
    bool broken = ferror(out) != 0;
    if (fclose(out) != 0 || broken)
        return fail(ST_IO, "%s could not be written to its end", path);
    printf("%s\n", path);
    return ST_OK;
}

static enum status write_csv(const char *path, int n, const struct table_row *rows)
{
    FILE *out = fopen(path, "we");
    if (!out)
        return fail(ST_IO, "%s cannot be written: %s", path, strerror(errno));
    table_csv(out, n, rows);
    bool broken = ferror(out) != 0;
    if (fclose(out) != 0 || broken)
        return fail(ST_IO, "%s could not be written to its end", path);
    printf("%s\n", path);
    return ST_OK;
}

enum status page_write(const char *folder, int n, const struct record *const *records)
{
    char *csv = NULL, *page = NULL;
    struct table_row *rows = calloc((size_t)n + 1, sizeof *rows);
    enum status st = ST_OK;
    if (!rows || asprintf(&csv, "%s/table.csv", folder) < 0 ||
        asprintf(&page, "%s/table.md", folder) < 0) {
        st = fail(ST_OOM, "table: no memory for %d rows", n);
        goto out_free;
    }
    table_rows(n, records, rows);
    st = write_csv(csv, n, rows);
    if (st == ST_OK)
        st = write_markdown(page, n, records, rows);
out_free:
    free(page);
    free(csv);
    free(rows);
    return st;
}
