/* SPDX-License-Identifier: Apache-2.0 */
/* Tables: values of a row, alignment, and texts that would break the format they go into. */
#include "harness/report/page.h"
#include "harness/report/table.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 3 };

struct sheet {
    struct record *record[ROWS];
    struct table_row row[ROWS];
};

/* serial 100 ms; ring=2 in 40 ms; ring=3 out of memory. */
static struct sheet sheet_open(void)
{
    struct sheet s = {.record = {rows_ok("serial", 1, 100), rows_ok("ring=2", 2, 40),
                                 rows_failed("ring=3", 3, ENDING_OOM, "full: \"a, b\"")}};
    table_rows(ROWS, (const struct record *const *)s.record, s.row);
    return s;
}

static void sheet_close(struct sheet *s)
{
    for (int i = 0; i < ROWS; i++)
        record_close(s->record[i]);
}

static char *csv_of(int n, const struct table_row *rows)
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
    struct sheet s = sheet_open();
    char *csv = csv_of(ROWS, s.row);
    cr_assert_str_eq(csv_field(csv, "strategy", 1), "ring=2");
    cr_assert_str_eq(csv_field(csv, "latency_median_ms", 1), "40");
    cr_assert_str_eq(csv_field(csv, "latency_p10_ms", 1), "39.2");
    cr_assert_str_eq(csv_field(csv, "latency_p90_ms", 1), "41.6");
    cr_assert_str_eq(csv_field(csv, "step_median_ms", 1), "2");
    cr_assert_str_eq(csv_field(csv, "steps_per_s", 1), "500");
    cr_assert_str_eq(csv_field(csv, "speedup", 1), "2.5");
    cr_assert_str_eq(csv_field(csv, "efficiency_percent", 1), "125");
    cr_assert_str_eq(csv_field(csv, "comm_counted_mb", 1), "0.002");
    cr_assert_str_eq(csv_field(csv, "comm_predicted_mb", 1), "0.002");
    cr_assert_str_eq(csv_field(csv, "memory_peak_mib", 1), "0.00381565094"); // 4001 bytes
    cr_assert_str_eq(csv_field(csv, "check_rel_l2", 1), "3e-07");
    cr_assert_str_eq(csv_field(csv, "check_pass", 1), "yes");
    cr_assert_str_eq(csv_field(csv, "speedup", 0), "1");
    cr_assert_str_eq(csv_field(csv, "comm_counted_mb", 0), "0");
    cr_assert_str_eq(csv_field(csv, "status", 2), "oom");
    cr_assert_str_eq(csv_field(csv, "latency_median_ms", 2), ""); // nothing, not 0
    cr_assert_str_eq(csv_field(csv, "comm_counted_mb", 2), "");
    cr_assert_str_eq(csv_field(csv, "memory_peak_mib", 2), "");
    cr_assert_not_null(strstr(csv, ",\"full: \"\"a, b\"\"\","), "RFC 4180 quotes");
    free(csv);
    sheet_close(&s);
}

Test(table, speedup_needs_a_serial_row_of_the_same_cell)
{
    struct sheet s = sheet_open();
    s.record[0]->cell.steps = 21;
    table_rows(ROWS, (const struct record *const *)s.record, s.row);
    char *csv = csv_of(ROWS, s.row);
    cr_assert_str_eq(csv_field(csv, "speedup", 1), "");
    free(csv);
    s.record[0]->cell.steps = 20;
    s.record[0]->status = ENDING_WRONG; // a wrong run is no yardstick
    table_rows(ROWS, (const struct record *const *)s.record, s.row);
    csv = csv_of(ROWS, s.row);
    cr_assert_str_eq(csv_field(csv, "speedup", 1), "");
    free(csv);
    sheet_close(&s);
}

Test(table, console_rows_stand_under_their_titles)
{
    struct sheet s = sheet_open();
    char *text;
    cr_assert_eq(table_text(ROWS, s.row, &text), ST_OK);
    size_t width = strcspn(text, "\n");
    int lines = 0;
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1, lines++)
        cr_assert_eq(strcspn(line, "\n"), width);
    cr_assert_eq(lines, ROWS + 1);
    const char *title = strstr(text, "t_med(ms)");
    const char *row = text + 2 * (width + 1);
    cr_assert_eq(strncmp(row + (title - text), "    40.00", 9), 0, "%s", text);
    free(text);
    sheet_close(&s);
}

Test(table, console_row_of_one_record)
{
    struct record *r = rows_ok("ring=2", 2, 40);
    char *text;
    cr_assert_eq(table_row_text(r, &text), ST_OK);
    cr_assert_str_eq(
        text, "model       size    steps dtype ranks strategy | warm reps | t_med(ms) t_p10 t_p90 "
              "| step_ms "
              " it/s | comm_MB(an) comm_MB(meas) mem_MiB |   rel_l2   maxabs  psnr verdict\n"
              "pixart-tiny 256x256    20 fp32      2 ring=2   |    1    5 |     40.00 39.20 41.60 "
              "|   2.000 "
              "500.0 |       0.002         0.002   0.004 | 3.00e-07 1.00e-06 120.5 ok     \n");
    free(text);
    record_close(r);
}

/* Equal latents have no distance: an infinite PSNR, which JSON writes as null. */
Test(table, psnr_of_equal_latents_is_infinite)
{
    struct record *r = rows_ok("serial", 1, 40);
    struct table_row row;
    r->deviation.rel_l2 = 0;
    r->deviation.psnr_db = NAN;
    table_rows(1, (const struct record *const *)&r, &row);
    char *csv = csv_of(1, &row);
    cr_assert_str_eq(csv_field(csv, "deviation_psnr_db", 0), "inf");
    free(csv);
    record_close(r);
}

Test(table, console_keeps_control_characters_off_the_terminal)
{
    struct record *r = rows_ok("serial", 1, 40);
    char *text;
    rows_set_model(r, "a\x1b[31m\nb é");
    cr_assert_eq(table_row_text(r, &text), ST_OK);
    cr_assert_null(strchr(text, '\x1b'));
    cr_assert_not_null(strstr(text, "\na [31m b é "), "%s", text);
    free(text);
    record_close(r);
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
    struct sheet s = sheet_open();
    char *folder = rows_folder();
    size_t size;
    cr_assert_eq(page_write(folder, ROWS, (const struct record *const *)s.record), ST_OK);
    char *page = rows_file_text(folder, "table.md", &size);
    cr_assert_not_null(strstr(page, "3 rows: 2 ok, 1 oom."), "%s", page);
    cr_assert_not_null(
        strstr(page, "| pixart-tiny | 256x256 | 3 | ring=3 | oom | full: \"a, b\" |\n"), "%s",
        page);
    cr_assert_not_null(strstr(page, "A CPU, 2 cores; host here; Linux; gcc; commit 0123456789ab\n"),
                       "%s", page);
    free(page);
    rows_folder_remove(folder);
    sheet_close(&s);
}

Test(table, report_of_nothing)
{
    char *folder = rows_folder();
    size_t size;
    cr_assert_eq(page_write(folder, 0, NULL), ST_OK);
    char *page = rows_file_text(folder, "table.md", &size);
    cr_assert_not_null(strstr(page, "0 rows.\n"), "%s", page);
    free(page);
    char *csv = rows_file_text(folder, "table.csv", &size);
    cr_assert_eq(strncmp(csv, "id,experiment,", 14), 0);
    cr_assert_eq(strchr(csv, '\n'), csv + size - 1);
    free(csv);
    rows_folder_remove(folder);
}
