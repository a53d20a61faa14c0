/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench report`: builds of one file are told apart; "How to repeat it": commands that a shell
 * and the builds of the rows take. */
#include "tests/harness/program.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

TestSuite(page_repeat, .init = program_limit);

#define CALLED(record, ...)                                                                        \
    called(record, sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *),                   \
           (const char *[]){__VA_ARGS__})

/* Made by that command line. */
static struct record *called(struct record *r, size_t n, const char *const *words)
{
    r->argv.n = 0;
    for (size_t i = 0; i < n; i++)
        record_add_text(r, &r->argv, words[i]);
    return r;
}

static struct record *of_commit(struct record *r, const char *commit)
{
    r->env.commit = commit;
    return r;
}

static struct record *of_peer(struct record *r, const char *program)
{
    r->experiment = "peers";
    r->cell.backend = program;
    r->check.against = NULL;
    r->check.pass = RECORD_UNKNOWN;
    return r;
}

static char *write_rows(const char *name, int n, struct record *const *rows)
{
    remove(program_file(name));
    char *path = rows_write(program_folder(), name, n, rows);
    for (int i = 0; i < n; i++)
        record_close(rows[i]);
    return path;
}

/* The page of two files (b NULL: one), as Markdown. */
static char *page_of(const char *a, const char *b)
{
    char *out = program_file("out/report.html");
    struct program p = b ? program_run("report", a, b, "--out", out, NULL)
                         : program_run("report", a, "--out", out, NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    program_release(&p);
    return program_read(program_file("out/report.md"));
}

#define PAGE(...)                                                                                  \
    page_of_rows(sizeof((struct record *[]){__VA_ARGS__}) / sizeof(struct record *),               \
                 (struct record *[]){__VA_ARGS__})

static char *page_of_rows(int n, struct record *const *rows)
{
    char *path = write_rows("rows.jsonl", n, rows), *page = page_of(path, NULL);
    free(path);
    return page;
}

static void says(const char *page, const char *text)
{
    cr_assert_not_null(strstr(page, text), "not said: %s\n%s", text, page);
}

static int count(const char *page, const char *text)
{
    int n = 0;
    for (const char *at = page; (at = strstr(at, text)); at++)
        n++;
    return n;
}

Test(page_repeat, rows_of_several_builds_have_their_commits)
{
    static const char a[] = "aaaaaaaaaaaa", b[] = "bbbbbbbbbbbb";
    struct record *rows[] = {
        of_commit(rows_ok("serial", 1, 200), a), of_commit(rows_ok("ring=2", 2, 110), a),
        of_commit(rows_ok("cfg=2", 2, 100), b), of_commit(rows_ok("ulysses=2", 2, 120), b),
        of_commit(of_peer(rows_ok("cfg=2", 2, 200), "xdit"), b)};
    struct record *alone[] = {rows_ok("serial", 1, 200), rows_ok("ring=2", 2, 110)};
    char *mixed = write_rows("mixed.jsonl", 5, rows), *one = write_rows("one.jsonl", 2, alone);
    char *page = page_of(mixed, NULL);
    says(page, ", run of aaaaaaa: ");
    says(page, ", run of bbbbbbb: ");
    says(page, "| of bbbbbbb | 256\u00a0×\u00a0256\u00a0px |");
    free(page);
    page = page_of(mixed, one);
    says(page, ", run mixed at aaaaaaa: ");
    says(page, ", run mixed at bbbbbbb: ");
    says(page, ", run one at 0123456: ");
    says(page, "| mixed at bbbbbbb | 256\u00a0×\u00a0256\u00a0px |");
    says(page, "| mixed at bbbbbbb | 256\u00a0×\u00a0256\u00a0px | 2 | `cfg=2` | 5 | xdit, "
               "another result | 10 | "
               "2.00 |");
    free(page);
    free(mixed);
    free(one);
}

/* With its file as it was named, in the tree of its commit; but not where its rows went. */
Test(page_repeat, a_sweep_names_its_file_as_it_was_named)
{
    char *page =
        PAGE(CALLED(rows_ok("serial", 1, 200), "/x/ditbench", "sweep", "experiments/demo.yaml",
                    "--results", "/x/y.jsonl", "--filter", "ranks=[12] "),
             CALLED(rows_ok("cfg=2", 2, 110), "build/ditbench", "sweep", "/tmp/prof.yaml",
                    "--results=y.jsonl", "--profile"),
             CALLED(rows_ok("ring=2", 2, 120), "build/ditbench", "sweep", "/tmp/prof.yaml",
                    "--profile", "--results", "z.jsonl"));
    says(page, "\n(cd ../ditbench-0123456789ab && build/ditbench sweep experiments/demo.yaml "
               "--filter 'ranks=[12] ' --results \"$OLDPWD\"/again.jsonl)\n"
               "(cd ../ditbench-0123456789ab && build/ditbench sweep /tmp/prof.yaml --profile "
               "--results \"$OLDPWD\"/again.jsonl)\nbuild/ditbench compare ");
    free(page);
}

Test(page_repeat, a_run_and_a_pack_are_called_as_they_were)
{
    struct record *run = CALLED(rows_ok("serial", 1, 200), "build/ditbench", "run", "--model",
                                "pixart-tiny", "--json");
    run->experiment = "";
    char *page = PAGE(run, CALLED(rows_ok("cfg=2", 2, 110), "build/ditbench", "reproduce",
                                  "pixart-l20", "--results", "y.jsonl"));
    says(page, "\n(cd ../ditbench-0123456789ab && build/ditbench run --model pixart-tiny --json) "
               ">>again.jsonl\n(cd ../ditbench-0123456789ab && build/ditbench reproduce pixart-l20 "
               "--results \"$OLDPWD\"/again.jsonl)\nbuild/ditbench compare ");
    free(page);
}

/* Sides, cells and options of a script's call are those of its rows, commit by commit. */
Test(page_repeat, other_programs_are_called_as_they_were_build_by_build)
{
    static const char script[] = "experiments/peers/peers.py";
    struct record *ours = rows_ok("serial", 1, 200), *old = rows_ok("cfg=2,ring=2", 4, 300),
                  *told = rows_ok("serial", 1, 310);
    CALLED(ours, "build/ditbench", "run", "--model", "pixart-tiny", "--json");
    ours->experiment = "peers";
    CALLED(old, "python3", "experiments/peers/xdit_worker.py", "task.json");
    CALLED(told, script, "--out", "results/peers.jsonl", "--ditbench", "build/ditbench", "--cells",
           "vae-flux", "--loops", "5");
    char *page =
        PAGE(of_commit(ours, "aaaaaaaaaaaa"), of_commit(of_peer(old, "xdit"), "aaaaaaaaaaaa"),
             of_commit(of_peer(told, "diffusers-eager"), "bbbbbbbbbbbb"));
    says(page, "other options are not known\nexperiments/peers/peers.py --out again.jsonl "
               "--ditbench ../ditbench-aaaaaaaaaaaa/build/ditbench --sides ditbench,xdit --cells "
               "pixart-tiny:256 --specs 'cfg=2,ring=2;' --rounds 1 --loops 5 --seconds 86400\n"
               "(cd ../ditbench-bbbbbbbbbbbb && experiments/peers/peers.py --ditbench "
               "build/ditbench --cells vae-flux --loops 5 --again --out \"$OLDPWD\"/again.jsonl)\n"
               "build/ditbench compare ");
    free(page);
}

Test(page_repeat, two_files_of_one_name_have_two_new_files_and_one_build)
{
    struct record *one = rows_ok("serial", 1, 200), *two = rows_ok("serial", 1, 210);
    mkdir(program_file("two"), 0755);
    char *a = write_rows("r.jsonl", 1, &one), *b = write_rows("two/r.jsonl", 1, &two);
    char *page = page_of(a, b);
    says(page, "--results \"$OLDPWD\"/again-r.jsonl)\n");
    says(page, "--results \"$OLDPWD\"/again-r-2.jsonl)\n");
    cr_assert_null(strstr(page, ".jsonl.jsonl"), "%s", page);
    cr_assert_eq(count(page, "git worktree add"), 1, "%s", page);
    free(page);
    free(a);
    free(b);
}

/* Older rows have 0 threads, which `run` does not take; a build outside git has no commit. */
Test(page_repeat, what_the_program_refuses_is_left_out)
{
    struct record *r = of_commit(rows_ok("serial", 1, 200), "unknown");
    r->cell.threads = 0;
    char *page = PAGE(r);
    cr_assert_null(strstr(page, "--threads"), "%s", page);
    cr_assert_null(strstr(page, "git worktree"), "%s", page);
    says(page, "\nbuild/ditbench sweep demo --results again.jsonl\n");
    free(page);
}

Test(page_repeat, an_unknown_guidance_is_not_asked_for)
{
    struct record *r = rows_ok("serial", 1, 200);
    r->cell.guidance = NAN;
    char *page = PAGE(r);
    says(page, " --steps 20 --requests 1 ");
    cr_assert_null(strstr(page, "nan "), "%s", page);
    free(page);
}

Test(page_repeat, rows_without_a_commit_take_this_tree_s_build)
{
    char *page = PAGE(of_commit(rows_ok("serial", 1, 200), "unknown"));
    says(page, "in a clone of ditbench. Which commit made the rows they do not tell, so that what "
               "differs may be the build's. First the build of this tree:\n\n```\nmake\n```\n\n"
               "Then the same cells");
    cr_assert_null(strstr(page, "each in a tree of its own"), "%s", page);
    free(page);
    page = PAGE(of_commit(rows_ok("serial", 1, 200), "unknown"), rows_ok("cfg=2", 2, 110));
    says(page, "in a clone of ditbench. First the builds that made the rows, each in a tree of its "
               "own. 1 of 2 rows does not tell its commit, and takes the build of this tree, so "
               "that what differs may be the build's:\n\n```\ngit worktree add "
               "../ditbench-0123456789ab 0123456789ab && make -C ../ditbench-0123456789ab\nmake\n"
               "```\n\nThen");
    free(page);
    page = PAGE(rows_ok("serial", 1, 200));
    says(page, "First the builds that made the rows, each in a tree of its own:\n\n```\ngit");
    cr_assert_null(strstr(page, "\nmake\n"), "%s", page);
    free(page);
}

/* ---- names that would end the block or the span they stand in ---- */

/* Whether a line is a fence of n backticks: that many and nothing else. */
static bool is_fence(const char *line, size_t n)
{
    return n >= 3 && strspn(line, "`") == n && line[n] == '\n';
}

/* As CommonMark reads it: no HTML that begins a line outside code, and no fence left open. */
static void is_in_code(const char *page, const char *html)
{
    size_t open = 0;
    for (const char *line = page; *line; line += strcspn(line, "\n") + 1) {
        size_t ticks = strspn(line, "`");
        if (open == 0 && is_fence(line, ticks))
            open = ticks;
        else if (open > 0 && ticks >= open && is_fence(line, ticks))
            open = 0;
        cr_assert(open > 0 || strncmp(line, html, strlen(html)) != 0, "no code: %.40s", line);
    }
    cr_assert_eq(open, 0);
}

Test(page_repeat, a_name_with_fences_stays_in_its_block)
{
    static const char enemy[] = "x\n```\n<script>\n````\n<script>\n";
    struct record *r = CALLED(rows_ok("serial", 1, 200), "build/ditbench", "sweep", enemy),
                  *run = CALLED(rows_ok("cfg=2", 2, 150), "build/ditbench", "run", enemy),
                  *peer = of_peer(rows_ok("cfg=2", 2, 150), enemy);
    rows_set_model(r, enemy);
    rows_set_model(run, enemy);
    rows_set_model(peer, enemy);
    char *page = PAGE(r, run, peer);
    says(page, "\n<script>\n````\n<script>\n");
    is_in_code(page, "<script>");
    free(page);
}

Test(page_repeat, a_backtick_of_a_path_ends_no_span)
{
    struct record *one = rows_ok("serial", 1, 200), *two = rows_ok("serial", 1, 210);
    char *a = write_rows("a`b.jsonl", 1, &one), *b = write_rows("c.jsonl", 1, &two);
    char *page = page_of(a, b);
    says(page, "/a'b.jsonl`:\n");
    says(page, "/a&#39;b.jsonl</code>, as its rows say");
    free(page);
    free(a);
    free(b);
}

Test(page_repeat, few_loops_have_no_verdict)
{
    struct record *few = rows_ok("serial", 1, 200);
    const double loops[] = {200, 210, 190};
    record_set_numbers(few, &few->latency_ms.samples, 3, loops);
    char *page = PAGE(few, rows_ok("cfg=2", 2, 110));
    says(page, "1 of its 2 cells has fewer than 5 loops: `compare` shows the medians of these, and "
               "has no verdict but AMBIGUOUS.");
    free(page);
    page = PAGE(rows_ok("serial", 1, 200));
    cr_assert_null(strstr(page, "AMBIGUOUS"), "%s", page);
    free(page);
}
