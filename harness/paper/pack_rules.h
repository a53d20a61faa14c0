/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of a pack, "PATTERN => TEXT", and the rows that they take. For pack.c. */
#ifndef HARNESS_PAPER_PACK_RULES_H
#define HARNESS_PAPER_PACK_RULES_H

#include "harness/paper/pack.h"

/* ST_INVALID "FILE:LINE: KEY: ...". Release *out whatever the status. */
enum status pack_rules_read(const struct pack *pack, const char *key,
                            const struct experiment_list *list, struct pack_rules *out);
void pack_rules_release(struct pack_rules *rules);

/* The first rule that takes the point, counted as used; NULL: none. */
struct pack_rule *pack_rules_find(struct pack_rules *rules, const struct pack_point *point);

/* Whether a rule fits the point. */
bool pack_rules_fit(const struct pack_rule *rule, const struct pack_point *point);

/* The rule whose pattern is this text. */
struct pack_rule *pack_rules_exact(struct pack_rules *rules, const char *text);

/* ST_INVALID: a rule took nothing. */
enum status pack_rules_used(const struct pack *pack, const struct pack_rules *rules);

#endif
