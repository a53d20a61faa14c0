/* SPDX-License-Identifier: Apache-2.0 */
/* Results files: appending, the last row of an id, torn lines, the lock. */
#include "harness/record/file.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *folder, *path;

static void setup(void)
{
    folder = rows_folder();
    BUG_ON(asprintf(&path, "%s/deep/er/rows.jsonl", folder) < 0, "no memory");
}

static void teardown(void)
{
    free(path);
    rows_folder_remove(folder);
}

TestSuite(record_file, .init = setup, .fini = teardown);

static void append(struct record *record)
{
    struct record_file *file;
    cr_assert_eq(record_file_open(path, &file), ST_OK, "%s", status_text());
    cr_assert_eq(record_file_append(file, record), ST_OK, "%s", status_text());
    record_file_close(file);
    record_close(record);
}

static void append_text(const char *text)
{
    FILE *out = fopen(path, "a");
    cr_assert_not_null(out);
    fputs(text, out);
    fclose(out);
}

static off_t size_of_file(void)
{
    struct stat is;
    cr_assert_eq(stat(path, &is), 0);
    return is.st_size;
}

Test(record_file, rows_are_read_in_their_order)
{
    struct record_list list;
    bool torn;
    append(rows_ok("serial", 1, 10));
    append(rows_ok("ring=2", 2, 6));
    append_text("\n  \n"); // empty lines mean nothing
    append(rows_failed("ring=3", 3, ENDING_UNSUPPORTED, "3 does not divide"));
    cr_assert_eq(record_file_read(path, &list, &torn), ST_OK, "%s", status_text());
    cr_assert_eq(list.n, 3);
    cr_assert_not(torn);
    cr_assert_str_eq(list.v[0]->cell.strategy, "serial");
    cr_assert_str_eq(list.v[1]->cell.strategy, "ring=2");
    cr_assert_eq(list.v[2]->status, ENDING_UNSUPPORTED);
    cr_assert_eq(record_list_find(&list, list.v[1]->id), list.v[1]);
    cr_assert_null(record_list_find(&list, "0000000000000000"));
    record_list_release(&list);
}

Test(record_file, the_last_row_of_an_id_counts)
{
    struct record_list list;
    append(rows_failed("ring=2", 2, ENDING_INTERRUPTED, NULL));
    append(rows_ok("serial", 1, 10));
    append(rows_failed("ring=2", 2, ENDING_TIMEOUT, "slow"));
    append(rows_ok("serial", 1, 11));
    append(rows_ok("ring=2", 2, 6));
    append(rows_ok("serial", 1, 12));
    cr_assert_eq(record_file_read(path, &list, NULL), ST_OK);
    cr_assert_eq(list.n, 2);
    cr_assert_str_eq(list.v[0]->cell.strategy, "ring=2"); // at the place of the first
    cr_assert_eq(list.v[0]->status, ENDING_OK);
    cr_assert_eq(list.v[1]->latency_ms.median, 12);
    record_list_release(&list);
}

Test(record_file, a_torn_last_line_is_left_out_and_cut_off)
{
    struct record_list list;
    struct record_file *file;
    bool torn;
    size_t cut;
    append(rows_ok("serial", 1, 10));
    off_t whole = size_of_file();
    append_text("{\"schema\": \"ditbench-rec");
    cr_assert_eq(record_file_read(path, &list, &torn), ST_OK);
    cr_assert(torn);
    cr_assert_eq(list.n, 1);
    record_list_release(&list);
    cr_assert_eq(record_file_open(path, &file), ST_OK);
    cr_assert_eq(record_file_repair(file, &cut), ST_OK);
    cr_assert_eq(cut, strlen("{\"schema\": \"ditbench-rec"));
    cr_assert_eq(size_of_file(), whole);
    cr_assert_eq(record_file_repair(file, &cut), ST_OK);
    cr_assert_eq(cut, 0);
    record_file_close(file);
}

Test(record_file, a_file_that_is_one_torn_line_becomes_empty)
{
    struct record_file *file;
    size_t cut;
    cr_assert_eq(record_file_open(path, &file), ST_OK);
    cr_assert_eq(record_file_repair(file, &cut), ST_OK); // empty: nothing to do
    cr_assert_eq(cut, 0);
    char junk[10000];
    memset(junk, 'x', sizeof junk);
    junk[sizeof junk - 1] = '\0';
    append_text(junk);
    cr_assert_eq(record_file_repair(file, &cut), ST_OK);
    cr_assert_eq(cut, sizeof junk - 1);
    cr_assert_eq(size_of_file(), 0);
    record_file_close(file);
}

/* Killed between the row and its '\n': the row counts, once. */
Test(record_file, a_whole_last_line_without_its_end_is_kept)
{
    struct record_list list;
    struct record_file *file;
    bool torn;
    size_t cut;
    append(rows_ok("serial", 1, 10));
    off_t whole = size_of_file();
    cr_assert_eq(truncate(path, whole - 1), 0);
    cr_assert_eq(record_file_read(path, &list, &torn), ST_OK);
    cr_assert_eq(list.n, 1);
    cr_assert_not(torn);
    record_list_release(&list);
    cr_assert_eq(record_file_open(path, &file), ST_OK);
    cr_assert_eq(record_file_repair(file, &cut), ST_OK);
    record_file_close(file);
    cr_assert_eq(cut, 0);
    cr_assert_eq(size_of_file(), whole);
    append(rows_ok("ring=2", 2, 10));
    cr_assert_eq(record_file_read(path, &list, &torn), ST_OK);
    cr_assert_eq(list.n, 2);
    record_list_release(&list);
}

/* Whatever byte a write stops at, repairing and appending gives a file of whole rows. */
Test(record_file, every_torn_length_is_repaired)
{
    append(rows_ok("serial", 1, 10));
    off_t first = size_of_file();
    append(rows_ok("ring=2", 2, 6));
    off_t whole = size_of_file();
    for (off_t length = first; length <= whole; length += 37) {
        struct record_list list;
        struct record_file *file;
        size_t cut;
        cr_assert_eq(truncate(path, length), 0);
        cr_assert_eq(record_file_open(path, &file), ST_OK);
        cr_assert_eq(record_file_repair(file, &cut), ST_OK);
        cr_assert_eq((off_t)cut, length - first);
        record_file_close(file);
        append(rows_ok("ring=2", 2, 6));
        cr_assert_eq(size_of_file(), whole);
        cr_assert_eq(record_file_read(path, &list, NULL), ST_OK);
        cr_assert_eq(list.n, 2);
        record_list_release(&list);
    }
}

Test(record_file, a_broken_line_inside_is_an_error_with_its_number)
{
    struct record_list list;
    append(rows_ok("serial", 1, 10));
    append_text("{\"schema\": 1}\n");
    append(rows_ok("ring=2", 2, 6));
    cr_assert_eq(record_file_read(path, &list, NULL), ST_INVALID);
    cr_assert_not_null(strstr(status_message(), "rows.jsonl: line 2: schema"), "%s",
                       status_message());
    record_list_release(&list);
}

Test(record_file, a_missing_file_is_an_io_error)
{
    struct record_list list;
    cr_assert_eq(record_file_read(path, &list, NULL), ST_IO);
    cr_assert_not_null(strstr(status_message(), path));
    record_list_release(&list);
}

Test(record_file, a_second_sweep_is_refused)
{
    struct record_file *first, *second;
    cr_assert_eq(record_file_open(path, &first), ST_OK);
    cr_assert_eq(record_file_open(path, &second), ST_INVALID);
    cr_assert_null(second);
    cr_assert_not_null(strstr(status_message(), "another sweep"), "%s", status_message());
    record_file_close(first);
    cr_assert_eq(record_file_open(path, &second), ST_OK);
    record_file_close(second);
}

Test(record_file, a_full_disk_is_an_io_error)
{
    struct record_file *file;
    struct record *r = rows_ok("serial", 1, 10);
    cr_assert_eq(record_file_open("/dev/full", &file), ST_OK, "%s", status_text());
    cr_assert_eq(record_file_append(file, r), ST_IO);
    cr_assert_not_null(strstr(status_message(), "No space left"), "%s", status_message());
    record_file_close(file);
    record_close(r);
}

Test(record_file, names_that_cannot_be_opened)
{
    struct record_file *file;
    cr_assert_eq(record_file_open("", &file), ST_INVALID);
    cr_assert_eq(record_file_open("/proc/no/rows.jsonl", &file), ST_IO);
    cr_assert_not_null(strstr(status_message(), "/proc/no"), "%s", status_message());
    cr_assert_eq(record_file_open("/tmp", &file), ST_IO);
}
