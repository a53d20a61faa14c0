/* SPDX-License-Identifier: Apache-2.0 */
/* USP is, by definition, Ring outside and Ulysses inside (USP, 2405.07719): a composite without
 * code of its own at run time. */
#include "strategies/strategy.h"

#include <stdio.h>

static const struct spec_option usp_options[] = {
    {.name = "ulysses", .summary = "degree of its Ulysses part; the ring takes the rest", .min = 1},
    {0},
};

static const char *const usp_parts[] = {"ring", "ulysses", NULL};

static enum status usp_expand(const struct spec_item *item, int heads, struct spec *out)
{
    int ulysses = spec_option_value(item, "ulysses", 0);
    char legal[200];
    if (ulysses == 0)
        for (int d = 1; d <= item->degree; d++)
            if (item->degree % d == 0 && heads % d == 0)
                ulysses = d;
    if (item->degree % ulysses != 0)
        return plan_refuse("usp=%d:ulysses=%d: the Ulysses part must divide the degree; legal: %s",
                           item->degree, ulysses, plan_divisors(item->degree, legal, sizeof legal));
    const int degree[2] = {item->degree / ulysses, ulysses};
    for (int i = 0; i < 2; i++)
        out->item[out->n++] =
            (struct spec_item){.ops = strategy_find(usp_parts[i]), .degree = degree[i]};
    return ST_OK;
}

const struct strategy_ops strategy_usp = {
    .name = "usp",
    .kind = &kind_transformer,
    .summary = "Ring x Ulysses in one word: ulysses= sets the inner degree",
    .paper = "USP (2405.07719)",
    .seam = "rewritten to ring, ulysses",
    .bytes = "Ulysses at N/R + Ring at N/U",
    .memory = "activations / N; weights whole",
    .reorders_sums = true,
    .options = usp_options,
    .parts = usp_parts,
    .expand = usp_expand,
};
