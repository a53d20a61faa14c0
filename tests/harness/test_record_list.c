/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of records: what is equal in them is kept once, and ids are found. */
#include "harness/record/list.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 40 };

/* Rows of ROWS seeds, and the first once more at the end. */
static struct record_list read_list(void)
{
    char *folder = rows_folder();
    struct record *row[ROWS + 1];
    struct record_list list;
    struct record_tail tail;
    for (int i = 0; i <= ROWS; i++) {
        row[i] = rows_ok("ring=2", 2, 40 + i);
        row[i]->cell.seed = (uint64_t)(i % ROWS);
    }
    char *path = rows_write(folder, "rows.jsonl", ROWS + 1, row);
    FILE *in = fopen(path, "r");
    cr_assert_eq(record_list_read(in, &list, &tail), ST_OK, "%s", status_text());
    fclose(in);
    for (int i = 0; i <= ROWS; i++)
        record_close(row[i]);
    free(path);
    rows_folder_remove(folder);
    return list;
}

Test(record_list, equal_texts_and_arrays_are_kept_once)
{
    struct record_list list = read_list();
    const struct record *a = list.v[1], *b = list.v[ROWS - 1];
    cr_assert_eq(a->env.host, b->env.host);
    cr_assert_eq(a->cell.model, b->cell.model);
    cr_assert_eq(a->comm.v, b->comm.v);
    cr_assert_eq(a->memory_bytes.peak.v, b->memory_bytes.peak.v);
    cr_assert_eq(a->env.libraries.v, b->env.libraries.v);
    cr_assert_neq(a->latency_ms.samples.v, b->latency_ms.samples.v);
    cr_assert_neq(a->latency_ms.median, b->latency_ms.median);
    record_list_release(&list);
}

Test(record_list, records_are_as_they_were_written)
{
    struct record_list list = read_list();
    struct record *want = rows_ok("ring=2", 2, 41);
    char *line[2];
    size_t size[2];
    want->cell.seed = 1;
    cr_assert_eq(record_identify(want), ST_OK);
    cr_assert_eq(record_write(want, &line[0], &size[0]), ST_OK);
    cr_assert_eq(record_write(list.v[1], &line[1], &size[1]), ST_OK);
    cr_assert_str_eq(line[0], line[1]);
    free(line[0]);
    free(line[1]);
    record_close(want);
    record_list_release(&list);
}

Test(record_list, each_id_is_found_and_the_last_row_of_it_counts)
{
    struct record_list list = read_list();
    cr_assert_eq(list.n, ROWS);
    cr_assert_eq(list.again, 1);
    cr_assert_eq(list.v[0]->latency_ms.median, 40 + ROWS);
    for (int i = 0; i < ROWS; i++)
        cr_assert_eq(record_list_find(&list, list.v[i]->id), list.v[i]);
    cr_assert_null(record_list_find(&list, "0123456789abcdef"));
    record_list_release(&list);
    cr_assert_null(record_list_find(&list, "0123456789abcdef"));
}
