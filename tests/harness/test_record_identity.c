/* SPDX-License-Identifier: Apache-2.0 */
/* The hashes that name a record: what each depends on, and what not. */
#include "harness/record/record.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

Test(record_identity, a_recipe_knows_no_rule_and_no_round)
{
    struct record *r = rows_ok("serial", 1, 1);
    struct record_cell other = r->cell;
    char id[RECORD_ID_SIZE];
    other.repeats = RECORD_UNKNOWN;
    other.stop = (struct record_stop){10, 5, 20, 1.5};
    other.round = 3;
    cr_assert_str_eq(recipe_of(&other, id), r->recipe);
    record_close(r);
}

/* Rows of no rule and no round, most of them recorded before there were any: ids and recipes are
 * what they were where the row has them. */
Test(record_identity, recorded_rows_stay_what_they_are)
{
    static const char *const files[] = {"families-one-gpu", "families-one-gpu-ranks",
                                        "pixart-strategies", "pixart-strategies-4096",
                                        "pixart-serial"};
    for (int i = 0; i < 5; i++) {
        char path[500], id[RECORD_ID_SIZE], *line = NULL;
        size_t room = 0;
        bool whole = i < 3; /* these have exchange and graph */
        snprintf(path, sizeof path, DITBENCH_SOURCE_DIR "/results/h200-nvlink/%s.jsonl", files[i]);
        FILE *in = fopen(path, "r");
        cr_assert(in, "%s", path);
        int rows = 0;
        for (ssize_t n; (n = getline(&line, &room, in)) > 0; rows++) {
            struct record *r;
            cr_assert_eq(record_read(line, (size_t)n, rows + 1, &r), ST_OK, "%s", status_message());
            cr_assert(r->cell.stop.min_loops == 0 && r->cell.round == 0 && r->cell.repeats > 0);
            cr_assert_eq(strstr(line, r->id) != NULL, whole, "%s line %d: %s", path, rows + 1,
                         r->id);
            cr_assert_eq(record_cell_id(&r->cell, id), ST_OK);
            cr_assert_str_eq(id, r->id, "so that resume finds it");
            cr_assert_str_eq(recipe_of(&r->cell, id), r->recipe);
            record_close(r);
        }
        cr_assert_gt(rows, 0);
        free(line);
        fclose(in);
    }
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
    enum { N = 24 };
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
    changed[19].round++;
    changed[20].repeats = RECORD_UNKNOWN;
    changed[20].stop = (struct record_stop){10, 5, 20, 1.5};
    changed[21] = changed[22] = changed[23] = changed[20];
    changed[21].stop.min_loops++;
    changed[22].stop.max_noise = 2;
    changed[23].stop.max_seconds = 60;
    for (int i = 0; i < N; i++)
        cr_assert_eq(record_cell_id(&changed[i], id[i]), ST_OK);
    cr_assert_eq(record_cell_id(&r->cell, id[N]), ST_OK);
    cr_assert_str_eq(id[N], r->id);
    for (int i = 0; i <= N; i++)
        for (int k = 0; k < i; k++)
            cr_assert_str_neq(id[i], id[k], "%d and %d", i, k);
    record_close(r);
}
