/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench reproduce` as a user runs it: previews, a pack from end to end, exit statuses. */
#include "harness/cell/setup.h"
#include "harness/paper/cells.h"
#include "tests/harness/program.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef DITBENCH_SOURCE_DIR
#define DITBENCH_SOURCE_DIR "."
#endif

TestSuite(paper_run, .init = program_limit);

static const char packs[] = DITBENCH_SOURCE_DIR "/experiments/paper/*.yaml";

static int lines_with(const char *text, const char *words)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, words)); at++)
        n++;
    return n;
}

/* On a machine without a GPU; one with GPUs would say `runs`. */
Test(paper_run, every_preview_names_every_cell)
{
    glob_t found;
    cr_assert_eq(glob(packs, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        int cells = 0;
        struct program p = program_run("reproduce", found.gl_pathv[i], "--dry-run", NULL);
        cr_assert_eq(p.status, 0, "%s: %s", found.gl_pathv[i], p.err);
        const char *last = strstr(p.out, " left out; ");
        cr_assert_not_null(last, "%s", p.out);
        cr_assert_eq(sscanf(last, " left out; %d cells", &cells), 1);
        cr_expect_gt(cells, 0);
        cr_expect_eq(lines_with(p.out, "; for: ") + lines_with(p.out, ": for: "), cells, "%s",
                     p.out);
        int told = lines_with(p.out, "\nneeds ") + lines_with(p.out, "\nruns ") +
                   lines_with(p.out, "\nrefused ") + lines_with(p.out, "\nfrom ") + 1;
        cr_expect_eq(told, cells, "%s: %d of %d", found.gl_pathv[i], told, cells);
        program_release(&p);
    }
    globfree(&found);
}

/* What a cell needs to run is one thing; of memory its point has a verdict without that. */
Test(paper_run, a_preview_of_memory_says_that_the_plan_is_judged)
{
    setenv("CUDA_VISIBLE_DEVICES", "", 1);
    struct program p =
        program_run("reproduce", DITBENCH_SOURCE_DIR "/experiments/paper/pixart-memory.yaml",
                    "--dry-run", NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    cr_expect_eq(lines_with(p.out, "\nneeds "), 19, "of 20 lines all but the first: %s", p.out);
    cr_expect_eq(lines_with(p.out, "; memory and bytes, which are judged: the plan, "), 20, "%s",
                 p.out);
    cr_expect_not_null(
        strstr(p.out, "; what does not run is judged from the plan or thread ranks\n"), "%s",
        p.out);
    program_release(&p);
}

static void expect_file(const char *folder, const char *name, const char *words)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    char *text = program_read(path);
    cr_assert_not_null(text, "%s", path);
    cr_expect_not_null(strstr(text, words), "%s: no \"%s\"", path, words);
    free(text);
}

Test(paper_run, a_stand_in_goes_from_end_to_end_and_resumes)
{
    char *folder = strdup(program_file("t4"));
    struct program p =
        program_run("reproduce", DITBENCH_SOURCE_DIR "/experiments/paper/pixart-t4.yaml", "--tiny",
                    "--out", folder, NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    cr_expect_eq(lines_with(p.out, "\nnot comparable"), 14, "15 points: %s", p.out);
    cr_expect_not_null(strstr(p.err, "15 cells to run here, 0 with a row"), "%s", p.err);
    expect_file(folder, "verdicts.csv", "pixart_legacy_t4.csv,2,serial,1,3.19,1,");
    expect_file(folder, "report.md", "# pixart-t4: published and reproduced");
    expect_file(folder, "index.html", "stand-in");
    expect_file(folder, "report.md", "| steps | 20 | 2 |");
    expect_file(folder, "report.md", "| type | fp16 | fp32 |");
    expect_file(folder, "report.md", "| loops | 1 | 1, not judged |");
    expect_file(folder, "report.md", "in a loop of all 2 steps");
    expect_file(folder, "report.md", "published: out of memory; a stand-in");
    expect_file(folder, "figure.svg", "tiny models on the CPU; steps: 2; fp32");
    expect_file(folder, "index.html", "<div class=\"picture narrow\">");
    expect_file(folder, "index.html", "<table class=\"fit\">");
    program_release(&p);
    p = program_run("reproduce", DITBENCH_SOURCE_DIR "/experiments/paper/pixart-t4.yaml", "--tiny",
                    "--out", folder, NULL);
    cr_expect_eq(p.status, 0, "%s", p.err);
    cr_expect_not_null(strstr(p.err, "15 cells to run here, 15 with a row"), "%s", p.err);
    program_release(&p);
    free(folder);
}

/* Three cells of one rank, at 512, 1024 and 2048 px, which the stand-in makes smaller. */
Test(paper_run, a_filter_leaves_cells_for_later)
{
    char *folder = strdup(program_file("some"));
    const char *pack = DITBENCH_SOURCE_DIR "/experiments/paper/pixart-t4.yaml";
    struct program p =
        program_run("reproduce", pack, "--tiny", "--out", folder, "--filter", "ranks=1 ", NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    cr_expect_not_null(strstr(p.err, "pixart-t4: 3 cells to run here, 0 with a row"), "%s", p.err);
    cr_expect_eq(lines_with(p.out, "\nnot comparable"), 14, "all points are told of: %s", p.out);
    program_release(&p);
    p = program_run("reproduce", pack, "--tiny", "--out", folder, NULL);
    cr_expect_eq(p.status, 0, "%s", p.err);
    cr_expect_not_null(strstr(p.err, "15 cells to run here, 3 with a row"), "%s", p.err);
    program_release(&p);
    p = program_run("reproduce", pack, "--dry-run", "--filter", "strategy=serial ", NULL);
    cr_expect_not_null(strstr(p.out, " left out; 3 cells: "), "%s", p.out);
    cr_expect_eq(lines_with(p.out, "; for: "), 3, "%s", p.out);
    program_release(&p);
    p = program_run("reproduce", pack, "--dry-run", "--filter", "ranks=3 ", NULL);
    cr_expect_eq(p.status, 2, "%s", p.err);
    cr_expect_not_null(strstr(p.err, "--filter 'ranks=3 ' matches no cell"), "%s", p.err);
    program_release(&p);
    free(folder);
}

#ifdef DEBUG
enum { EACH = 10 }; /* sanitizers look at memory, and packs differ in their numbers */
#else
enum { EACH = 1 };
#endif

/* Packs share rows, so that all of them take seconds. */
Test(paper_run, every_pack_goes_from_end_to_end)
{
    glob_t found;
    char *rows = strdup(program_file("shared.jsonl"));
    char *folder = strdup(program_file("all"));
    cr_assert_eq(glob(packs, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i += EACH) {
        struct program p = program_run("reproduce", found.gl_pathv[i], "--tiny", "--out", folder,
                                       "--results", rows, NULL);
        cr_expect_eq(p.status, 0, "%s: %s", found.gl_pathv[i], p.err);
        cr_expect_not_null(strstr(p.out, "points: 0 reproduced, 0 not reproduced"), "%s", p.out);
        program_release(&p);
    }
    globfree(&found);
    free(folder);
    free(rows);
}

#define PACK                                                                                       \
    "name: t\ndescription: d\nclaim: ratio\nhardware: h\npublished_steps: \"20\"\n"                \
    "published_sampler: s\npublished_dtype: fp16\npublished_guidance: g\npublished_warmup: w\n"    \
    "published_timed: t\npublished_loops: \"1\"\nsources: [t.csv]\nmodels: [\"Px => "              \
    "pixart-tiny\"]\nsteps: 20\ndiffers: [nothing]\npoints: [serial => serial]\n"
#define CSV                                                                                        \
    "source,figure,model,task,hardware,interconnect,gpus,height,width,frames,steps,scheduler,"     \
    "strategy,config,metric,value,unit,method,uncertainty\n"                                       \
    "s,f,Px,t,A100,NVLink,1,64,64,,20,,serial,,latency,10,s,label,0.5\n"

static int same_text(const char *folder, const char *name, const char *text)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    char *now = program_read(path);
    int same = now && strcmp(now, text) == 0;
    free(now);
    return same;
}

/* The command on the page makes the page again, wherever its rows, its pack and its values lie. */
Test(paper_run, a_page_names_the_command_that_makes_it_again)
{
    char *folder = strdup(program_file("page of t")), *rows = strdup(program_file("rows.jsonl"));
    char *csv = strdup(program_file("t.csv")), *pack = strdup(program_file("t.yaml"));
    char want[4096], path[4096], command[8192];
    program_write(csv, CSV);
    program_write(pack, PACK);
    struct program p =
        program_run("reproduce", pack, "--tiny", "--out", folder, "--results", rows, NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    program_release(&p);
    snprintf(want, sizeof want, "build/ditbench reproduce %s --results %s --out '%s' --tiny", pack,
             rows, folder);
    expect_file(folder, "report.md", want);
    snprintf(path, sizeof path, "- `%s`", csv);
    expect_file(folder, "report.md", path);
    snprintf(path, sizeof path, "%s/report.md", folder);
    char *page = program_read(path);
    snprintf(command, sizeof command, "%s%s", program_path(), want + strlen("build/ditbench"));
    const char *const argv[] = {"sh", "-c", command, NULL};
    p = program_command(argv);
    cr_expect_eq(p.status, 0, "%s", p.err);
    cr_expect_not_null(strstr(p.err, "1 cell to run here, 1 with a row"), "%s", p.err);
    cr_expect(same_text(folder, "report.md", page));
    program_release(&p);
    free(page);
    free(folder);
    free(rows);
    free(csv);
    free(pack);
}

#define TWO_CSV                                                                                    \
    CSV "s,f,Px,t,A100,NVLink,2,64,64,,20,,ring,r2,latency,5,s,label,0.5\n"                        \
        "s,f,Px,t,A100,NVLink,4,64,64,,20,,ring,r4,latency,3,s,label,0.5\n"
#define TWO_PACK PACK "assumed: [\"ring r{gpus} => ring={gpus}\"]\nbackend: cuda\n"

static struct record *record_of(const struct cell *cell, double ms)
{
    struct setup *setup;
    struct record *r = rows_ok(cell->strategy, cell->ranks, ms);
    cr_assert_eq(setup_open(cell, NULL, &setup), ST_OK, "%s", status_text());
    setup_name_record(setup, "synthetic", r);
    setup_close(setup);
    return r;
}

/* Rows of cells that do not run here: counted, and their failures are the exit status, too. */
Test(paper_run, rows_of_another_machine_are_counted)
{
    char *folder = strdup(program_file("two")), *pack = strdup(program_file("t.yaml"));
    char *rows = strdup(program_file("rows.jsonl"));
    struct pack *two;
    struct paper_cells cells;
    struct record *record[2];
    setenv("CUDA_VISIBLE_DEVICES", "", 1); // a GPU that is here would run them
    program_write(program_file("t.csv"), TWO_CSV);
    program_write(pack, TWO_PACK);
    cr_assert_eq(pack_open(pack, &two), ST_OK, "%s", status_text());
    cr_assert_eq(paper_cells_make(two, &(struct paper_machine){0}, &cells), ST_OK);
    for (int i = 0; i < 2; i++)
        record[i] = record_of(&cells.v[i].cell, 1000 - 400 * i);
    free(rows_write(program_folder(), "rows.jsonl", 2, record));
    struct program p = program_run("reproduce", pack, "--out", folder, "--results", rows, NULL);
    cr_expect_eq(p.status, 0, "%s", p.err);
    cr_expect_not_null(strstr(p.err, "t: 0 cells to run here, 0 with a row in "), "%s", p.err);
    cr_expect_not_null(strstr(p.err, "; 2 other rows there are of its cells"), "%s", p.err);
    expect_file(folder, "report.md", "1 point has no row of ours");
    program_release(&p);
    record[1]->status = ENDING_CRASH;
    record[1]->reason = "signal 11";
    free(rows_write(program_folder(), "rows.jsonl", 2, record));
    p = program_run("reproduce", pack, "--out", folder, "--results", rows, NULL);
    cr_expect_eq(p.status, 5, "%s", p.err);
    cr_expect_not_null(strstr(p.err, "1 cell failed"), "%s", p.err);
    expect_file(folder, "report.md", "its row is crash: signal 11");
    program_release(&p);
    for (int i = 0; i < 2; i++)
        record_close(record[i]);
    paper_cells_release(&cells);
    pack_close(two);
    free(folder);
    free(pack);
    free(rows);
}

/* Nothing runs here: the page of a pack with bounded runs, and of one without. */
Test(paper_run, a_legend_tells_what_a_range_is)
{
    char *folder = strdup(program_file("legend")), *pack = strdup(program_file("t.yaml"));
    setenv("CUDA_VISIBLE_DEVICES", "", 1);
    program_write(program_file("t.csv"), CSV);
    program_write(pack, PACK "backend: cuda\noverrides: [\"serial => steps=4\"]\n");
    struct program p = program_run("reproduce", pack, "--out", folder, NULL);
    cr_expect_eq(p.status, 0, "%s", p.err);
    expect_file(folder, "report.md",
                "p10 to p90; of a bounded run, by its shortest and its longest");
    program_release(&p);
    program_write(pack, PACK "backend: cuda\n");
    p = program_run("reproduce", pack, "--out", folder, NULL);
    cr_expect_eq(p.status, 0, "%s", p.err);
    expect_file(folder, "report.md", "p10 to p90. Assumed");
    program_release(&p);
    free(folder);
    free(pack);
}

/* A cell that fails: 5, with everything written; the next start runs it again. */
Test(paper_run, a_failed_cell_is_the_exit_status)
{
    char *folder = strdup(program_file("failed")), *pack = strdup(program_file("t.yaml"));
    program_write(program_file("t.csv"), CSV);
    program_write(pack, PACK "timeout_s: 0.001\n");
    struct program p = program_run("reproduce", pack, "--tiny", "--out", folder, NULL);
    cr_expect_eq(p.status, 5, "%d: %s", p.status, p.err);
    cr_expect_not_null(strstr(p.err, "1 cell failed"), "%s", p.err);
    expect_file(folder, "report.md", "1 cell failed");
    program_release(&p);
    program_write(pack, PACK);
    p = program_run("reproduce", pack, "--tiny", "--out", folder, NULL);
    cr_expect_eq(p.status, 0, "%s", p.err);
    program_release(&p);
    free(folder);
    free(pack);
}

Test(paper_run, what_cannot_be_used_is_refused)
{
    struct program p = program_run("reproduce", "pixart-t5", NULL);
    cr_expect_eq(p.status, 2);
    cr_expect_not_null(strstr(p.err, "pixart-t4"), "%s", p.err);
    program_release(&p);
    p = program_run("reproduce", NULL);
    cr_expect_eq(p.status, 2);
    cr_expect_not_null(strstr(p.err, "pixart-a100-nvlink"), "all are listed: %s", p.err);
    program_release(&p);
}
