/* SPDX-License-Identifier: Apache-2.0 */
/* table.csv and table.md. The same records always give the same bytes: nothing of the moment is in
 * them. */
#include "harness/report/table_files.h"

#include "harness/host/env.h"
#include "harness/report/machine.h"
#include "harness/report/table.h"
#include "kernels/base/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void put_counts(FILE *out, const struct sheet *sheet)
{
    int count[ENDINGS] = {0};
    const char *comma = "";
    for (int i = 0; i < sheet->n; i++)
        count[sheet->v[i].record->status]++;
    fprintf(out, "%d row%s", sheet->n, sheet->n == 1 ? "" : "s");
    for (int s = 0; s < ENDINGS; s++) {
        if (count[s] == 0)
            continue;
        fprintf(out, "%s%d %s", *comma ? comma : ": ", count[s], ending_name((enum ending)s));
        comma = ", ";
    }
    fputs(".\n\n", out);
}

static void put_left_out(FILE *out, const struct sheet *sheet)
{
    char text[1024];
    if (*sheet_left_out(sheet->n, sheet->sorted, sizeof text, text))
        fprintf(out, "In no chart: %s. `left_out` in table.csv says which.\n\n", text);
    if (sheet->again > 0)
        fprintf(out, "Left out: %d row%s of cells that were run again later.\n\n", sheet->again,
                sheet->again == 1 ? "" : "s");
}

/* ---- machines ---- */

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

struct machine {
    uint64_t hash; /* of what put_machine says */
    int place;     /* of a row that ran on it */
};

static struct machine machine_of(const struct sheet *sheet, int place)
{
    const struct record_env *env = &sheet->v[place].record->env;
    char hardware[256];
    const char *const text[] = {env_hardware(env, hardware, sizeof hardware),
                                env->host,
                                env->os,
                                env->compiler,
                                env->commit,
                                env->dirty == RECORD_YES ? "changed" : ""};
    struct machine m = {0, place};
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++)
        m.hash = hash_text(m.hash, text[i] ? text[i] : "");
    return m;
}

static int by_place(const void *a, const void *b)
{
    const struct machine *x = a, *y = b;
    return (x->place > y->place) - (x->place < y->place);
}

static int by_hash(const void *a, const void *b)
{
    const struct machine *x = a, *y = b;
    return x->hash == y->hash ? by_place(a, b) : x->hash < y->hash ? -1 : 1;
}

/* In the order of the rows. */
static enum status put_machines(FILE *out, const struct sheet *sheet)
{
    enum { MOST = 50 };
    int n = 0;
    struct machine *m = calloc((size_t)sheet->n + 1, sizeof *m);
    if (!m)
        return fail(ST_OOM, "table: no memory for %d machines", sheet->n);
    for (int i = 0; i < sheet->n; i++)
        m[i] = machine_of(sheet, i);
    qsort(m, (size_t)sheet->n, sizeof *m, by_hash);
    for (int i = 0; i < sheet->n; i++)
        if (i == 0 || m[i].hash != m[i - 1].hash)
            m[n++] = m[i];
    qsort(m, (size_t)n, sizeof *m, by_place);
    fputs("## Machine and build\n\n", out);
    for (int i = 0; i < n && i < MOST; i++)
        put_machine(out, &sheet->v[m[i].place].record->env);
    if (n > MOST)
        fprintf(out, "- and %d others, which table.csv names\n", n - MOST);
    free(m);
    return ST_OK;
}

/* ---- throttled ---- */

static const char throttle_legend[] =
    "## Throttled\n\nThe clock of a GPU was held down in at least 5 % of the time that was "
    "measured "
    "(flag `throttled`): by a power limit,\nheat, or the hardware. Times hold for the clock that "
    "stands beside them.\n\n"
    "| model | size | ranks | strategy | machine |\n| --- | --- | ---: | --- | --- |\n";

static void put_throttled(FILE *out, const struct sheet *sheet)
{
    int n = 0;
    char text[1000];
    for (int i = 0; i < sheet->n; i++) {
        const struct record *r = sheet->v[i].record;
        if (!record_has_flag(r, RECORD_THROTTLED))
            continue;
        if (n++ == 0)
            fputs(throttle_legend, out);
        fputs("| ", out);
        table_markdown_text(out, r->cell.model);
        fprintf(out, " | %dx%d | %d | ", r->cell.width, r->cell.height, r->cell.ranks);
        table_markdown_text(out, r->cell.strategy);
        fputs(" | ", out);
        table_markdown_text(out, machine_text(r, sizeof text, text));
        fputs(" |\n", out);
    }
    if (n > 0)
        fputc('\n', out);
}

/* ---- failures ---- */

/* Rows without a number, or with one that must not be used. */
static void put_failures(FILE *out, const struct sheet *sheet)
{
    int failures = 0;
    for (int i = 0; i < sheet->n; i++) {
        const struct record *r = sheet->v[i].record;
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

/* ---- files ---- */

static const char legend[] =
    "`n`: measured loops. `flags`: `noisy` where `t_p90` is over 1.25 times `t_p10`, or where "
    "loops "
    "were repeated until the\nmedian is known well and it was not in the time given; `drift` where "
    "the last third of the loops took longer or\nshorter than the first; `outliers` where some "
    "loops lie far from all others; `shared_gpu` where ranks "
    "took turns on a\nGPU, so that times are nobody's latency. `rounds`: how often the cell was "
    "measured anew, "
    "`spread%`: largest minus smallest\nmedian of these rounds, of the median of all. `t_med`, "
    "`t_p10`, "
    "`t_p90`: latency of one loop, denoising or decoding, in ms, slowest rank.\n`ms/step`: `t_med` "
    "over steps. "
    "`step_med`: median of the single steps of the median loop. `it/s`: steps of all\n"
    "requests a second. `img/s`: requests (images or videos) a second. `speedup`, `eff%`: over "
    "the\nserial run of the same file, host, commit and settings; `-`: there is none. `comm_MB`: "
    "bytes on the wire in one loop, all\nranks; (an) by closed form, (meas) counted. `mem_MB`: the "
    "fullest rank, all in all; `lib_MB` of it is what libraries\ntook, `own_MB` the rest; (an) as "
    "the plan predicts it. MB is 1e6 bytes. `rel_l2`, `maxabs`: what it leaves against "
    "the\none-rank "
    "run that it must equal. `psnr`: in dB, against the serial run.\n\n";

static enum status write_end(const char *path, FILE *out)
{
    bool broken = ferror(out) != 0;
    if (fclose(out) != 0 || broken)
        return fail(ST_IO, "%s could not be written to its end", path);
    printf("%s\n", path);
    return ST_OK;
}

static enum status write_markdown(const char *path, const struct sheet *sheet)
{
    FILE *out = fopen(path, "we");
    if (!out)
        return fail(ST_IO, "%s cannot be written: %s", path, strerror(errno));
    fputs("# Results", out);
    if (sheet->n > 0 && !sheet->v[0].run && sheet->v[0].record->experiment) {
        fputs(": ", out);
        table_markdown_text(out, sheet->v[0].record->experiment);
    }
    fputs("\n\n", out);
    put_counts(out, sheet);
    put_left_out(out, sheet);
    table_markdown(out, sheet->n, sheet->v);
    fputc('\n', out);
    fputs(legend, out);
    put_throttled(out, sheet);
    put_failures(out, sheet);
    enum status st = sheet->n > 0 ? put_machines(out, sheet) : ST_OK;
    enum status end = write_end(path, out);
    return st ? st : end;
}

static enum status write_csv(const char *path, const struct sheet *sheet)
{
    FILE *out = fopen(path, "we");
    if (!out)
        return fail(ST_IO, "%s cannot be written: %s", path, strerror(errno));
    table_csv(out, sheet->n, sheet->v);
    return write_end(path, out);
}

enum status table_files_write(const char *folder, const struct sheet *sheet)
{
    char *csv = NULL, *page = NULL;
    enum status st = ST_OK;
    if (asprintf(&csv, "%s/table.csv", folder) < 0 || asprintf(&page, "%s/table.md", folder) < 0)
        st = fail(ST_OOM, "table: no memory for its names");
    if (st == ST_OK)
        st = write_csv(csv, sheet);
    if (st == ST_OK)
        st = write_markdown(page, sheet);
    free(page);
    free(csv);
    return st;
}
