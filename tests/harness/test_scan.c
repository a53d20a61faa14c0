/* SPDX-License-Identifier: Apache-2.0 */
/* The quick way of reading a line gives what the thorough one gives, or nothing. */
#include "harness/record/scan.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *line_of(const struct record *record)
{
    char *line;
    size_t size;
    cr_assert_eq(record_write(record, &line, &size), ST_OK);
    line[size - 1] = '\0'; // the line's end
    return line;
}

static bool scans(const char *line)
{
    struct record *record;
    struct scan found;
    cr_assert_eq(record_open(&record), ST_OK);
    bool read = scan_record(line, strlen(line), record, &found);
    record_close(record);
    return read;
}

/* The record of a line as text again; `thoroughly`: with a key that only JSON's reader skips. */
static char *read_again(const char *line, bool thoroughly)
{
    struct record *record;
    char *text = NULL;
    cr_assert_gt(asprintf(&text, "%.*s%s}", (int)strlen(line) - 1, line,
                          thoroughly ? ", \"later\": {\"key\": [1]}" : ""),
                 0);
    cr_assert_eq(scans(text), !thoroughly);
    cr_assert_eq(record_read(text, strlen(text), 1, &record), ST_OK, "%s", status_text());
    free(text);
    text = line_of(record);
    record_close(record);
    return text;
}

static void same_both_ways(const char *line)
{
    char *quick = read_again(line, false), *thorough = read_again(line, true);
    cr_assert_str_eq(quick, thorough);
    free(quick);
    free(thorough);
}

Test(scan, rows_are_the_same_both_ways)
{
    struct record *row[] = {rows_ok("ring=2", 2, 40), rows_ok("serial", 1, 1e-3),
                            rows_failed("ring=3", 3, ENDING_OOM, "full")};
    for (int i = 0; i < 3; i++) {
        char *line = line_of(row[i]);
        same_both_ways(line);
        free(line);
        record_close(row[i]);
    }
}

/* `with` instead of the row's first median, whatever it is. */
static char *with_median(const char *median)
{
    struct record *record = rows_ok("serial", 1, 77);
    record->latency_ms.samples.n = 0; // else the median is theirs
    char *line = line_of(record), *text = NULL;
    char *at = strstr(line, "\"median\": 77,");
    cr_assert_not_null(at);
    cr_assert_gt(asprintf(&text, "%.*s\"median\": %s,%s", (int)(at - line), line, median, at + 13),
                 0);
    free(line);
    record_close(record);
    return text;
}

Test(scan, numbers_are_the_same_both_ways)
{
    static const char *const edge[] = {
        "0",
        "-0",
        "-0.0",
        "1e5",
        "1E+5",
        "1.5e-7",
        "0.1",
        "123456789012345678",
        "1e-400",
        "4.9e-324",
        "1.7976931348623157e308",
        "0.30000000000000004",
        "9007199254740993.0",
        "9007199254740992.5",
        "2.2250738585072011e-308",
        "1234567890123456789012345678901234567890.5",
        "0.00000000000000000000000000001",
    };
    for (size_t i = 0; i < sizeof edge / sizeof edge[0]; i++) {
        char *line = with_median(edge[i]), *thorough = read_again(line, true);
        if (scans(line)) {
            char *quick = read_again(line, false);
            cr_assert_str_eq(quick, thorough, "%s", edge[i]);
            free(quick);
        }
        free(thorough);
        free(line);
    }
    uint64_t random = 7;
    for (int i = 0; i < 20000; i++) {
        char text[64];
        random = random * 6364136223846793005 + 1442695040888963407;
        double value = ldexp((double)(random >> 11), (int)(random % 90) - 80);
        snprintf(text, sizeof text, "%.*g", (int)(random % 3) + 15, value);
        double want = strtod(text, NULL);
        char *line = with_median(text);
        struct record *record;
        cr_assert_eq(record_read(line, strlen(line), 1, &record), ST_OK);
        cr_assert_eq(record->latency_ms.median, want, "%s", text);
        record_close(record);
        free(line);
    }
}

Test(scan, blanks_and_other_orders_are_fine)
{
    struct record *record = rows_ok("ring=2", 2, 40);
    char *line = line_of(record), *text = NULL;
    const char *status = "\"status\": \"ok\", ";
    char *at = strstr(line, status);
    cr_assert_gt(asprintf(&text, "{ %s\t%.*s %s", status, (int)(at - line) - 1, line + 1,
                          at + strlen(status)),
                 0);
    cr_assert(scans(text), "%s", text);
    same_both_ways(text);
    free(text);
    free(line);
    record_close(record);
}

static void not_scanned(const char *line, const char *what, const char *instead)
{
    char *text = NULL;
    const char *at = strstr(line, what);
    cr_assert_not_null(at, "%s", what);
    cr_assert_gt(asprintf(&text, "%.*s%s%s", (int)(at - line), line, instead, at + strlen(what)),
                 0);
    cr_assert_not(scans(text), "%s instead of %s", instead, what);
    free(text);
}

Test(scan, what_is_not_plain_is_left_to_the_thorough_way)
{
    struct record *record = rows_ok("ring=2", 2, 40);
    char *line = line_of(record);
    cr_assert(scans(line));
    not_scanned(line, "ditbench-record-1", "ditbench-record-2");
    not_scanned(line, "\"ranks\": 2", "\"ranks\": 2.0");
    not_scanned(line, "\"ranks\": 2", "\"ranks\": -2");
    not_scanned(line, "\"ranks\": 2", "\"ranks\": 02");
    not_scanned(line, "\"ranks\": 2", "\"ranks\": 3000000000");
    not_scanned(line, "\"ranks\": 2", "\"ranks\": 2, \"ranks\": 2");
    not_scanned(line, "\"ranks\": 2", "\"ranks\": null");
    not_scanned(line, "\"ranks\": 2", "\"ranks\" 2");
    not_scanned(line, "\"median\": 40,", "\"median\": 40.,");
    not_scanned(line, "\"median\": 40,", "\"median\": 1e999,");
    not_scanned(line, "\"median\": 40,", "\"median\": 12345678901234567890,");
    not_scanned(line, "\"median\": 40,", "\"median\": nan,");
    not_scanned(line, "\"median\": 40,", "\"median\": 0x10,");
    not_scanned(line, "\"median\": 40, ", "");
    not_scanned(line, "pixart-tiny", "pix\\u0061rt");
    not_scanned(line, "pixart-tiny", "pix\tart");
    not_scanned(line, "pixart-tiny", "pix\xe9rt");
    not_scanned(line, "\"status\": \"ok\"", "\"status\": \"fine\"");
    not_scanned(line, "{\"jansson\": ", "{\"a\": \"b\", \"a\": \"c\", \"jansson\": ");
    not_scanned(line, "\"comm\": [", "\"comm\": [,");
    for (size_t n = 0; n < strlen(line); n += 7) {
        char *torn = strndup(line, n);
        cr_assert_not(scans(torn));
        free(torn);
    }
    free(line);
    record_close(record);
}
