/* SPDX-License-Identifier: Apache-2.0 */
/* Every strategy there is, in canonical order: outer axes first. A line in this list is all that
 * registers one; NAME.c ends in its table, strategy_NAME. */
#include "strategies/strategy.h"

#include <string.h>

#define STRATEGIES(X)                                                                              \
    X(data)                                                                                        \
    X(cfg)                                                                                         \
    X(pipefusion)                                                                                  \
    X(distrifusion)                                                                                \
    X(allgather)                                                                                   \
    X(usp)                                                                                         \
    X(ring)                                                                                        \
    X(ulysses)                                                                                     \
    X(tensor)                                                                                      \
    X(rows)

#define DECLARE(name) extern const struct strategy_ops strategy_##name;
#define ADDRESS(name) &strategy_##name,

STRATEGIES(DECLARE)

static const struct strategy_ops *const strategies[] = {STRATEGIES(ADDRESS)};

const struct strategy_ops *strategy_at(int index)
{
    int n = (int)(sizeof strategies / sizeof strategies[0]);
    return index >= 0 && index < n ? strategies[index] : NULL;
}

const struct strategy_ops *strategy_find(const char *name)
{
    for (int i = 0; strategy_at(i); i++)
        if (strcmp(strategy_at(i)->name, name) == 0)
            return strategy_at(i);
    return NULL;
}

int strategy_order(const struct strategy_ops *ops)
{
    int i = 0;
    while (strategy_at(i) && strategy_at(i) != ops)
        i++;
    return i;
}
