/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a line of a results file: refused, or a record that is written and read back
 * unchanged. */
#include "harness/record/list.h"
#include "harness/report/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *line_of(const struct record *record, size_t *size)
{
    char *line;
    BUG_ON(record_write(record, &line, size) != ST_OK, "%s", status_text());
    BUG_ON(strlen(line) != *size || strchr(line, '\n') != line + *size - 1, "not one line");
    return line;
}

/* As a file: its records are packed, and are the same. */
static void read_list(const char *line, size_t size)
{
    struct record_list list;
    struct record_tail tail;
    size_t again_size;
    FILE *in = fmemopen((void *)line, size, "r");
    BUG_ON(!in || record_list_read(in, &list, &tail) != ST_OK || list.n != 1, "%s", status_text());
    char *again = line_of(list.v[0], &again_size);
    BUG_ON(strcmp(line, again) != 0, "packs differently:\n%s%s", line, again);
    free(again);
    record_list_release(&list);
    fclose(in);
}

/* With a key that the quick reader leaves to the thorough one it must be the record that `line` is.
 */
static void read_thoroughly(const char *text, size_t size, const char *line)
{
    struct record *record;
    char *longer = NULL;
    size_t again_size;
    while (size > 0 && text[size - 1] != '}')
        size--;
    BUG_ON(asprintf(&longer, "%.*s, \"no key of a record\": 1}", (int)size - 1, text) < 0,
           "no memory");
    if (record_read(longer, strlen(longer), 1, &record) == ST_OK) { // not where the key is there
        char *again = line_of(record, &again_size);
        BUG_ON(strcmp(line, again) != 0, "reads otherwise:\n%s%s", line, again);
        free(again);
        record_close(record);
    }
    free(longer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record *record, *copy;
    char *text, id[RECORD_ID_SIZE];
    size_t once_size, twice_size;
    if (record_read((const char *)data, size, 1, &record) != ST_OK) {
        BUG_ON(record || !*status_message(), "refused without a reason");
        return 0;
    }
    char *once = line_of(record, &once_size);
    BUG_ON(record_read(once, once_size, 1, &copy) != ST_OK, "%s", status_text());
    char *twice = line_of(copy, &twice_size);
    BUG_ON(strcmp(once, twice) != 0, "reads back differently:\n%s%s", once, twice);
    read_list(once, once_size);
    read_thoroughly((const char *)data, size, once);
    BUG_ON(record_cell_id(&copy->cell, id) != ST_OK, "%s", status_text());
    record_summarise(copy);
    record_judge(copy);
    BUG_ON(table_row_text(copy, &text) != ST_OK, "%s", status_text());
    free(text);
    free(once);
    free(twice);
    record_close(record);
    record_close(copy);
    return 0;
}
