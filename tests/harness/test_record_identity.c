/* SPDX-License-Identifier: Apache-2.0 */
/* The hashes that name a record: what each depends on, and what not. */
#include "harness/record/record.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <math.h>

static char *recipe_of(const struct record_cell *cell, char id[RECORD_ID_SIZE])
{
    cr_assert_eq(record_recipe(cell, id), ST_OK);
    return id;
}

Test(record_identity, a_recipe_is_the_cell_without_how_often_it_is_measured)
{
    struct record *r = rows_ok("serial", 1, 1);
    struct record_cell other = r->cell;
    char id[RECORD_ID_SIZE], same[RECORD_ID_SIZE];
    cr_assert_str_eq(r->recipe, recipe_of(&r->cell, id));
    other.repeats++;
    other.warmup_loops++;
    cr_assert_str_eq(recipe_of(&other, same), id);
    other.exchange = "lsa";
    cr_assert_str_neq(recipe_of(&other, same), id);
    other = r->cell;
    other.model = "dit-tiny";
    cr_assert_str_neq(recipe_of(&other, same), id);
    other.weights = "0123456789abcdef"; // a checkpoint counts by its bytes, not its folder
    recipe_of(&other, id);
    other.model = "/elsewhere/dit-tiny";
    cr_assert_str_eq(recipe_of(&other, same), id);
    record_close(r);
}

Test(record_identity, a_cohort_is_the_machine_and_its_libraries)
{
    struct record *r = rows_ok("serial", 1, 1);
    char id[RECORD_ID_SIZE], other[RECORD_ID_SIZE];
    r->env.os = "Debian GNU/Linux 12 (bookworm), Linux 6.1.0-28";
    record_add_gpu(r, &(struct record_gpu){.name = "a", .driver = "1", .uuid = "x"});
    record_add_gpu(r, &(struct record_gpu){.name = "b", .driver = "1", .uuid = "y"});
    record_cohort(&r->env, id);
    r->env.host = "there";
    r->env.commit = "other";
    r->env.flags = "-O3";
    r->env.os = "Ubuntu 24.04, Linux 6.1.0-28";
    struct record_gpu first = r->env.gpus.v[0];
    r->env.gpus.v[0] = r->env.gpus.v[1];
    r->env.gpus.v[1] = first;
    cr_assert_str_eq(record_cohort(&r->env, other), id, "names and the order of GPUs do not count");
    r->env.os = "Ubuntu 24.04, Linux 6.1.0-29";
    cr_assert_str_neq(record_cohort(&r->env, other), id);
    r->env.os = "Ubuntu 24.04, Linux 6.1.0-28";
    r->env.gpus.v[1].driver = "2";
    cr_assert_str_neq(record_cohort(&r->env, other), id);
    r->env.gpus.v[1].driver = "1";
    record_add_pair(r, &r->env.libraries, "nccl", "2.28.9");
    cr_assert_str_neq(record_cohort(&r->env, other), id);
    record_close(r);
}

/* The id names a row for ever: this one covers exchange and graph. */
Test(record_identity, id_is_stable)
{
    struct record *r = rows_ok("cfg=2,ring=2", 4, 100);
    cr_assert_str_eq(r->id, "6b3e454b3bf9a620");
    record_close(r);
}

Test(record_identity, id_depends_on_every_part_of_the_cell)
{
    struct record *r = rows_ok("serial", 1, 1);
    enum { N = 19 };
    struct record_cell changed[N];
    char id[N + 1][RECORD_ID_SIZE];
    for (int i = 0; i < N; i++)
        changed[i] = r->cell;
    changed[0].model = "dit-tiny";
    changed[1].weights = "00";
    changed[2].width++;
    changed[3].height++;
    changed[4].frames++;
    changed[5].steps++;
    changed[6].guidance = nextafter(4.5, 5);
    changed[7].requests++;
    changed[8].dtype = "bf16";
    changed[9].backend = "cuda";
    changed[10].transport = "mpi";
    changed[11].strategy = "ring=2";
    changed[12].ranks++;
    changed[13].seed++;
    changed[14].warmup_loops++;
    changed[15].repeats++;
    changed[16].threads++;
    changed[17].exchange = "lsa";
    changed[18].graph = RECORD_NO;
    for (int i = 0; i < N; i++)
        cr_assert_eq(record_cell_id(&changed[i], id[i]), ST_OK);
    cr_assert_eq(record_cell_id(&r->cell, id[N]), ST_OK);
    cr_assert_str_eq(id[N], r->id);
    for (int i = 0; i <= N; i++)
        for (int k = 0; k < i; k++)
            cr_assert_str_neq(id[i], id[k], "%d and %d", i, k);
    record_close(r);
}
