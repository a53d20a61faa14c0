/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as two results files, cut at the first NUL (without one both are the same): refused, or
 * each ratio is above 0 with an interval in order, no control character is told, and the JSON has
 * every pair and every lost cell. */
#include "harness/report/compare.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int file_of(const uint8_t *data, size_t size, char path[64])
{
    int fd = memfd_create("results", 0);
    BUG_ON(fd < 0 || write(fd, data, size) != (ssize_t)size, "no file");
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

static void judge(const struct compare_pair *pair)
{
    if (pair->verdict == COMPARE_NOT_OK || !isfinite(pair->ratio)) {
        BUG_ON(!isnan(pair->ratio), "a ratio of %g", pair->ratio);
        return;
    }
    BUG_ON(!(pair->ratio > 0), "a ratio of %g", pair->ratio);
    BUG_ON(isnan(pair->low) != isnan(pair->high), "an interval of one end");
    BUG_ON(!isnan(pair->low) && !(pair->low > 0 && pair->low <= pair->high && isfinite(pair->high)),
           "%g to %g", pair->low, pair->high);
}

static void tell(const struct compare *compare, bool markdown)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    BUG_ON(!out || compare_print(compare, markdown, false, out) != ST_OK, "%s", status_text());
    fclose(out);
    for (size_t i = 0; i < size; i++)
        BUG_ON((unsigned char)text[i] < ' ' && text[i] != '\n', "a control character is told");
    free(text);
}

static void tell_machine(const struct compare *compare)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    BUG_ON(!out || compare_json(compare, out) != ST_OK, "%s", status_text());
    fclose(out);
    json_t *all = json_loadb(text, size, 0, NULL);
    BUG_ON(!all || json_array_size(all) != (size_t)compare->pairs + 1, "no JSON: %s", text);
    const json_t *last = json_array_get(all, (size_t)compare->pairs);
    BUG_ON(json_array_size(json_object_get(last, "lost")) != (size_t)compare->lost,
           "not all lost cells are told");
    json_decref(all);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct compare_options options = {.threshold = 0.05, .force = true};
    const uint8_t *cut = size > 0 ? memchr(data, 0, size) : NULL;
    size_t first = cut ? (size_t)(cut - data) : size;
    struct compare compare;
    char a[64], b[64];
    int fd_a = file_of(data, first, a);
    int fd_b = cut ? file_of(cut + 1, size - first - 1, b) : file_of(data, size, b);
    if (compare_open(a, b, &options, &compare) == ST_OK) {
        for (int i = 0; i < compare.pairs; i++)
            judge(&compare.pair[i]);
        tell(&compare, false);
        tell(&compare, true);
        tell_machine(&compare);
        compare_release(&compare);
    } else {
        BUG_ON(!*status_message(), "refused without a reason");
    }
    close(fd_a);
    close(fd_b);
    return 0;
}
