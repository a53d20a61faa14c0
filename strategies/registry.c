/* SPDX-License-Identifier: Apache-2.0 */
/* Every strategy there is, in canonical order: outer axes first. Adding one means one line here. */
#include "strategies/registry.h"

#include "strategies/strategy.h"

#include <string.h>

static const struct strategy_ops *const strategies[] = {
    &strategy_data, &strategy_cfg,  &strategy_pipefusion, &strategy_distrifusion,
    &strategy_usp,  &strategy_ring, &strategy_ulysses,    &strategy_tensor,
};

enum { STRATEGIES = sizeof strategies / sizeof strategies[0] };

const struct strategy_ops *strategy_at(int index)
{
    return index >= 0 && index < STRATEGIES ? strategies[index] : NULL;
}

const struct strategy_ops *strategy_find(const char *name)
{
    for (int i = 0; i < STRATEGIES; i++)
        if (strcmp(strategies[i]->name, name) == 0)
            return strategies[i];
    return NULL;
}

int strategy_order(const struct strategy_ops *ops)
{
    for (int i = 0; i < STRATEGIES; i++)
        if (strategies[i] == ops)
            return i;
    return STRATEGIES;
}
