/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of the strategies, for registry.c and its test only: everybody else asks
 * strategy_find(). */
#ifndef STRATEGIES_REGISTRY_H
#define STRATEGIES_REGISTRY_H

struct strategy_ops;

extern const struct strategy_ops strategy_data;
extern const struct strategy_ops strategy_cfg;
extern const struct strategy_ops strategy_pipefusion;
extern const struct strategy_ops strategy_distrifusion;
extern const struct strategy_ops strategy_usp;
extern const struct strategy_ops strategy_ring;
extern const struct strategy_ops strategy_ulysses;
extern const struct strategy_ops strategy_tensor;

#endif
