/* SPDX-License-Identifier: Apache-2.0 */
/* Verdicts on published figures, on numbers whose verdict is known by hand. */
#include "harness/cell/setup.h"
#include "harness/paper/verdicts.h"
#include "harness/record/file.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(paper, .timeout = 120);

#define HEADER                                                                                     \
    "source,figure,model,task,hardware,interconnect,gpus,height,width,frames,steps,scheduler,"     \
    "strategy,config,metric,value,unit,method,uncertainty,flag\n"
#define ROW(gpus, size, strategy, config, metric, value, flag)                                     \
    "s,f,Px,t,A100,NVLink," gpus "," size "," size ",,20,," strategy "," config "," metric         \
    "," value ",s,label,0.5," flag "\n"
#define PROTOCOL_OF(sources)                                                                       \
    "name: t\ndescription: d\nhardware: h\npublished_steps: \"20\"\npublished_sampler: s\n"        \
    "published_dtype: fp16\npublished_guidance: g\npublished_warmup: w\npublished_timed: t\n"      \
    "published_loops: \"1\"\nsources: [" sources "]\nmodels: [\"Px => pixart-tiny\"]\nsteps: 20\n" \
    "backend: cuda\ntransport: local\nthreads: 64\ndiffers: [nothing]\n"
#define PROTOCOL PROTOCOL_OF("t.csv")

static const char curves[] = HEADER ROW("1", "64", "serial", "", "latency", "10", "")
    ROW("1", "128", "serial", "", "latency", "40", "")
        ROW("2", "64", "ulysses", "u2", "latency", "5", "")
            ROW("2", "64", "ring", "r2", "latency", "5", "")
                ROW("4", "64", "ring", "r4", "latency", "2.5", "suspect: a copy error")
                    ROW("2", "128", "ulysses", "u2", "oom", "", "")
                        ROW("12", "64", "ring", "r12", "latency", "2", "")
                            ROW("2", "128", "ring", "r2", "latency", "30", "mislabelled: x");

static const char rules[] = "points: [\"serial => serial\", \"ulysses u{gpus} => ulysses={gpus}\", "
                            "\"ring r{gpus} => ring={gpus}\"]\n";

struct figure {
    char *folder;
    struct pack *pack;
    struct paper_cells cells;
    struct record_list records;
    struct paper_rows rows;
};

static void write_file(const char *folder, const char *name, const char *text)
{
    char *path = NULL;
    cr_assert_gt(asprintf(&path, "%s/%s", folder, name), 0);
    FILE *out = fopen(path, "w");
    cr_assert_not_null(out);
    fputs(text, out);
    fclose(out);
    free(path);
}

static void open_in(struct figure *c, const char *csv, const char *yaml,
                    struct paper_machine machine)
{
    char *path = NULL;
    write_file(c->folder, "t.csv", csv);
    write_file(c->folder, "t.yaml", yaml);
    cr_assert_gt(asprintf(&path, "%s/t.yaml", c->folder), 0);
    cr_assert_eq(pack_open(path, &c->pack), ST_OK, "%s", status_text());
    cr_assert_eq(paper_cells_make(c->pack, &machine, &c->cells), ST_OK, "%s", status_text());
    free(path);
}

static struct figure open_case(const char *csv, const char *yaml, struct paper_machine machine)
{
    struct figure c = {.folder = rows_folder()};
    open_in(&c, csv, yaml, machine);
    return c;
}

/* A row of the point's cell with this median; steps: those of its median loop, or NULL. */
static struct record *row_of(const struct figure *c, int point, double ms, int n,
                             const double *steps)
{
    struct setup *setup;
    const struct cell *cell = &c->cells.v[c->cells.of[point]].cell;
    struct record *r = rows_ok(cell->strategy, cell->ranks, ms);
    cr_assert_eq(setup_open(cell, NULL, &setup), ST_OK, "%s", status_text());
    setup_name_record(setup, "synthetic", r);
    setup_close(setup);
    if (n > 0)
        record_set_numbers(r, &r->step_ms.samples, n, steps);
    return r;
}

static void judge_case(struct figure *c, struct paper_machine machine, int n, struct record **row)
{
    char *path = rows_write(c->folder, "rows.jsonl", n, row);
    cr_assert_eq(record_file_read(path, &c->records, NULL), ST_OK, "%s", status_text());
    cr_assert_eq(paper_rows_make(c->pack, &machine, &c->cells, &c->records, &c->rows), ST_OK);
    for (int i = 0; i < n; i++)
        record_close(row[i]);
    free(path);
}

static void close_case(struct figure *c)
{
    paper_rows_release(&c->rows);
    record_list_release(&c->records);
    paper_cells_release(&c->cells);
    pack_close(c->pack);
    rows_folder_remove(c->folder);
}

static void expect(const struct paper_rows *rows, int at, enum paper_verdict verdict,
                   const char *why)
{
    cr_expect_eq(rows->v[at].verdict, verdict, "%s: %s", rows->v[at].label, rows->v[at].why);
    cr_expect_not_null(strstr(rows->v[at].why, why), "%s: %s", rows->v[at].label, rows->v[at].why);
}

/* Published: 10 s and 40 s on one GPU (4 times as long), 5 s on two (2 times faster). */
Test(paper, points_are_judged_by_their_own_single_gpu)
{
    const struct paper_machine machine = {.gpus = 8};
    char yaml[4000];
    snprintf(yaml, sizeof yaml, "%sclaim: ratio\n%s", PROTOCOL, rules);
    struct figure c = open_case(curves, yaml, machine);
    struct record *row[] = {row_of(&c, 0, 1000, 0, NULL), row_of(&c, 1, 5000, 0, NULL),
                            row_of(&c, 2, 1000 / 1.5, 0, NULL), row_of(&c, 3, 1000 / 1.4, 0, NULL),
                            row_of(&c, 4, 400, 0, NULL)};
    judge_case(&c, machine, 5, row);
    expect(&c.rows, 0, PAPER_NOT_COMPARABLE, "smallest size on one GPU");
    expect(&c.rows, 1, PAPER_REPRODUCED, "ratio 5, published 4: +25%");
    expect(&c.rows, 2, PAPER_REPRODUCED, "ratio 1.5, published 2: -25%");
    expect(&c.rows, 3, PAPER_NOT_REPRODUCED, "ratio 1.4, published 2: -30%");
    expect(&c.rows, 4, PAPER_NOT_COMPARABLE, "suspect: a copy error");
    expect(&c.rows, 5, PAPER_NOT_COMPARABLE, "published: out of memory; ours needs 0.0 GB");
    expect(&c.rows, 6, PAPER_NOT_COMPARABLE, "needs 12 GPUs");
    expect(&c.rows, 7, PAPER_NOT_COMPARABLE, "our cell was not run");
    cr_expect_eq(c.rows.count[PAPER_REPRODUCED], 2);
    cr_expect_eq(c.rows.count[PAPER_NOT_COMPARABLE], 5);
    cr_expect_float_eq(c.rows.v[2].ours.value, 1 / 1.5, 1e-9, "seconds");
    cr_expect_float_eq(c.rows.v[2].memory_gb, 4001e-9, 1e-12, "the fullest rank's");
    cr_expect_str_eq(c.rows.v[2].memory_source, "run");
    cr_expect_str_eq(c.rows.v[6].memory_source, "plan");
    close_case(&c);
}

/* A GPU of that name, and that build. */
static struct record *made_by(struct record *r, const char *gpu, const char *commit, bool dirty)
{
    r->env.gpus.n = 0;
    record_add_gpu(r, &(struct record_gpu){.name = gpu});
    r->env.commit = commit;
    r->env.dirty = dirty;
    return r;
}

/* Ours are divided by each other: two builds are told, two kinds of GPU are no ratio. */
Test(paper, ratios_across_builds_are_told_and_across_devices_are_none)
{
    const struct paper_machine machine = {.gpus = 8};
    char yaml[4000];
    snprintf(yaml, sizeof yaml, "%sclaim: ratio\n%s", PROTOCOL, rules);
    struct figure c = open_case(curves, yaml, machine);
    struct record *row[] = {made_by(row_of(&c, 0, 1000, 0, NULL), "H200", "aaa", false),
                            made_by(row_of(&c, 1, 4000, 0, NULL), "H200", "aaa", true),
                            made_by(row_of(&c, 2, 500, 0, NULL), "H200", "bbb", false),
                            made_by(row_of(&c, 3, 500, 0, NULL), "L20", "aaa", false),
                            made_by(row_of(&c, 6, 500, 0, NULL), "H200", "aaa", false)};
    record_add_gpu(row[4], &(struct record_gpu){.name = "H200"});
    row[4]->env.cpu = "another CPU";
    judge_case(&c, machine, 5, row);
    expect(&c.rows, 1, PAPER_REPRODUCED,
           "measured by a row of another build: aaa, its own aaa (dirty)");
    expect(&c.rows, 2, PAPER_REPRODUCED,
           "ratio 2, published 2: +0%; measured by a row of another build: aaa, its own bbb");
    expect(&c.rows, 3, PAPER_NOT_COMPARABLE,
           "Px serial, 1 GPU, 64 px was measured on another device: H200, not L20");
    cr_expect(isnan(c.rows.v[3].ours.ratio), "neither shown nor drawn");
    expect(&c.rows, 6, PAPER_NOT_REPRODUCED,
           "measured by a row of another machine: A CPU, its own another CPU");
    cr_expect_null(strstr(c.rows.v[6].why, "build"), "%s", c.rows.v[6].why);
    close_case(&c);
}

/* The order of seconds is one of equal devices. */
Test(paper, an_order_is_of_one_device)
{
    const struct paper_machine machine = {.gpus = 8};
    static const char csv[] = HEADER ROW("2", "64", "ulysses", "u2", "latency", "5", "")
        ROW("2", "64", "ring", "r2", "latency", "10", "")
            ROW("2", "64", "cfg", "cfg2", "latency", "20", "");
    char yaml[4000];
    snprintf(yaml, sizeof yaml, "%sclaim: order\npoints: [%s]\n", PROTOCOL,
             "\"ulysses u2 => ulysses=2\", \"ring r2 => ring=2\", \"cfg cfg2 => cfg=2\"");
    struct figure c = open_case(csv, yaml, machine);
    struct record *row[] = {made_by(row_of(&c, 0, 100, 0, NULL), "H200", "aaa", false),
                            made_by(row_of(&c, 1, 200, 0, NULL), "H200", "bbb", false),
                            made_by(row_of(&c, 2, 50, 0, NULL), "B200", "aaa", false)};
    judge_case(&c, machine, 3, row);
    expect(&c.rows, 0, PAPER_REPRODUCED,
           "its order with 1 other is kept; 1 of another device left out; 1 of another build or "
           "machine");
    expect(&c.rows, 2, PAPER_NOT_COMPARABLE, "2 of another device left out");
    close_case(&c);
}

/* What must be known of a row before its number is trusted stands where the number comes from. */
Test(paper, flags_of_rows_stand_at_points)
{
    const struct paper_machine machine = {.gpus = 8};
    char yaml[4000];
    snprintf(yaml, sizeof yaml, "%sclaim: ratio\n%s", PROTOCOL, rules);
    struct figure c = open_case(curves, yaml, machine);
    struct record *row[] = {row_of(&c, 0, 1000, 0, NULL), row_of(&c, 1, 4000, 0, NULL)};
    record_add_text(row[0], &row[0]->flags, RECORD_DRIFT);
    record_add_text(row[0], &row[0]->flags, RECORD_THROTTLED);
    record_add_text(row[1], &row[1]->flags, RECORD_NOISY);
    judge_case(&c, machine, 2, row);
    cr_expect_str_eq(c.rows.v[0].source, "median of 5 loops, drift, throttled");
    cr_expect_str_eq(c.rows.v[1].source, "median of 5 loops, noisy");
    close_case(&c);
}

static struct record *sent(struct record *r, uint64_t first, uint64_t second)
{
    r->comm.n = 0;
    const uint64_t bytes[] = {first, first, second};
    for (int i = 0; i < 3; i++) // rank 0 has two lines
        record_add_comm(r, &(struct record_comm){.rank = i / 2,
                                                 .axis = "ring",
                                                 .op = "send",
                                                 .when = "step",
                                                 .wire_bytes = bytes[i],
                                                 .predicted_wire_bytes = bytes[i]});
    return r;
}

/* Each of memory and bytes says whether it was measured. */
Test(paper, memory_and_bytes_say_where_each_is_from)
{
    const struct paper_machine machine = {.gpus = 0};
    char yaml[4000];
    snprintf(yaml, sizeof yaml,
             "%sclaim: ratio\n%soverrides: [\"ring r2 on 2 at 128 => steps=4\"]\n", PROTOCOL,
             rules);
    struct figure c = open_case(curves, yaml, machine);
    struct record *row[] = {row_of(&c, 0, 1000, 0, NULL),
                            sent(row_of(&c, 3, 500, 0, NULL), 2000000, 5000000),
                            sent(row_of(&c, 7, 500, 0, NULL), 1, 1), row_of(&c, 2, 500, 0, NULL)};
    row[3]->memory_bytes.peak.n = 0;
    row[3]->comm.n = 0;
    judge_case(&c, machine, 4, row);
    cr_expect_str_eq(c.rows.v[0].memory_source, "run", "a rank alone sends nothing");
    cr_expect_eq(c.rows.v[0].wire_mb, 0);
    cr_expect_str_eq(c.rows.v[3].memory_source, "run");
    cr_expect_float_eq(c.rows.v[3].wire_mb, 5, 1e-9, "the second rank's, not the first's 4");
    cr_expect_str_eq(c.rows.v[7].memory_source, "run; bytes as the plan says", "of 4 steps");
    cr_expect_gt(c.rows.v[7].wire_mb, 0.01);
    cr_expect_str_eq(c.rows.v[2].memory_source, "plan");
    cr_expect_str_eq(c.rows.v[4].memory_source, "plan");
    close_case(&c);
}

/* A single GPU that is not to be compared with measures nothing, and neither does a size. */
Test(paper, a_suspect_single_gpu_is_no_base)
{
    static const char csv[] =
        HEADER ROW("1", "64", "serial", "", "latency", "10", "suspect: a typo")
            ROW("1", "128", "serial", "", "latency", "40", "")
                ROW("2", "64", "ring", "r2", "latency", "5", "")
                    ROW("2", "128", "ring", "r2", "latency", "20", "");
    const struct paper_machine machine = {.gpus = 8};
    char yaml[4000];
    snprintf(yaml, sizeof yaml, "%sclaim: ratio\npoints: [\"serial => serial\", %s", PROTOCOL,
             "\"ring r{gpus} => ring={gpus}\"]\n");
    struct figure c = open_case(csv, yaml, machine);
    struct record *row[] = {row_of(&c, 0, 1000, 0, NULL), row_of(&c, 1, 4000, 0, NULL),
                            row_of(&c, 2, 500, 0, NULL), row_of(&c, 3, 2000, 0, NULL)};
    judge_case(&c, machine, 4, row);
    expect(&c.rows, 0, PAPER_NOT_COMPARABLE, "suspect: a typo");
    expect(
        &c.rows, 1, PAPER_NOT_COMPARABLE,
        "measured by Px serial, 1 GPU, 64 px, which is not to be compared with: suspect: a typo");
    expect(&c.rows, 2, PAPER_NOT_COMPARABLE, "not to be compared with: suspect: a typo");
    expect(&c.rows, 3, PAPER_REPRODUCED, "ratio 2, published 2");
    close_case(&c);
}

/* A picture of one size alone is measured by the smallest one of the others. */
Test(paper, pictures_of_a_pack_share_their_smallest_size)
{
    static const char larger[] = HEADER ROW("1", "128", "serial", "", "latency", "30", "")
        ROW("2", "128", "ring", "r2", "latency", "15", "");
    static const char again[] =
        HEADER "s,another,Px,t,A100,NVLink,1,64,64,,20,,serial,,latency,12,s,label,0.5,\n";
    const struct paper_machine machine = {.gpus = 8};
    char yaml[4000];
    snprintf(yaml, sizeof yaml, "%sclaim: ratio\npoints: [\"serial => serial\", %s",
             PROTOCOL_OF("small.csv, t.csv, again.csv"), "\"ring r{gpus} => ring={gpus}\"]\n");
    struct figure c = {.folder = rows_folder()};
    write_file(c.folder, "small.csv", HEADER ROW("1", "64", "serial", "", "latency", "10", ""));
    write_file(c.folder, "again.csv", again);
    open_in(&c, larger, yaml, machine);
    struct record *row[] = {row_of(&c, 0, 1000, 0, NULL), row_of(&c, 1, 3300, 0, NULL),
                            row_of(&c, 2, 1500, 0, NULL)};
    judge_case(&c, machine, 3, row);
    expect(&c.rows, 0, PAPER_NOT_COMPARABLE, "smallest size on one GPU");
    expect(&c.rows, 1, PAPER_REPRODUCED, "ratio 3.3, published 3: +10%");
    expect(&c.rows, 2, PAPER_REPRODUCED, "ratio 2.2, published 2: +10%");
    expect(&c.rows, 3, PAPER_NOT_COMPARABLE, "smallest size on one GPU");
    close_case(&c);
}

/* Rows that another machine recorded are judged where no GPU is. */
Test(paper, rows_of_another_machine_count)
{
    const struct paper_machine machine = {.gpus = 0};
    char yaml[4000];
    snprintf(yaml, sizeof yaml, "%sclaim: ratio\n%s", PROTOCOL, rules);
    struct figure c = open_case(curves, yaml, machine);
    struct record *row[] = {row_of(&c, 0, 1000, 0, NULL), row_of(&c, 1, 4100, 0, NULL)};
    judge_case(&c, machine, 2, row);
    expect(&c.rows, 1, PAPER_REPRODUCED, "ratio 4.1, published 4");
    cr_expect_str_eq(c.rows.v[1].memory_source, "run", "a rank alone sends nothing");
    expect(&c.rows, 2, PAPER_NOT_COMPARABLE, "needs 2 GPUs");
    close_case(&c);
}

/* A row that failed says more than what this machine lacks. */
Test(paper, a_failed_row_of_another_machine_is_told)
{
    const struct paper_machine machine = {.gpus = 0};
    char yaml[4000];
    snprintf(yaml, sizeof yaml, "%sclaim: ratio\n%s", PROTOCOL, rules);
    struct figure c = open_case(curves, yaml, machine);
    struct record *row[] = {row_of(&c, 0, 1000, 0, NULL), row_of(&c, 2, 500, 0, NULL),
                            row_of(&c, 5, 500, 0, NULL)};
    row[1]->status = ENDING_CRASH;
    row[1]->reason = "signal 11";
    row[2]->status = ENDING_OOM;
    row[2]->reason = "the weights";
    judge_case(&c, machine, 3, row);
    expect(&c.rows, 2, PAPER_NOT_COMPARABLE, "its row is crash: signal 11");
    cr_expect_null(strstr(c.rows.v[2].why, "needs"), "%s", c.rows.v[2].why);
    expect(&c.rows, 3, PAPER_NOT_COMPARABLE, "needs 2 GPUs");
    expect(&c.rows, 5, PAPER_NOT_COMPARABLE, "its row is oom: the weights");
    close_case(&c);
}

/* Nothing is judged on tiny models, whatever they gave. */
Test(paper, a_stand_in_is_compared_with_nothing)
{
    const struct paper_machine machine = {.stand_in = true};
    char yaml[4000];
    snprintf(yaml, sizeof yaml, "%sclaim: ratio\n%s", PROTOCOL, rules);
    struct figure c = open_case(curves, yaml, machine);
    cr_expect_eq(c.cells.v[c.cells.of[4]].cell.ranks, 4);
    cr_expect_eq(c.cells.v[c.cells.of[6]].cell.ranks, 4, "12 are cut to 4");
    cr_expect_eq(c.cells.of[4], c.cells.of[6], "and so are one cell");
    struct record *row[] = {row_of(&c, 0, 1000, 0, NULL), row_of(&c, 1, 1000, 0, NULL),
                            row_of(&c, 5, 1000, 0, NULL)};
    for (int i = 1; i < 3; i++) {
        row[i]->status = ENDING_TIMEOUT;
        row[i]->reason = "60 s";
    }
    judge_case(&c, machine, 3, row);
    cr_expect_eq(c.rows.count[PAPER_NOT_COMPARABLE], 8);
    cr_expect_str_eq(c.rows.v[0].why, "a stand-in for tests: a tiny model on the CPU");
    cr_expect_str_eq(c.rows.v[1].why, "its row is timeout: 60 s; a stand-in for tests: a "
                                      "tiny model on the CPU");
    cr_expect_str_eq(c.rows.v[4].why,
                     "suspect: a copy error; a stand-in for tests: a tiny model on the CPU");
    cr_expect_str_eq(c.rows.v[5].why,
                     "published: out of memory; its row is timeout: 60 s; a stand-in for "
                     "tests: a tiny model on the CPU");
    const struct paper_cell *first = paper_rows_cell(&c.rows);
    cr_expect_eq(first->steps, 2, "what ran, not the 20 of the pack");
    cr_expect_str_eq(first->cell.dtype, "fp32");
    close_case(&c);
}

/* Four steps of 20, one of them synchronous: 100 + 19 x the median of 50, 70, 60. */
Test(paper, a_bounded_run_is_stretched_by_its_steady_steps)
{
    static const char csv[] = HEADER ROW("1", "128", "serial", "", "latency", "10", "")
        ROW("2", "128", "pipefusion", "pp2", "latency", "5", "");
    static const char yaml[] =
        PROTOCOL "claim: ratio\npoints: [\"serial => serial\", \"pipefusion pp2 => "
                 "pipefusion=2:warmup=1\"]\n"
                 "overrides: [\"serial* at 128 => steps=1\", \"pipe* => steps=4\"]\n";
    const struct paper_machine machine = {.gpus = 2};
    const double one[] = {120}, two[] = {100, 50, 70, 60};
    struct figure c = open_case(csv, yaml, machine);
    struct record *row[] = {row_of(&c, 0, 130, 1, one), row_of(&c, 1, 300, 4, two)};
    judge_case(&c, machine, 2, row);
    cr_expect_float_eq(c.rows.v[0].ours.value, 2.4, 1e-9);
    cr_expect_float_eq(c.rows.v[1].ours.value, 1.24, 1e-9);
    cr_expect_float_eq(c.rows.v[1].ours.low, 0.1 + 19 * 0.05, 1e-9);
    cr_expect_str_eq(c.rows.v[1].source,
                     "bounded run of 4 steps, stretched to 20 by the median step behind the "
                     "synchronous ones; range by its shortest and longest step");
    cr_expect_str_eq(c.rows.v[0].source,
                     "bounded run of 1 step, stretched to 20 by the median step", "no range");
    expect(&c.rows, 1, PAPER_REPRODUCED, "published 2: -3%");
    close_case(&c);
}

/* Loops and steps that are no times have no ratio, though their row is ok. */
Test(paper, numbers_that_cannot_be_are_not_judged)
{
    const struct paper_machine machine = {.gpus = 8};
    const double loops[] = {1, -2, 3}, steps[] = {120, -1};
    char yaml[4000];
    snprintf(yaml, sizeof yaml, "%sclaim: ratio\n%soverrides: [\"ulysses* at 64 => steps=2\"]\n",
             PROTOCOL, rules);
    struct figure c = open_case(curves, yaml, machine);
    struct record *row[] = {row_of(&c, 0, 1000, 0, NULL), row_of(&c, 1, 4000, 0, NULL),
                            row_of(&c, 2, 500, 2, steps)};
    record_set_numbers(row[1], &row[1]->latency_ms.samples, 3, loops);
    judge_case(&c, machine, 3, row);
    expect(&c.rows, 1, PAPER_NOT_COMPARABLE, "its row is ok, but with samples that are no times");
    expect(&c.rows, 2, PAPER_NOT_COMPARABLE, "the bounded run has a step that is no time");
    cr_expect(isnan(c.rows.v[1].ours.value) && isnan(c.rows.v[2].ours.value));
    close_case(&c);
}

/* One GPU too few, and a GPU too small: said, with what it would take. */
Test(paper, a_machine_says_what_it_lacks)
{
    char yaml[4000];
    snprintf(yaml, sizeof yaml, "%sclaim: ratio\n%s", PROTOCOL, rules);
    struct figure c = open_case(curves, yaml, (struct paper_machine){.gpus = 1, .memory = 1 << 20});
    cr_expect_str_eq(c.cells.v[c.cells.of[0]].text, "needs 0.5 GiB of memory");
    cr_expect_str_eq(c.cells.v[c.cells.of[2]].text, "needs 2 GPUs");
    cr_expect_not(c.cells.v[c.cells.of[2]].count, "its ranks do not fit together, either");
    close_case(&c);
    c = open_case(curves, yaml, (struct paper_machine){.gpus = 1, .memory = (uint64_t)8 << 30});
    cr_expect_str_eq(c.cells.v[c.cells.of[0]].text, "runs");
    cr_expect(c.cells.v[c.cells.of[2]].count);
    cr_expect_str_eq(c.cells.v[c.cells.of[2]].counted.transport, "local");
    cr_expect_eq(c.cells.v[c.cells.of[2]].counted.steps, 3);
    close_case(&c);
    c = open_case(curves, yaml, (struct paper_machine){.gpus = 0});
    cr_expect_str_eq(c.cells.v[c.cells.of[0]].text, "needs 1 GPU");
    close_case(&c);
}

/* Whether a cell runs is asked of what its backend computes on. */
Test(paper, a_pack_of_the_cpu_runs_where_no_gpu_is)
{
    char yaml[4000];
    snprintf(yaml, sizeof yaml, "%sclaim: ratio\n%s", PROTOCOL, rules);
    char *backend = strstr(yaml, "backend: cuda");
    memcpy(backend, "backend: cpu ", strlen("backend: cpu "));
    struct figure c = open_case(curves, yaml, (struct paper_machine){.gpus = 0});
    for (int i = 0; i < c.pack->n; i++)
        cr_expect_eq(c.cells.v[c.cells.of[i]].fate, PAPER_RUNS, "%s",
                     c.cells.v[c.cells.of[i]].text);
    close_case(&c);
    c = open_case(curves, yaml, (struct paper_machine){.gpus = 1, .memory = 1 << 20});
    cr_expect_eq(c.cells.v[c.cells.of[0]].fate, PAPER_RUNS, "a GPU's memory is not the host's");
    close_case(&c);
}

/* Of memory all ranks of a size are one group, one GPU among them. */
Test(paper, memory_is_judged_by_its_order)
{
    static const char csv[] = HEADER ROW("1", "128", "serial", "", "memory", "12", "")
        ROW("2", "128", "pipefusion", "pp2", "memory", "10", "")
            ROW("2", "128", "ring", "r2", "memory", "11", "");
    static const char yaml[] = PROTOCOL
        "claim: order\nmetric: memory\npoints: [\"serial => serial\", \"ring r2 => ring=2\", "
        "\"pipefusion pp2 => pipefusion=2\"]\n";
    const struct paper_machine machine = {.gpus = 0};
    struct figure c = open_case(csv, yaml, machine);
    struct record *row[] = {rows_ok("serial", 1, 5), row_of(&c, 2, 5, 0, NULL)};
    row[1]->status = ENDING_OOM;
    row[1]->reason = "the plan was wrong";
    judge_case(&c, machine, 2, row);
    expect(&c.rows, 0, PAPER_REPRODUCED, "its order with 2 others is kept");
    expect(&c.rows, 2, PAPER_NOT_COMPARABLE, "its row is oom: the plan was wrong");
    cr_expect_str_eq(c.rows.v[1].source, "plan");
    cr_expect_lt(c.rows.v[1].ours.value, c.rows.v[0].ours.value);
    close_case(&c);
}
