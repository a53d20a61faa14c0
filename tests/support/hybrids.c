/* SPDX-License-Identifier: Apache-2.0 */
/* The table of specifications that every strategy is tested by. A line here is all that a new one
 * needs: the tests of equality, bytes, memory, captures, failures and the sanitizers read it. */
#include "tests/support/cells.h"

/* Every world size from 1 to 8, every pair of strategies that may meet, deep hybrids, uneven parts;
 * chunks that divide the rows, that do not, and more of them than rows. */
static const char *const hybrids[] = {
    "serial",
    "pipefusion=1:patches=3:warmup=1",
    "pipefusion=1:patches=5:warmup=0",
    "tensor=1:chunks=3",
    "distrifusion=1:patches=3:warmup=1",
    /* 2 */
    "data=2",
    "cfg=2",
    "ulysses=2",
    "ring=2",
    "allgather=2",
    "usp=2",
    "usp=2:ulysses=1",
    "tensor=2",
    "tensor=2:chunks=4",
    "tensor=2:chunks=7",
    "tensor=2:chunks=200",
    "pipefusion=2",
    "pipefusion=2:patches=1",
    "pipefusion=2:patches=4:warmup=2",
    "pipefusion=2:patches=5:warmup=0",
    "pipefusion=2:patches=3:warmup=5",
    "pipefusion=2:patches=2:warmup=9",
    "pipefusion=2:patches=2:layers=3/5",
    "distrifusion=2",
    "distrifusion=2:warmup=0",
    "distrifusion=2:warmup=2",
    "distrifusion=2:warmup=5",
    "ulysses=2,pipefusion=1:patches=3:warmup=1",
    "ring=2,pipefusion=1:patches=2:warmup=0",
    "tensor=2,distrifusion=1:patches=2:warmup=1",
    "tensor=2:chunks=50,distrifusion=1:patches=2:warmup=1",
    "ulysses=2,distrifusion=1:patches=3:warmup=1",
    "ring=2,distrifusion=1:patches=3:warmup=0",
    "allgather=2,pipefusion=1:patches=3:warmup=1",
    "allgather=2,distrifusion=1:patches=2:warmup=0",
    /* 3 */
    "ulysses=3",
    "ring=3",
    "allgather=3",
    "tensor=3",
    "tensor=3:chunks=7",
    "pipefusion=3:patches=4:warmup=1",
    "distrifusion=3",
    /* 4 */
    "ulysses=4",
    "ring=4",
    "allgather=4",
    "usp=4:ulysses=2",
    "tensor=4",
    "pipefusion=4",
    "pipefusion=4:patches=2:warmup=1",
    "distrifusion=4:warmup=1",
    "cfg=2,ulysses=2",
    "cfg=2,ring=2",
    "cfg=2,allgather=2",
    "cfg=2,tensor=2",
    "cfg=2,data=2",
    "cfg=2,pipefusion=2:patches=3:warmup=1",
    "cfg=2,distrifusion=2",
    "data=2,ulysses=2",
    "data=2,ring=2",
    "data=2,allgather=2",
    "data=2,tensor=2",
    "data=2,pipefusion=2:patches=3:warmup=0",
    "data=2,distrifusion=2",
    "pipefusion=2:patches=2:warmup=1,ulysses=2",
    "pipefusion=2:patches=3:warmup=0,ulysses=2",
    "pipefusion=2:patches=2:warmup=1,ring=2",
    "pipefusion=2:patches=2:warmup=1,allgather=2",
    "pipefusion=2:patches=3:warmup=0,allgather=2",
    "pipefusion=2:patches=3:warmup=1,tensor=2",
    "pipefusion=2:patches=3:warmup=1,tensor=2:chunks=30",
    "distrifusion=2:warmup=1,ulysses=2",
    "distrifusion=2:warmup=1,ring=2",
    "distrifusion=2:warmup=1,allgather=2",
    "distrifusion=2:warmup=0,tensor=2",
    "distrifusion=2:warmup=1,tensor=2:chunks=5",
    "ulysses=2,tensor=2",
    "ring=2,tensor=2",
    "allgather=2,ulysses=2",
    "allgather=2,tensor=2",
    /* 5 */
    "ring=5",
    "allgather=5",
    "pipefusion=5:patches=5:warmup=1",
    "distrifusion=5",
    /* 6 */
    "ulysses=6",
    "usp=6:ulysses=3",
    "usp=6:ulysses=2",
    "tensor=6",
    "pipefusion=3:patches=3:warmup=1,ulysses=2",
    "cfg=2,pipefusion=3:patches=5:warmup=1",
    "distrifusion=3:warmup=1,cfg=2",
    "ulysses=3,tensor=2",
    "allgather=3,ulysses=2",
    "ring=3,tensor=2:chunks=3",
    "data=2,ring=3",
    /* 7 */
    "ring=7",
    "allgather=7",
    "pipefusion=7:patches=2:warmup=1",
    /* 8 */
    "ring=8",
    "allgather=8",
    "pipefusion=8:patches=4:warmup=1",
    "usp=8:ulysses=4",
    "cfg=2,pipefusion=2:patches=4:warmup=1,ulysses=2",
    "cfg=2,pipefusion=2:patches=2:warmup=1,ring=2",
    "cfg=2,pipefusion=2:patches=2:warmup=1,allgather=2",
    "cfg=2,pipefusion=2:patches=2:warmup=1,tensor=2",
    "cfg=2,usp=4:ulysses=2",
    "cfg=2,ulysses=2,tensor=2",
    "data=2,cfg=2,ulysses=2",
    "data=2,cfg=2,pipefusion=2:patches=5:warmup=1",
    "data=2,cfg=2,distrifusion=2",
    "pipefusion=2:patches=2:warmup=1,ring=2,ulysses=2",
    "pipefusion=2:patches=3:warmup=1,allgather=2,ulysses=2",
    "pipefusion=2:patches=2:warmup=0,ring=2,tensor=2",
    "pipefusion=2:patches=3:warmup=1,ulysses=2,tensor=2",
    "pipefusion=4:patches=4:warmup=2,ulysses=2",
    "distrifusion=2:warmup=1,ring=2,ulysses=2",
    "distrifusion=2:warmup=1,ulysses=2,tensor=2",
    "distrifusion=2:warmup=1,allgather=2,tensor=2",
    "cfg=2,distrifusion=2:warmup=0,ulysses=2",
    "cfg=2,distrifusion=4:warmup=1",
    "ring=2,ulysses=2,tensor=2",
    "data=2,pipefusion=2:patches=2:warmup=1,tensor=2",
    "pipefusion=2:patches=3:warmup=1,ulysses=2,tensor=2:chunks=6",
};

const char *hybrid_at(int index)
{
    return index >= 0 && index < (int)(sizeof hybrids / sizeof hybrids[0]) ? hybrids[index] : NULL;
}

const char *hybrid_alone(const struct strategy_ops *ops, bool several)
{
    for (int i = 0; hybrid_at(i); i++) {
        struct spec spec;
        BUG_ON(spec_parse(hybrid_at(i), &spec) != ST_OK, "%s", status_text());
        if (spec.n == 1 && spec.item[0].ops == ops && (spec.item[0].degree > 1) == several)
            return hybrid_at(i);
    }
    return NULL;
}
