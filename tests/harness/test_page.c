/* SPDX-License-Identifier: Apache-2.0 */
/* What commands print for readers: no line over 100 columns, and nothing said twice. */
#include "harness/base/fold.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <string.h>

TestSuite(page, .init = program_limit);

static void fits(struct program p)
{
    cr_assert_eq(p.status, 0, "%s", p.err);
    for (const char *line = p.out; *line;) {
        size_t n = strcspn(line, "\n");
        cr_assert_leq(n, FOLD_WIDTH, "%zu columns: %.*s", n, (int)n, line);
        cr_assert(n == 0 || line[n - 1] != ' ', "a blank at the end: '%.*s'", (int)n, line);
        line += n + (line[n] == '\n');
    }
    program_release(&p);
}

#define BIG "--model=pixart-alpha-1024", "--dtype=bf16"

Test(page, no_line_is_too_long)
{
    static const char *const commands[] = {"list",  "plan", "run",  "decode", "verify",
                                           "sweep", "plot", "comm", "info"};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        struct program p = program_run(commands[i], "--help", NULL);
        for (const char *line = p.out; *line;) { /* argp leaves blanks at line ends */
            size_t n = strcspn(line, "\n");
            cr_assert_leq(n, FOLD_WIDTH, "%.*s", (int)n, line);
            line += n + (line[n] == '\n');
        }
        program_release(&p);
    }
    fits(program_run("--help", NULL));
    fits(program_run("list", NULL));
    fits(program_run("info", NULL));
    fits(program_run("plan", "--model=pixart-tiny", NULL));
    fits(program_run("plan", BIG, "--size=4096", "--requests=8", "--strategy",
                     "data=2,cfg=2,pipefusion=4:patches=8,ring=2,ulysses=2,tensor=2", NULL));
    fits(program_run("plan", BIG, "--strategy=distrifusion=4,ring=2", "--rank=5", NULL));
    fits(program_run("plan", BIG, "--strategy=cfg=2,pipefusion=14:patches=31", "--rank=27", NULL));
    fits(program_run("comm", "--ranks=2", "--min=4M", "--max=4M", "--iters=1", "--warmup=0", NULL));
}

Test(page, folds_at_blanks)
{
    cr_redirect_stdout();
    printf("%*s", 90, "");
    fold_print(90, 4, "one two three");
    fold_print(0, 4, "");
    fflush(stdout);
    char want[200];
    snprintf(want, sizeof want, "%*sone two\n    three\n\n", 90, "");
    cr_assert_stdout_eq_str(want);
}

static int times(const struct program *p, const char *text)
{
    int n = 0;
    for (const char *at = strstr(p->out, text); at; at = strstr(at + 1, text))
        n++;
    for (const char *at = strstr(p->err, text); at; at = strstr(at + 1, text))
        n++;
    return n;
}

static void says_once(struct program p, int status, const char *text)
{
    cr_assert_eq(p.status, status, "%s", p.err);
    cr_assert_eq(times(&p, text), 1, "%s: not once in: %s%s", text, p.out, p.err);
    program_release(&p);
}

#define TINY "--model=pixart-tiny", "--size=64", "--steps=2", "--repeats=1"

Test(page, a_refusal_is_said_once)
{
    says_once(program_run("plan", "--model=pixart-tiny", "--strategy=ulysses=5", NULL), 3,
              "does not divide 12 heads");
    says_once(program_run("run", TINY, "--strategy=ulysses=5", NULL), 3,
              "does not divide 12 heads");
    says_once(program_run("run", TINY, "--dtype=bf16", NULL), 3, "does not compute in bf16");
    says_once(program_run("run", "--model=dit-xl-2-256", "--size=8192", "--requests=8", NULL), 4,
              "MB are available");
}
