/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance under random traffic. The traffic itself is tests/support/traffic.c. */
#include "kernels/base/hash.h"
#include "tests/comm/conformance.h"
#include "tests/support/traffic.h"

enum status case_random(struct conformance *c)
{
    for (uint64_t seed = 0; seed < 4; seed++) {
        uint64_t digest;
        TRY(traffic_run(c->world, c->q, seed, 150, 3000, &digest));
        c->digest = hash_bytes(c->digest, &digest, sizeof(digest));
    }
    return ST_OK;
}
