/* SPDX-License-Identifier: Apache-2.0 */
/* Strategies of an experiment that make no cell, and what was meant by them. */
#include "harness/sweep/experiment_strategy.h"

#include "strategies/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has_ranks(const struct experiment_list *ranks, int product)
{
    for (unsigned i = 0; i < ranks->n; i++)
        if (atoi(ranks->v[i]) == product)
            return true;
    return false;
}

/* Entries `first` to `last`, joined by commas; false: no hybrid at any of the ranks. */
static bool joined(const struct experiment_values *v, unsigned first, unsigned last,
                   char text[SPEC_TEXT], struct spec *spec)
{
    size_t used = 0;
    for (unsigned i = first; i <= last && used < SPEC_TEXT; i++)
        used += (size_t)snprintf(text + used, SPEC_TEXT - used, "%s%s", i > first ? "," : "",
                                 v->strategies.v[i]);
    bool good = used < SPEC_TEXT && spec_parse(text, spec) == ST_OK;
    status_clear();
    return good && has_ranks(&v->ranks, spec_ranks(spec));
}

/* An unquoted hybrid in a [list] is cut at its commas: says what it was. */
static enum status refuse_strategy(const struct experiment_values *v, unsigned index, int product)
{
    char text[SPEC_TEXT];
    char ranks[100] = "";
    size_t used = 0;
    struct spec spec;
    for (unsigned i = 0; i < v->ranks.n && used < sizeof ranks; i++)
        used += (size_t)snprintf(ranks + used, sizeof ranks - used, "%s%s", i ? ", " : "",
                                 v->ranks.v[i]);
    const char *one = v->strategies.v[index];
    for (unsigned first = index; first + SPEC_MAX_ITEMS > index; first--) {
        for (unsigned last = index > first ? index : first + 1;
             last < v->strategies.n && last < first + SPEC_MAX_ITEMS; last++)
            if (joined(v, first, last, text, &spec))
                return fail(ST_INVALID,
                            "'%.100s' makes no cell: it has %d ranks, and the file's are %s; with "
                            "its neighbour it has %d: quote them as one, \"%.200s\"",
                            one, product, ranks, spec_ranks(&spec), text);
        if (first == 0)
            break;
    }
    return fail(ST_INVALID,
                "'%.100s' makes no cell: it has %d rank%s, and the file's are %s; add %d to ranks, "
                "or leave the strategy out",
                one, product, product == 1 ? "" : "s", ranks, product);
}

enum status experiment_strategy_check(const struct experiment_values *v, unsigned index)
{
    struct spec spec;
    const char *text = v->strategies.v[index];
    bool hole = strstr(text, "{ranks}") != NULL;
    if (hole && v->ranks.n == 0)
        return fail(ST_INVALID,
                    "'%.100s' wants the numbers of ranks, and the file has no key ranks; add it, "
                    "such as ranks: [1, 2, 4]",
                    text);
    if (hole || v->ranks.n == 0)
        return ST_OK;
    TRY(spec_parse(text, &spec));
    int product = spec_ranks(&spec);
    return has_ranks(&v->ranks, product) ? ST_OK : refuse_strategy(v, index, product);
}
