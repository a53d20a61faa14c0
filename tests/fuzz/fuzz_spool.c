/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a spool, as they come and with their checks made right: refused with a reason, or a
 * recording whose indices all hold. */
#include "harness/profile/spool.h"
#include "harness/profile/spool_read.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_rank(const struct recording *recording, const struct recorded_rank *rank)
{
    for (int i = 0; i < rank->ranges; i++) {
        const struct recorded_range *range = &rank->range[i];
        BUG_ON(range->parent >= i || range->track >= rank->tracks, "range %d", i);
        BUG_ON(range->end < range->begin, "range %d ends before it begins", i);
        BUG_ON(range->parent >= 0 && rank->range[range->parent].end < range->end, "range %d", i);
    }
    for (int i = 0; i < rank->items; i++) {
        const struct recorded_item *item = &rank->item[i];
        BUG_ON(item->range >= rank->ranges || item->launch >= rank->ranges ||
                   item->call >= rank->calls || item->track >= rank->tracks ||
                   item->step >= recording->steps,
               "item %d", i);
        BUG_ON(!recording_operation(rank, item->range), "item %d", i);
    }
    for (int i = 0; i < rank->calls; i++)
        BUG_ON(rank->call[i].track >= rank->tracks || !rank->call[i].name, "call %d", i);
}

static void try_bytes(const unsigned char *bytes, size_t size)
{
    const struct spool_file file = {"fuzz.spool", bytes, size};
    struct recording *recording;
    struct spool_told told;
    if (spool_read_bytes(1, &file, &recording, &told) != ST_OK) {
        BUG_ON(recording || !*status_message(), "refused without a reason");
        return;
    }
    for (int r = 0; r < recording->ranks; r++)
        check_rank(recording, &recording->rank[r]);
    recording_close(recording);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char *copy = malloc(size + 1);
    BUG_ON(!copy, "no memory");
    memcpy(copy, data, size);
    try_bytes(data, size);
    spool_seal(copy, size);
    try_bytes(copy, size);
    free(copy);
    return 0;
}
