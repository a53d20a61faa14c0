/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench comm` as a user runs it: every operation, right results, refusals. No figure is judged.
 */
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

TestSuite(comm, .init = program_limit);

static double number(json_t *row, const char *key)
{
    json_t *value = json_object_get(row, key);
    cr_assert(json_is_number(value), "no number %s", key);
    return json_number_value(value);
}

/* Sizes in order, nothing wrong, percentiles in order, and bandwidths that follow from the time:
 * busbw / algbw on three ranks is 4/3 for a sum, 2/3 for parts, 1 for a message. */
static void expect_row(json_t *row)
{
    const char *op = json_string_value(json_object_get(row, "op"));
    double factor = strcmp(op, "all_reduce") == 0 ? 4.0 / 3 : strcmp(op, "send") == 0 ? 1 : 2.0 / 3;
    double bytes = number(row, "bytes");
    double algbw = number(row, "algbw_GBps");
    cr_assert_eq(number(row, "wrong"), 0, "%s of %g bytes", op, bytes);
    cr_assert_eq(bytes, 4 * number(row, "count"));
    cr_assert(number(row, "p10_us") <= number(row, "time_us"));
    cr_assert(number(row, "time_us") <= number(row, "p90_us"));
    cr_assert(fabs(algbw * 1e3 * number(row, "time_us") - bytes) < 1e-6 * bytes);
    cr_assert(fabs(number(row, "busbw_GBps") / algbw - factor) < 1e-9, "%s", op);
}

Test(comm, every_operation_on_threads)
{
    static const char *const ops[] = {"all_reduce", "all_gather", "all_to_all",
                                      "send",       "to_heads",   "to_tokens"};
    struct program p =
        program_run("comm", "--ranks", "3", "--min", "4000", "--max", "63K", "--factor", "16",
                    "--iters", "3", "--warmup", "1", "--json", NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    json_t *all = json_loads(p.out, 0, NULL);
    json_t *rows = json_object_get(all, "rows");
    cr_assert_eq(json_array_size(rows), 12);
    for (size_t i = 0; i < 12; i++) {
        json_t *row = json_array_get(rows, i);
        cr_assert_str_eq(json_string_value(json_object_get(row, "op")), ops[i / 2]);
        expect_row(row);
    }
    json_decref(all);
    program_release(&p);
}

/* No table of a case has a number of ranks of its own. */
Test(comm, many_ranks)
{
    struct program p = program_run("comm", "--ranks", "130", "--op", "all_to_all", "--min", "4K",
                                   "--max", "4K", "--iters", "1", "--warmup", "0", "--json", NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    cr_assert(strstr(p.out, "\"wrong\":0"), "%s", p.out);
    program_release(&p);
}

static void expect_refusal(int status, const char *text, const char *option, const char *value)
{
    struct program p = program_run("comm", option, value, NULL);
    cr_assert_eq(p.status, status, "%s %s: status %d", option, value, p.status);
    cr_assert(strstr(p.err, text), "%s", p.err);
    program_release(&p);
}

Test(comm, refusals)
{
    expect_refusal(2, "legal: all_reduce, all_gather, all_to_all, send, to_heads, to_tokens",
                   "--op", "gather");
    expect_refusal(2, "legal: on, off, both", "--graph", "yes");
    expect_refusal(2, "--ranks: found '70000', wanted a whole number from 1 to 1024", "--ranks",
                   "70000");
    expect_refusal(2, "--max: found '4T', wanted bytes from 1 to", "--max", "4T");
    expect_refusal(2, "--min: found '-1K'", "--min", "-1K");
    expect_refusal(2, "--min: found '1025G'", "--min", "1025G");
    expect_refusal(2, "--min: 999999999 bytes are more than --max", "--min", "999999999");
}

Test(comm, under_mpirun)
{
    program_needs_mpi();
    const char *const argv[] = {"mpirun",   "-n",    "2",      program_path(), "comm", "--op",
                                "to_heads", "--max", "100000", "--iters",      "2",    NULL};
    struct program p = program_command(argv);
    cr_assert_eq(p.status, 0, "%s", p.err);
    cr_assert(strstr(p.out, "# cpu over mpi, 2 ranks"), "%s", p.out);
    cr_assert(strstr(p.out, "to_heads"), "%s", p.out);
    program_release(&p);
}
