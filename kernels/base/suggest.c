/* SPDX-License-Identifier: Apache-2.0 */
/* Edit distance between short words, and words that hold another. */
#include "kernels/base/suggest.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST = 40, FAR = 1000 };

static int least(int a, int b)
{
    return a < b ? a : b;
}

static bool same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Damerau-Levenshtein distance, each neighbouring pair swapped at most once; case is no difference.
 */
static int distance(const char *a, const char *b)
{
    int cost[LONGEST + 1][LONGEST + 1];
    int n = (int)strlen(a);
    int m = (int)strlen(b);
    if (n > LONGEST || m > LONGEST)
        return FAR;
    for (int i = 0; i <= n; i++) {
        for (int j = 0; j <= m; j++) {
            if (i == 0 || j == 0) {
                cost[i][j] = i + j;
                continue;
            }
            cost[i][j] = least(least(cost[i - 1][j], cost[i][j - 1]) + 1,
                               cost[i - 1][j - 1] + !same(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
                cost[i][j] = least(cost[i][j], cost[i - 2][j - 2] + 1);
        }
    }
    return cost[n][m];
}

/* The only word that has `typed` in it. */
static const char *holder(const char *typed, const char *const *words)
{
    const char *found = NULL;
    for (int i = 0; words[i]; i++) {
        if (!strcasestr(words[i], typed))
            continue;
        if (found)
            return NULL;
        found = words[i];
    }
    return found;
}

const char *suggest_word(const char *typed, const char *const *words)
{
    const char *best = NULL;
    int length = (int)strlen(typed);
    int limit = length < 4 ? 1 : length < 6 ? 2 : 3;
    for (int i = 0; words[i]; i++) {
        int d = distance(typed, words[i]);
        if (length < 4 && !same(typed[0], words[i][0])) /* "gpu" is not "cpu" */
            continue;
        if (d <= limit) {
            limit = d - 1;
            best = words[i];
        }
    }
    return best || length < 3 ? best : holder(typed, words);
}

const char *suggest_hint(const char *typed, const char *const *words, char *buffer)
{
    const char *near = suggest_word(typed, words);
    buffer[0] = '\0';
    if (near)
        snprintf(buffer, SUGGEST_HINT, " (did you mean '%s'?)", near);
    return buffer;
}

enum status suggest_refuse(const char *what, const char *typed, const char *const *words)
{
    char names[600] = "";
    char hint[SUGGEST_HINT];
    size_t used = 0;
    for (int i = 0; words[i] && used < sizeof names; i++)
        used +=
            (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", words[i]);
    return fail(ST_INVALID, "%s: found '%.60s'%s; legal: %s", what, typed,
                suggest_hint(typed, words, hint), names);
}
