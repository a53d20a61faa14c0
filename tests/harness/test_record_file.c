/* SPDX-License-Identifier: Apache-2.0 */
/* Results files: appending, the last row of an id, torn lines, the lock, and files that others
 * delete, replace or change meanwhile. */
#include "harness/record/file.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
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
    char junk[10000] = "{\"schema\": \"";
    memset(junk + 12, 'x', sizeof junk - 13);
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

/* ---- somebody else's files ---- */

static void write_text(const char *text)
{
    FILE *out = fopen(path, "w");
    cr_assert_not_null(out);
    fputs(text, out);
    fclose(out);
}

static char *text_of_file(const char *name)
{
    size_t size;
    char *text = rows_file_text("", name, &size);
    cr_assert_not_null(text);
    return text;
}

static char *line_of(struct record *record)
{
    char *line;
    size_t size;
    cr_assert_eq(record_write(record, &line, &size), ST_OK);
    record_close(record);
    return line;
}

static void is_refused_untouched(const char *text)
{
    struct record_file *file;
    size_t cut;
    write_text(text);
    cr_assert_eq(record_file_open(path, &file), ST_OK, "%s", status_text());
    cr_assert_eq(record_file_repair(file, &cut), ST_INVALID, "%.40s", text);
    record_file_close(file);
    char *after = text_of_file(path);
    cr_assert_str_eq(after, text);
    free(after);
}

Test(record_file, a_foreign_file_is_refused_and_left_as_it_is)
{
    struct record_file *file;
    cr_assert_eq(record_file_open(path, &file), ST_OK);
    record_file_close(file);
    is_refused_untouched("notes of a week\n\nand a last line without its end");
    is_refused_untouched("one line without its end");
    is_refused_untouched("{\"name\": \"some JSON\"");
    is_refused_untouched("\n\n{\"name\": \"some JSON\"");
    char *row = line_of(rows_ok("serial", 1, 10));
    char *text = NULL;
    cr_assert(asprintf(&text, "%s{\"schema\": 1}\n%.50s", row, row) > 0);
    is_refused_untouched(text); // two lines of ours around one that is not
    free(text);
    free(row);
}

Test(record_file, only_regular_files_are_opened)
{
    struct record_file *file;
    struct record_list list;
    append(rows_ok("serial", 1, 10)); // makes the folder
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(mkfifo(path, 0600), 0);
    const char *const names[] = {path, "/dev/zero", "/dev/full", folder};
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(record_file_open(names[i], &file), ST_INVALID);
        cr_assert(strstr(status_message(), names[i]), "%s", status_message());
        cr_assert_eq(record_file_read(names[i], &list, NULL), ST_INVALID);
        cr_assert(strstr(status_message(), names[i]), "%s", status_message());
    }
}

/* ---- a file that others change while it is open ---- */

static struct record_file *open_with_rows(int n)
{
    static const char *const strategies[] = {"serial", "ring=2", "ulysses=2", "cfg=2"};
    struct record_file *file;
    cr_assert_eq(record_file_open(path, &file), ST_OK, "%s", status_text());
    for (int i = 0; i < n; i++) {
        struct record *r = rows_ok(strategies[i], i == 0 ? 1 : 2, 10);
        cr_assert_eq(record_file_append(file, r), ST_OK, "%s", status_text());
        cr_assert_null(record_file_notice(file));
        record_close(r);
    }
    return file;
}

static enum status append_to(struct record_file *file, struct record *record)
{
    enum status st = record_file_append(file, record);
    record_close(record);
    return st;
}

static int count_rows(const char *name)
{
    struct record_list list;
    cr_assert_eq(record_file_read(name, &list, NULL), ST_OK, "%s", status_text());
    int n = list.n;
    record_list_release(&list);
    return n;
}

Test(record_file, a_deleted_file_gets_its_rows_again)
{
    append(rows_failed("ring=3", 3, ENDING_TIMEOUT, "of another day"));
    struct record_file *file = open_with_rows(2);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(append_to(file, rows_ok("tensor=2", 2, 10)), ST_OK, "%s", status_text());
    cr_assert(strstr(record_file_notice(file), "was deleted"), "%s", record_file_notice(file));
    cr_assert(strstr(record_file_notice(file), "2 rows"), "%s", record_file_notice(file));
    cr_assert_eq(count_rows(path), 3); // whoever deleted it wanted the rows of before gone
    record_file_close(file);
}

Test(record_file, a_replaced_file_gets_the_rows_that_it_lacks)
{
    char copy[300];
    append(rows_ok("ring=3", 3, 10));
    char *old = text_of_file(path);
    struct record_file *file = open_with_rows(2);
    snprintf(copy, sizeof copy, "%s.copy", path);
    cr_assert_eq(rename(path, copy), 0);
    write_text(old); // as git does when it goes back
    cr_assert_eq(append_to(file, rows_ok("tensor=2", 2, 10)), ST_OK, "%s", status_text());
    cr_assert(strstr(record_file_notice(file), "was replaced"), "%s", record_file_notice(file));
    cr_assert_eq(count_rows(path), 4);
    cr_assert_eq(append_to(file, rows_ok("tensor=3", 3, 10)), ST_OK);
    cr_assert_null(record_file_notice(file));
    cr_assert_eq(count_rows(path), 5);
    struct record_file *second;
    cr_assert_eq(record_file_open(path, &second), ST_INVALID); // the lock went along
    record_file_close(file);
    free(old);
}

Test(record_file, a_truncated_file_gets_its_rows_again)
{
    struct record_file *file = open_with_rows(3);
    cr_assert_eq(truncate(path, 700), 0); // inside of the first row
    cr_assert_eq(append_to(file, rows_ok("tensor=2", 2, 10)), ST_OK, "%s", status_text());
    cr_assert(strstr(record_file_notice(file), "3 rows"), "%s", record_file_notice(file));
    cr_assert(strstr(record_file_notice(file), "700 bytes"), "%s", record_file_notice(file));
    cr_assert_eq(count_rows(path), 4);
    cr_assert_eq(truncate(path, 0), 0);
    cr_assert_eq(record_file_settle(file), ST_OK); // the last row's turn, without another one
    cr_assert_eq(count_rows(path), 4);
    record_file_close(file);
}

Test(record_file, rows_of_others_stay)
{
    struct record_file *file = open_with_rows(1);
    char *row = line_of(rows_ok("data=2", 2, 10));
    append_text(row);
    cr_assert_eq(append_to(file, rows_ok("tensor=2", 2, 10)), ST_OK, "%s", status_text());
    cr_assert_null(record_file_notice(file)); // nothing was lost
    cr_assert_eq(count_rows(path), 3);
    record_file_close(file);
    free(row);
}

/* Empties, deletes and replaces the file as long as it lives. */
static void disturb(void)
{
    char other[300];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(other, sizeof other, "%s.other", path);
    for (unsigned seed = 7;; usleep((useconds_t)(rand_r(&seed) % 3000))) {
        if (rand_r(&seed) % 3 == 0) {
            int fd = open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
            close(fd);
            rename(other, path);
        } else if (rand_r(&seed) % 2) {
            unlink(path);
        } else if (truncate(path, 0) != 0) {
            continue;
        }
    }
}

Test(record_file, whatever_others_do_no_row_is_lost)
{
    enum { ROWS = 40 };
    struct record_file *file = open_with_rows(0);
    pid_t pid = fork();
    if (pid == 0)
        disturb();
    for (int i = 0; i < ROWS; i++) {
        char strategy[30];
        snprintf(strategy, sizeof strategy, "ring=%d", i + 2);
        cr_assert_eq(append_to(file, rows_ok(strategy, i + 2, 10)), ST_OK, "%s", status_message());
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    cr_assert_eq(record_file_settle(file), ST_OK, "%s", status_message());
    cr_assert_eq(count_rows(path), ROWS);
    record_file_close(file);
}

/* The only spare file beside the results; its rows are counted, then it is removed. */
static int rows_spared(void)
{
    glob_t found;
    char pattern[300];
    snprintf(pattern, sizeof pattern, "%s.*.jsonl", path);
    cr_assert_eq(glob(pattern, 0, NULL, &found), 0, "no spare file");
    cr_assert_eq(found.gl_pathc, 1);
    cr_assert(strstr(status_message(), found.gl_pathv[0]), "%s", status_message());
    int n = count_rows(found.gl_pathv[0]);
    unlink(found.gl_pathv[0]);
    globfree(&found);
    return n;
}

Test(record_file, rows_go_beside_a_file_that_became_somebody_elses)
{
    static const char foreign[] = "a file of notes\nwithout its end";
    struct record_file *file = open_with_rows(2);
    cr_assert_eq(unlink(path), 0);
    write_text(foreign);
    cr_assert_eq(append_to(file, rows_ok("tensor=2", 2, 10)), ST_INVALID);
    cr_assert(strstr(status_message(), "was replaced"), "%s", status_message());
    cr_assert_eq(rows_spared(), 3);
    char *after = text_of_file(path);
    cr_assert_str_eq(after, foreign);
    free(after);
    record_file_close(file);
}

Test(record_file, rows_go_beside_a_file_that_another_sweep_took)
{
    struct record_file *second;
    struct record_file *first = open_with_rows(2);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(record_file_open(path, &second), ST_OK);
    cr_assert_eq(record_file_settle(first), ST_INVALID);
    cr_assert(strstr(status_message(), "another sweep"), "%s", status_message());
    cr_assert_eq(rows_spared(), 2);
    record_file_close(second);
    record_file_close(first);
}

Test(record_file, a_row_that_does_not_fit_goes_beside_the_file)
{
    struct record_file *file = open_with_rows(2);
    off_t before = size_of_file();
    const struct rlimit limit = {(rlim_t)before + 100, (rlim_t)before + 100};
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq(append_to(file, rows_ok("tensor=2", 2, 10)), ST_IO);
    cr_assert(strstr(status_message(), "File too large"), "%s", status_message());
    cr_assert_eq(size_of_file(), before); // the half line was taken back
    cr_assert_eq(rows_spared(), 1);
    record_file_close(file);
}

Test(record_file, names_that_cannot_be_opened)
{
    struct record_file *file;
    cr_assert_eq(record_file_open("", &file), ST_INVALID);
    cr_assert_eq(record_file_open("/proc/no/rows.jsonl", &file), ST_IO);
    cr_assert_not_null(strstr(status_message(), "/proc/no"), "%s", status_message());
    cr_assert_eq(record_file_open("/tmp", &file), ST_INVALID);
}
