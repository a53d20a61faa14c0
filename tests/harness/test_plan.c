/* SPDX-License-Identifier: Apache-2.0 */
/* `plan`: the sums over a loop and over ranks, one rank of many, and what it says of this machine.
 */
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(plan_report, .init = program_limit);

#define CELL "plan", "--model=pixart-tiny", "--strategy=cfg=2,pipefusion=2:patches=4", "--steps=6"

static long number(const struct program *p, const char *format, int a, int b)
{
    char path[100];
    snprintf(path, sizeof path, format, a, b);
    return atol(program_json(p->out, path));
}

Test(plan_report, sums_over_steps_and_ranks)
{
    struct program p = program_run(CELL, "--json", NULL);
    long all = 0;
    long worst = 0;
    long memory = 0;
    cr_assert_eq(p.status, 0, "%s", p.err);
    for (int r = 0; r < 4; r++) {
        long sum = 0;
        for (int i = 0; i < 16; i++)
            sum += number(&p, "per_rank.%d.sends.%d.wire_bytes", r, i) *
                   number(&p, "per_rank.%d.sends.%d.times", r, i);
        cr_assert_eq(number(&p, "per_rank.%d.loop.wire_bytes", r, 0), sum, "rank %d", r);
        long bytes = number(&p, "per_rank.%d.memory_bytes.total", r, 0);
        worst = bytes > worst ? bytes : worst;
        memory += bytes;
        all += sum;
    }
    cr_assert(all > 0);
    cr_assert_eq(number(&p, "loop.wire_bytes", 0, 0), all);
    cr_assert_eq(number(&p, "memory.worst_bytes", 0, 0), worst);
    cr_assert_eq(number(&p, "memory.total_bytes", 0, 0), memory);
    cr_assert_str_eq(program_json(p.out, "fits"), "true");
    program_release(&p);
}

/* What a plan foretells of a loop is what a loop sends. */
Test(plan_report, foretells_what_run_sends)
{
    struct program p = program_run(CELL, "--json", "--size=64", NULL);
    long foretold = number(&p, "loop.wire_bytes", 0, 0);
    long sent = 0;
    program_release(&p);
    p = program_run("run", "--model=pixart-tiny", "--strategy=cfg=2,pipefusion=2:patches=4",
                    "--steps=6", "--size=64", "--repeats=1", "--check=off", "--json", NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    for (int i = 0; i < 40; i++)
        sent += number(&p, "comm.%d.wire_bytes", i, 0);
    cr_assert_eq(foretold, sent);
    program_release(&p);
}

Test(plan_report, shows_one_rank)
{
    struct program p = program_run(CELL, "--rank=3", "--json", NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    cr_assert_str_eq(program_json(p.out, "per_rank.0.rank"), "3");
    cr_assert_str_eq(program_json(p.out, "per_rank.1"), "");
    cr_assert_eq(number(&p, "ranks", 0, 0), 4);
    program_release(&p);
    p = program_run(CELL, "--rank=3", NULL);
    cr_assert(strstr(p.out, "Rank 3:") && strstr(p.out, "cfg 1, pipefusion 1") &&
                  strstr(p.out, "6 to 11 of 12") && strstr(p.out, "patch 3"),
              "%s", p.out);
    program_release(&p);
    p = program_run(CELL, "--rank=4", NULL);
    cr_assert(p.status == 2 && strstr(p.err, "--rank: found 4, wanted 0 to 3"), "%s", p.err);
    program_release(&p);
}

Test(plan_report, shows_the_last_stage)
{
    struct program p = program_run(CELL, NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    char *first = strstr(p.out, "Rank 0 sends");
    char *last = strstr(p.out, "Rank 1 (the last stage) sends");
    cr_assert(first && last, "%s", p.out);
    cr_assert(strstr(last, "cfg          all_gather"), "%s", last);
    cr_assert(strstr(p.out, "6 steps, 1 of them warm-up"), "%s", p.out);
    program_release(&p);
}

Test(plan_report, says_what_this_machine_cannot)
{
    struct program p =
        program_run("plan", "--model=dit-xl-2-256", "--size=8192", "--requests=8", NULL);
    cr_assert(p.status == 0 && strstr(p.out, "This machine: 1 rank needs"), "%s%s", p.out, p.err);
    program_release(&p);
    p = program_run("plan", "--model=dit-tiny", "--dtype=bf16", "--backend=cpu", "--json", NULL);
    cr_assert_str_eq(program_json(p.out, "fits"), "null");
    cr_assert(strstr(program_json(p.out, "fits_reason"), "bf16"), "%s", p.out);
    program_release(&p);
}
