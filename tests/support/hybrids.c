/* SPDX-License-Identifier: Apache-2.0 */
/* The table of specifications that every strategy is tested by. A line here is all that a new one
 * needs: the tests of equality, bytes, memory, captures, failures and the sanitizers read it. */
#include "tests/support/cells.h"

#include <stdlib.h>
#include <string.h>

#define CHOSEN "*"

/* Every world size from 1 to 8, every pair of strategies that may meet, deep hybrids, uneven parts;
 * a decoder's chunks that divide the rows and that do not. A choice of them, each
 * strategy alone and each two that meet in the code, is tried on every model. */
static const char *const hybrids[] = {
    CHOSEN "serial",
    "pipefusion=1:patches=3:warmup=1",
    CHOSEN "pipefusion=1:patches=5:warmup=0",
    "distrifusion=1:patches=3:warmup=1",
    /* 2 */
    CHOSEN "data=2",
    CHOSEN "cfg=2",
    CHOSEN "ulysses=2",
    CHOSEN "ring=2",
    CHOSEN "allgather=2",
    "usp=2",
    "usp=2:ulysses=1",
    CHOSEN "tensor=2",
    "pipefusion=2",
    "pipefusion=2:patches=1",
    CHOSEN "pipefusion=2:patches=4:warmup=2",
    CHOSEN "pipefusion=2:patches=5:warmup=0",
    CHOSEN "pipefusion=2:patches=3:warmup=5",
    "pipefusion=2:patches=2:warmup=9",
    CHOSEN "pipefusion=2:patches=2:layers=3/5",
    CHOSEN "distrifusion=2",
    CHOSEN "distrifusion=2:warmup=0",
    "distrifusion=2:warmup=2",
    "distrifusion=2:warmup=5",
    CHOSEN "ulysses=2,pipefusion=1:patches=3:warmup=1",
    "ring=2,pipefusion=1:patches=2:warmup=0",
    "tensor=2,distrifusion=1:patches=2:warmup=1",
    "ulysses=2,distrifusion=1:patches=3:warmup=1",
    CHOSEN "ring=2,distrifusion=1:patches=3:warmup=0",
    "allgather=2,pipefusion=1:patches=3:warmup=1",
    "allgather=2,distrifusion=1:patches=2:warmup=0",
    /* 3 */
    CHOSEN "ulysses=3",
    CHOSEN "ring=3",
    "allgather=3",
    CHOSEN "tensor=3",
    CHOSEN "pipefusion=3:patches=4:warmup=1",
    CHOSEN "distrifusion=3",
    /* 4 */
    "ulysses=4",
    "ring=4",
    "allgather=4",
    CHOSEN "usp=4:ulysses=2",
    "tensor=4",
    CHOSEN "pipefusion=4",
    "pipefusion=4:patches=2:warmup=1",
    CHOSEN "distrifusion=4:warmup=1",
    "cfg=2,ulysses=2",
    "cfg=2,ring=2",
    "cfg=2,allgather=2",
    "cfg=2,tensor=2",
    "cfg=2,data=2",
    CHOSEN "cfg=2,pipefusion=2:patches=3:warmup=1",
    CHOSEN "cfg=2,distrifusion=2",
    "data=2,ulysses=2",
    "data=2,ring=2",
    "data=2,allgather=2",
    "data=2,tensor=2",
    "data=2,pipefusion=2:patches=3:warmup=0",
    "data=2,distrifusion=2",
    "pipefusion=2:patches=2:warmup=1,ulysses=2",
    CHOSEN "pipefusion=2:patches=3:warmup=0,ulysses=2",
    CHOSEN "pipefusion=2:patches=2:warmup=1,ring=2",
    "pipefusion=2:patches=2:warmup=1,allgather=2",
    CHOSEN "pipefusion=2:patches=3:warmup=0,allgather=2",
    CHOSEN "pipefusion=2:patches=3:warmup=1,tensor=2",
    CHOSEN "distrifusion=2:warmup=1,ulysses=2",
    CHOSEN "distrifusion=2:warmup=1,ring=2",
    "distrifusion=2:warmup=1,allgather=2",
    CHOSEN "distrifusion=2:warmup=0,tensor=2",
    CHOSEN "ulysses=2,tensor=2",
    CHOSEN "ring=2,tensor=2",
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
    "ring=3,tensor=2",
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
    "pipefusion=2:patches=3:warmup=1,ulysses=2,tensor=2",
    /* of decoders */
    CHOSEN "rows=1:chunk=3",
    CHOSEN "rows=2",
    "rows=2:chunk=1",
    CHOSEN "rows=3:chunk=2",
    "rows=4",
    "data=2,rows=2:chunk=5",
    "rows=5:chunk=1000",
    "data=2,rows=3",
    "rows=7:chunk=3",
    "rows=8",
    "data=2,rows=4:chunk=1",
};

#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#elif defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

const char *hybrid_at(int index)
{
    if (index < 0 || index >= (int)(sizeof hybrids / sizeof hybrids[0]))
        return NULL;
    return hybrids[index] + (hybrids[index][0] == '*');
}

bool hybrid_all(void)
{
    const char *asked = getenv("DITBENCH_TESTS");
    return asked && strcmp(asked, "all") == 0;
}

bool hybrid_sanitized(void)
{
    return SANITIZED && !hybrid_all();
}

int hybrid_most_ranks(void)
{
    return hybrid_all() ? 8 : SANITIZED ? 3 : 4;
}

const char *hybrid_family(int index)
{
    static const char *const preset[] = {"sd3-tiny", "flux-tiny", "hunyuandit-tiny", "latte-tiny"};
    return index >= 0 && index < (int)(sizeof preset / sizeof preset[0]) ? preset[index] : NULL;
}

/* Models whose every hybrid is always tried. */
static bool always_all(const struct cell_setup *setup)
{
    for (int i = 0; hybrid_family(i); i++)
        if (strcmp(cell_model(setup), hybrid_family(i)) == 0)
            return false;
    return !hybrid_sanitized() || strcmp(cell_model(setup), "dit-tiny") != 0;
}

/* Whether the model has what its strategies split. */
static bool can_be_split(const struct cell_setup *setup, const char *text)
{
    struct spec spec;
    BUG_ON(spec_parse(text, &spec) != ST_OK, "%s", status_text());
    for (int i = 0; i < spec.n; i++) {
        const struct strategy_ops *ops = spec.item[i].ops;
        if (ops->kind && ops->kind != setup->kind)
            return false;
        if (ops == strategy_find("cfg") && setup->config.distilled)
            return false;
    }
    return true;
}

bool hybrid_tested(const struct cell_setup *setup, int index)
{
    const char *spec = hybrid_at(index);
    if (!can_be_split(setup, spec))
        return false;
    return hybrid_all() || always_all(setup) ||
           (hybrids[index][0] == '*' && cell_ranks(setup, spec) <= hybrid_most_ranks());
}

bool hybrid_repeated(const struct cell_setup *setup, int index)
{
    return hybrid_tested(setup, index) && (!hybrid_sanitized() || hybrids[index][0] == '*');
}

const struct strategy_ops *hybrid_strategy(int index)
{
    for (int i = 0; strategy_at(i); i++)
        if (strategy_at(i)->kind != &kind_decoder && index-- == 0)
            return strategy_at(i);
    return NULL;
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
