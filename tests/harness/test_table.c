/* SPDX-License-Identifier: Apache-2.0 */
/* Tables: values of a row, alignment, and texts that would break the format they go into. */
#include "harness/base/fold.h"
#include "harness/report/table.h"
#include "harness/report/table_files.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 3 };

static struct record *record[ROWS];
static struct sheet sheet;

static const struct record *const *records(void)
{
    return (const struct record *const *)record;
}

/* serial 100 ms; ring=2 in 40 ms; ring=3 out of memory. */
static void open_rows(void)
{
    record[0] = rows_ok("serial", 1, 100);
    record[1] = rows_ok("ring=2", 2, 40);
    record[2] = rows_failed("ring=3", 3, ENDING_OOM, "full: \"a, b\"");
    cr_assert_eq(sheet_open(ROWS, records(), NULL, &sheet), ST_OK);
}

static void close_rows(void)
{
    sheet_close(&sheet);
    for (int i = 0; i < ROWS; i++)
        record_close(record[i]);
}

TestSuite(table, .init = open_rows, .fini = close_rows);

static char *csv_of(int n, const struct sheet_row *rows)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    table_csv(out, n, rows);
    fclose(out);
    return text;
}

/* Field `name` of line `row` (0: the first below the header) of a CSV text without quotes up to
 * there. */
static char *csv_field(const char *csv, const char *name, int row)
{
    static char field[256];
    int column = 0;
    size_t length = strlen(name);
    for (const char *h = csv;
         strncmp(h, name, length) != 0 || (h[length] != ',' && h[length] != '\n'); column++) {
        h = strpbrk(h, ",\n");
        cr_assert(h && *h == ',', "no column %s", name);
        h++;
    }
    for (; row >= 0; row--)
        csv = strchr(csv, '\n') + 1;
    for (; column > 0; column--)
        csv = strchr(csv, ',') + 1;
    snprintf(field, sizeof field, "%.*s", (int)strcspn(csv, ",\n"), csv);
    return field;
}

Test(table, csv_holds_the_numbers)
{
    record[1]->memory_bytes.library.v[0] = 500; // the first rank holds most with it
    char *csv = csv_of(ROWS, sheet.v);
    cr_assert_str_eq(csv_field(csv, "strategy", 1), "ring=2");
    cr_assert_str_eq(csv_field(csv, "exchange", 1), "auto");
    cr_assert_str_eq(csv_field(csv, "graph", 1), "yes");
    cr_assert_str_eq(csv_field(csv, "samples", 1), "5");
    cr_assert_str_eq(csv_field(csv, "latency_median_ms", 1), "40");
    cr_assert_str_eq(csv_field(csv, "latency_p10_ms", 1), "39.2");
    cr_assert_str_eq(csv_field(csv, "latency_p90_ms", 1), "41.6");
    cr_assert_str_eq(csv_field(csv, "speedup", 1), "2.5");
    cr_assert_str_eq(csv_field(csv, "speedup_low", 1), "2.35576923");  // 98 / 41.6
    cr_assert_str_eq(csv_field(csv, "speedup_high", 1), "2.65306122"); // 104 / 39.2
    cr_assert_str_eq(csv_field(csv, "efficiency_percent", 1), "125");
    cr_assert_str_eq(csv_field(csv, "comm_counted_mb", 1), "0.002");
    cr_assert_str_eq(csv_field(csv, "comm_predicted_mb", 1), "0.002");
    cr_assert_str_eq(csv_field(csv, "memory_total_mb", 1), "0.0045"); // 4000 and 500 bytes
    cr_assert_str_eq(csv_field(csv, "memory_library_mb", 1), "0.0005");
    cr_assert_str_eq(csv_field(csv, "memory_own_mb", 1), "0.004");
    cr_assert_str_eq(csv_field(csv, "check_rel_l2", 1), "3e-07");
    cr_assert_str_eq(csv_field(csv, "check_pass", 1), "yes");
    cr_assert_str_eq(csv_field(csv, "speedup", 0), "1");
    cr_assert_str_eq(csv_field(csv, "comm_counted_mb", 0), "0");
    cr_assert_str_eq(csv_field(csv, "status", 2), "oom");
    cr_assert_str_eq(csv_field(csv, "latency_median_ms", 2), ""); // nothing, not 0
    cr_assert_str_eq(csv_field(csv, "comm_counted_mb", 2), "");
    cr_assert_str_eq(csv_field(csv, "memory_total_mb", 2), "");
    cr_assert_not_null(strstr(csv, ",\"full: \"\"a, b\"\"\","), "RFC 4180 quotes");
    free(csv);
}

/* A step of a loop, the median of single steps, steps of all requests a second, images a second. */
Test(table, times_and_rates_say_which)
{
    record[1]->cell.requests = 3;
    record[1]->step_ms.median = 1.75;
    record_set_numbers(record[1], &record[1]->env.load, 2, (double[]){0.5, 3});
    char *csv = csv_of(ROWS, sheet.v);
    cr_assert_str_eq(csv_field(csv, "ms_per_step", 1), "2"); // 40 ms over 20 steps
    cr_assert_str_eq(csv_field(csv, "step_med_ms", 1), "1.75");
    cr_assert_str_eq(csv_field(csv, "it_per_s", 1), "1500");
    cr_assert_str_eq(csv_field(csv, "img_per_s", 1), "75");
    cr_assert_str_eq(csv_field(csv, "load_end", 1), "3"); // of the host: a reason for noise
    cr_assert_str_eq(csv_field(csv, "load_end", 0), "");
    free(csv);
}

Test(table, a_noisy_row_says_so_in_every_table)
{
    size_t size;
    char *text, *markdown;
    record[1]->latency_ms.p90 = 1.26 * record[1]->latency_ms.p10;
    record_flag(record[1]);
    char *csv = csv_of(ROWS, sheet.v);
    cr_assert_str_eq(csv_field(csv, "flags", 0), "");
    cr_assert_str_eq(csv_field(csv, "flags", 1), "noisy");
    cr_assert_eq(table_text(ROWS, sheet.v, &text), ST_OK);
    cr_assert_not_null(strstr(text, "ok,noisy"), "%s", text);
    FILE *out = open_memstream(&markdown, &size);
    table_markdown(out, ROWS, sheet.v);
    fclose(out);
    cr_assert_not_null(strstr(markdown, "| noisy |"), "%s", markdown);
    free(markdown);
    free(text);
    free(csv);
}

static void width_at_most_100(const char *text)
{
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        cr_assert_leq(strcspn(line, "\n"), FOLD_WIDTH, "%s", text);
}

Test(table, console_rows_are_folded_under_their_titles)
{
    char *text;
    int lines = 0;
    cr_assert_eq(table_text(ROWS, sheet.v, &text), ST_OK);
    width_at_most_100(text);
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        lines++;
    cr_assert_eq(lines, 2 * (ROWS + 1));
    const char *title = strstr(text, "t_med(ms)"), *row = text;
    for (int i = 0; i < 4; i++) // the second row's first line
        row = strchr(row, '\n') + 1;
    cr_assert_eq(strncmp(row + (title - text), "    40.00", 9), 0, "%s", text);
    free(text);
}

Test(table, console_row_of_one_record)
{
    char *text;
    cr_assert_eq(table_row_text(record[1], &text), ST_OK);
    cr_assert_str_eq(
        text,
        "model       size    steps dtype ranks strategy | warm reps | t_med(ms) t_p10 t_p90\n"
        "  ms/step step_med  it/s img/s | comm_MB(an) comm_MB(meas) mem_MB |   rel_l2   maxabs "
        " psnr verdict\n"
        "pixart-tiny 256x256    20 fp32      2 ring=2   |    1    5 |     40.00 39.20 41.60\n"
        "    2.000    2.000 500.0 25.00 |       0.002         0.002  0.004 | 3.00e-07 1.00e-06 "
        "120.5 ok\n");
    free(text);
}

Test(table, console_rows_of_long_names_fit_too)
{
    char *text;
    record[1]->cell.strategy = "cfg=2,pipefusion=4:patches=16:warmup=2,ring=2,ulysses=4";
    record[1]->cell.model = "/a/very/long/path/to/some/checkpoint/folder/of/a/model/that/is/deep";
    record[1]->cell.width = record[1]->cell.height = 16384;
    record[1]->latency_ms.median = 123456789;
    record[1]->comm.v[0].wire_bytes = 1ull << 60;
    cr_assert_eq(table_row_text(record[1], &text), ST_OK);
    width_at_most_100(text);
    cr_assert_not_null(strstr(text, "cfg=2,pipefusio...ring=2,ulysses=4"), "%s", text);
    free(text);
}

/* Rows that differ in what is mostly the same are told apart. */
Test(table, markdown_shows_what_differs)
{
    static const char *const runs[ROWS] = {"before", "before", "after"};
    char *text;
    size_t size;
    for (int differs = 0; differs < 2; differs++) {
        sheet_close(&sheet);
        cr_assert_eq(sheet_open(ROWS, records(), differs ? runs : NULL, &sheet), ST_OK);
        record[1]->cell.exchange = differs ? "lsa" : "auto";
        FILE *out = open_memstream(&text, &size);
        table_markdown(out, ROWS, sheet.v);
        fclose(out);
        cr_assert_eq(strstr(text, "| run |") != NULL, differs, "%s", text);
        cr_assert_eq(strstr(text, "| exchange |") != NULL, differs, "%s", text);
        cr_assert_eq(strstr(text, "| after |") != NULL, differs, "%s", text);
        cr_assert_null(strstr(text, "| threads |"), "%s", text);
        free(text);
    }
}

/* Equal latents have no distance: an infinite PSNR, which JSON writes as null. */
Test(table, psnr_of_equal_latents_is_infinite)
{
    record[0]->deviation.rel_l2 = 0;
    record[0]->deviation.psnr_db = NAN;
    char *csv = csv_of(ROWS, sheet.v);
    cr_assert_str_eq(csv_field(csv, "deviation_psnr_db", 0), "inf");
    free(csv);
}

Test(table, console_keeps_control_characters_off_the_terminal)
{
    char *text;
    rows_set_model(record[0], "a\x1b[31m\nb é");
    cr_assert_eq(table_row_text(record[0], &text), ST_OK);
    cr_assert_null(strchr(text, '\x1b'));
    cr_assert_not_null(strstr(text, "\na\xef\xbf\xbd[31m b é "), "%s", text);
    free(text);
}

Test(table, markdown_shows_texts_as_they_are)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    table_markdown_text(out, "a|b `c` *d* <e> & [f](g)\n#h _i_ \\");
    fclose(out);
    cr_assert_str_eq(text, "a\\|b \\`c\\` \\*d\\* &lt;e> &amp; \\[f\\](g) \\#h \\_i\\_ \\\\");
    free(text);
}

Test(table, report_lists_what_failed_with_its_reason)
{
    char *folder = rows_folder();
    size_t size;
    sheet.v[2].left_out = "oom";
    cr_assert_eq(table_files_write(folder, &sheet), ST_OK);
    char *page = rows_file_text(folder, "table.md", &size);
    cr_assert_not_null(strstr(page, "3 rows: 2 ok, 1 oom."), "%s", page);
    cr_assert_not_null(strstr(page, "In no chart: 1 oom."), "%s", page);
    cr_assert_not_null(
        strstr(page, "| pixart-tiny | 256x256 | 3 | ring=3 | oom | full: \"a, b\" |\n"), "%s",
        page);
    cr_assert_not_null(strstr(page, "A CPU, 2 cores; host here; Linux; gcc; commit 0123456789ab\n"),
                       "%s", page);
    free(page);
    rows_folder_remove(folder);
}

Test(table, report_names_each_machine_once)
{
    char *folder = rows_folder();
    size_t size;
    record[1]->env.host = "there";
    cr_assert_eq(table_files_write(folder, &sheet), ST_OK);
    char *page = rows_file_text(folder, "table.md", &size);
    const char *first = strstr(page, "; host here;"), *second = strstr(page, "; host there;");
    cr_assert(first && second && first < second, "%s", page);
    cr_assert_null(strstr(first + 1, "; host here;"), "%s", page);
    free(page);
    rows_folder_remove(folder);
}

Test(table, report_of_nothing)
{
    struct sheet nothing;
    char *folder = rows_folder();
    size_t size;
    cr_assert_eq(sheet_open(0, NULL, NULL, &nothing), ST_OK);
    cr_assert_eq(table_files_write(folder, &nothing), ST_OK);
    sheet_close(&nothing);
    char *page = rows_file_text(folder, "table.md", &size);
    cr_assert_not_null(strstr(page, "0 rows.\n"), "%s", page);
    free(page);
    char *csv = rows_file_text(folder, "table.csv", &size);
    cr_assert_eq(strncmp(csv, "id,run,experiment,", 18), 0);
    cr_assert_eq(strchr(csv, '\n'), csv + size - 1);
    free(csv);
    rows_folder_remove(folder);
}
