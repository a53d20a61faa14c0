/* SPDX-License-Identifier: Apache-2.0 */
/* Takes the means of the breakdowns of both rows' profiles. */
#include "harness/cli/compare_shares.h"

#include "harness/profile/profile_find.h"
#include "harness/profile/profile_read.h"

#include <stdio.h>
#include <string.h>

static enum status read_means(const char *folder, double mean[SIDE_SHARES])
{
    char path[PATH_MAX];
    struct profile_side side = {.steps = 0};
    snprintf(path, sizeof path, "%.4000s/breakdown.csv", folder);
    enum status st = profile_side_breakdown(path, &side);
    memcpy(mean, side.mean, sizeof side.mean);
    profile_side_release(&side);
    return st;
}

static bool in_ms(const char *name)
{
    size_t n = strlen(name);
    return n > 3 && strcmp(name + n - 3, "_ms") == 0;
}

static enum status add(const struct compare *compare, struct compare_pair *pair)
{
    char folder[2][PATH_MAX];
    double mean[2][SIDE_SHARES];
    for (int f = 0; f < 2; f++)
        if (!profile_find(compare->file[f].path, pair->side[f]->record, folder[f]))
            return ST_OK;
    for (int f = 0; f < 2; f++) {
        enum status st = read_means(folder[f], mean[f]);
        if (st == ST_OOM)
            return st;
        if (st) { // a verdict is not lost by what would only explain it
            fprintf(stderr, "compare: a breakdown is left out: %s\n", status_message());
            status_clear();
            return ST_OK;
        }
    }
    for (int s = 0; s < SIDE_SHARES; s++)
        if (in_ms(profile_share(s)))
            pair->share[pair->shares++] =
                (struct compare_share){profile_share(s), mean[0][s], mean[1][s]};
    return ST_OK;
}

enum status compare_shares_find(struct compare *compare)
{
    _Static_assert((int)SIDE_SHARES <= (int)COMPARE_SHARES, "a pair has room for all shares");
    for (int i = 0; i < compare->pairs; i++)
        if (compare->pair[i].verdict == COMPARE_SLOWER ||
            compare->pair[i].verdict == COMPARE_FASTER)
            TRY(add(compare, &compare->pair[i]));
    return ST_OK;
}
