/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench report`: other programs' times beside ours, and what nobody measured of them. */
#include "tests/harness/program.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(page_peers, .init = program_limit);

#define NOTE                                                                                       \
    "Rows that name another program before the strategy: their memory is the peak of its own "     \
    "allocator, weights included, without CUDA and libraries. Ours has these in it: the two do "   \
    "not compare.\n"

static struct record *of_program(struct record *r, const char *program)
{
    r->cell.backend = program;
    r->comm.n = 0;
    r->comm_match = RECORD_UNKNOWN;
    r->check.against = NULL;
    r->check.pass = RECORD_UNKNOWN;
    r->deviation = (struct record_deviation){NULL, NAN, NAN, NAN};
    r->memory_bytes.library.n = 0;
    return r;
}

static struct record *sized(struct record *r, int size)
{
    rows_set_size(r, size, size);
    return r;
}

/* The page of rows, which are closed, as Markdown. */
static char *page_of(int n, struct record *const *rows)
{
    remove(program_file("rows.jsonl"));
    free(rows_write(program_folder(), "rows.jsonl", n, rows));
    for (int i = 0; i < n; i++)
        record_close(rows[i]);
    struct program p = program_run("report", program_file("rows.jsonl"), "--out",
                                   program_file("out/report.html"), NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    program_release(&p);
    return program_read(program_file("out/report.md"));
}

#define PAGE(...)                                                                                  \
    page_of(sizeof((struct record *[]){__VA_ARGS__}) / sizeof(struct record *),                    \
            (struct record *[]){__VA_ARGS__})

static void says(const char *page, const char *text)
{
    cr_assert_not_null(strstr(page, text), "not said: %s\n%s", text, page);
}

static void says_not(const char *page, const char *text)
{
    cr_assert_null(strstr(page, text), "said: %s\n%s", text, page);
}

static int count(const char *page, const char *text)
{
    int n = 0;
    for (const char *at = page; (at = strstr(at, text)); at++)
        n++;
    return n;
}

/* ---- their times beside ours ---- */

/* 300 ms over 200 ms: 1.5 times; it is no cell of ours, and no fastest one. */
Test(page_peers, other_programs_have_their_names)
{
    char *page = PAGE(rows_ok("serial", 1, 200), of_program(rows_ok("serial", 1, 300), "other"));
    says(page, "Another program, `other`, took 1.50 times as long as ditbench for the same "
               "work in the same run (1 cell, below).");
    says(page, "| `serial` | 10 | other | 15 | 1.50 |");
    says(page, "0 without a latent, for they failed; 1 of other programs");
    cr_assert_null(strstr(page,
                          "build/ditbench run --model pixart-tiny --size 256 --steps 20 "
                          "--guidance 4.5 --requests 1 --seed 1 --dtype fp32 --backend other"));
    free(page);
    page = PAGE(rows_ok("serial", 1, 200), of_program(rows_ok("serial", 1, 100), "other"),
                rows_ok("ring=2", 2, 150), rows_ok("cfg=2", 2, 120),
                of_program(rows_ok("ring=2", 2, 300), "other"));
    says(page, "on 1\u00a0rank: `serial` takes 200.0\u00a0ms a loop");
    says(page, "Another program, `other` `serial`: 0.50 times as long.");
    says(page, "Another program, `other` `ring=2`: 2.00 times as long as our `ring=2`.");
    free(page);
}

/* The least and the most of several models say which they are of. */
Test(page_peers, another_program_s_ratios_name_their_models)
{
    struct record *ours = rows_ok("serial", 1, 200),
                  *other = of_program(rows_ok("serial", 1, 800), "other");
    ours->cell.model = other->cell.model = "dit-tiny";
    char *page = PAGE(rows_ok("serial", 1, 200), of_program(rows_ok("serial", 1, 300), "other"),
                      ours, other);
    says(page, "Another program, `other`, took 1.50 (`pixart-tiny`) to 4.00 (`dit-tiny`) times as "
               "long as ditbench for the same work in the same run (2 cells, below).");
    free(page);
}

/* A ratio is worth what both of its times are. */
Test(page_peers, another_program_s_noise_stands_beside_its_ratio)
{
    struct record *noisy = of_program(rows_ok("serial", 1, 300), "other");
    record_add_text(noisy, &noisy->flags, RECORD_NOISY);
    char *page = PAGE(rows_ok("serial", 1, 200), noisy);
    says(page, "(1 cell, 1 of them noisy, below).");
    says(page, "| other, noisy |");
    free(page);
}

/* A row of another program that tells how far its result lies from another way to compute it. */
Test(page_peers, another_result_is_no_same_work)
{
    struct record *tiled = of_program(rows_ok("serial", 1, 300), "tiled"),
                  *whole = of_program(rows_ok("serial", 1, 250), "whole"),
                  *large = sized(of_program(rows_ok("serial", 1, 800), "whole"), 512);
    tiled->deviation = (struct record_deviation){"whole", 0.0266, 0.1, 30};
    char *page =
        PAGE(rows_ok("serial", 1, 200), tiled, whole, sized(rows_ok("serial", 1, 400), 512), large);
    says(page, "Another program, `tiled`, took 1.50 times as long as ditbench in the same run, for "
               "another result, 0.027 (relative L2) off that of `whole` (1 cell, below).");
    says(page, "Another program, `whole`, took 1.25 to 2.00 times as long as ditbench for the same "
               "work in the same run (2 cells, below).");
    says(page, "| `serial` | 10 | tiled, another result | 15 | 1.50 |");
    says(page, "| `serial` | 10 | whole | 12.5 | 1.25 |");
    free(page);
}

/* ---- what nobody measured of them ---- */

/* Rows of 4000 bytes; a rank sends 50 a step. */
Test(page_peers, a_table_says_whose_memory_is_another)
{
    char *page = PAGE(rows_ok("serial", 1, 200), of_program(rows_ok("serial", 1, 300), "xdit"),
                      rows_ok("ring=2", 2, 150));
    says(page, " | 0.004 | 5.00e-05 | - |\n\n" NOTE);
    cr_assert_eq(count(page, NOTE), 1, "%s", page);
    says(page, "with what CUDA and the communication library take; of other programs the peak of "
               "their own allocator alone, and what they send nobody counted.");
    free(page);
    page = PAGE(rows_ok("serial", 1, 200), of_program(rows_ok("serial", 1, 300), "xdit"));
    says(page, "One rank, where nothing else of ours was measured.");
    says(page, " | 0.004 | - |\n\n" NOTE);
    free(page);
}

Test(page_peers, a_table_without_their_memory_has_no_note)
{
    struct record *none = of_program(rows_ok("serial", 1, 300), "xdit");
    none->memory_bytes.peak.n = 0;
    char *page = PAGE(rows_ok("serial", 1, 200), none, rows_ok("ring=2", 2, 150));
    says_not(page, NOTE);
    free(page);
}

/* Ours on one rank sends nothing, which is known; of another program it is not. */
Test(page_peers, bytes_that_nobody_counted_are_no_number)
{
    char *page = PAGE(rows_ok("serial", 1, 200), of_program(rows_ok("serial", 1, 300), "xdit"),
                      rows_ok("ring=2", 2, 150));
    says(page, "| `serial` | 1 | 200.0 | (194.0 to 210.0) | 5 | 10.00 | 1.000 | 100.0 | 0.004 | "
               "0.000 | - |\n");
    says(page, "| `xdit` `serial` | 1 | 300.0 | (291.0 to 315.0) | 5 | 15.00 | 1.000 | 100.0 | "
               "0.004 | - | - |\n");
    free(page);
}

Test(page_peers, alone_they_do_not_hold_what_their_allocator_counts)
{
    char *page = PAGE(of_program(rows_ok("serial", 1, 300), "xdit"),
                      of_program(rows_ok("cfg=2", 2, 200), "xdit"));
    says(page, "`xdit` `serial` takes 300.0\u00a0ms a loop (15.00\u00a0ms a step). Its allocator "
               "alone takes 4.000\u00a0kB.\n");
    says(page, " The allocator of its fullest rank alone takes 4.001\u00a0kB (`serial`: "
               "4.000\u00a0kB).\n");
    says(page, ", 4.001\u00a0kB by the allocator of the fullest rank alone.");
    says_not(page, "olds 4.00");
    cr_assert_eq(count(page, NOTE), 2, "under the fastest and under all: %s", page);
    free(page);
}

/* Ours: up to 5 % over the median; theirs: 300 to 390 ms, 30 % over it. */
Test(page_peers, their_noise_is_told_apart)
{
    const double loops[] = {290, 299, 300, 300, 310, 390};
    struct record *known = of_program(rows_ok("serial", 1, 300), "xdit"),
                  *few = of_program(rows_ok("ring=2", 2, 300), "xdit"), *ours;
    record_set_numbers(known, &known->latency_ms.samples, 6, loops);
    record_set_numbers(few, &few->latency_ms.samples, 3, loops + 3);
    ours = rows_ok("serial", 1, 200);
    record_set_numbers(ours, &ours->latency_ms.samples, 6,
                       (const double[]){196, 200, 200, 200, 200, 202});
    char *page = PAGE(ours, known, rows_ok("ring=2", 2, 150), few);
    says(page,
         "- Noise: medians of 1 row are known to \u00b12\u00a0% or better (95 % interval). Medians "
         "of 1 row of other programs are known to \u00b130\u00a0% or better (95 % interval). 1 row "
         "has fewer than 6 loops, which lie within \u00b15\u00a0% of their median. 1 row of other "
         "programs has fewer than 6 loops, which lie within \u00b126\u00a0% of their median. ");
    says(page, "1 row has a 95 % interval of the median. It goes farthest from it for `serial` of "
               "`pixart-tiny`");
    says(page, "1 row of other programs has a 95 % interval of the median. It goes farthest from "
               "it for `xdit` `serial` of");
    says(page, "1 row of other programs has fewer than 6 loops, too few for an interval of the "
               "median. Farthest from it lie the loops of `xdit` `ring=2` of");
    free(page);
    page = PAGE(of_program(rows_ok("serial", 1, 300), "xdit"));
    says(page, "- Noise: 1 row of other programs has fewer than 6 loops, which lie within "
               "\u00b15\u00a0% of");
    free(page);
}
