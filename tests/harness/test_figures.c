/* SPDX-License-Identifier: Apache-2.0 */
/* Figures for papers: formats, sizes in centimetres, titles, chosen strategies, published curves,
 * and colours that can be seen. */
#include "harness/plot/plot.h"
#include "harness/plot/published.h"
#include "tests/harness/program.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef DITBENCH_SOURCE_DIR
#define DITBENCH_SOURCE_DIR "."
#endif

TestSuite(figures, .init = cr_redirect_stdout, .timeout = 240);

static const char published_file[] =
    DITBENCH_SOURCE_DIR "/results/published/xdit_pixart_a100_scalability.csv";

/* Plots serial 100 ms, cfg=2 in 60 and two combinations of 4 ranks at 1024 px; the folder. */
static char *plot_rows(struct plot_options options)
{
    char *folder = rows_folder();
    struct record *row[] = {rows_ok("serial", 1, 100), rows_ok("cfg=2", 2, 60),
                            rows_ok("cfg=2,ring=2", 4, 40), rows_ok("cfg=2,ulysses=2", 4, 35)};
    for (int i = 0; i < 4; i++)
        rows_set_size(row[i], 1024, 1024);
    char *path = rows_write(folder, "rows.jsonl", 4, row);
    const char *paths[] = {path};
    options.folder = folder;
    cr_assert_eq(plot_files(paths, 1, &options), ST_OK, "%s", status_text());
    for (int i = 0; i < 4; i++)
        record_close(row[i]);
    free(path);
    return folder;
}

static void needs_gnuplot(void)
{
    if (system("gnuplot --version >/dev/null 2>&1") != 0)
        cr_skip_test("gnuplot is not installed");
}

/* ---- sizes ---- */

static double png_cm(const char *png)
{
    const unsigned char *b = (const unsigned char *)png;
    double width = 0, per_metre = 0;
    cr_assert_eq(memcmp(png + 37, "pHYs", 4), 0, "no resolution behind the header");
    for (int i = 0; i < 4; i++) {
        width = 256 * width + b[16 + i];
        per_metre = 256 * per_metre + b[41 + i];
    }
    return 100 * width / per_metre;
}

static double pdf_cm(const char *pdf, size_t size)
{
    const char *box = memmem(pdf, size, "/MediaBox [ 0 0 ", 16);
    cr_assert_not_null(box);
    return strtod(box + 16, NULL) * 2.54 / 72;
}

Test(figures, a_width_holds_in_every_format)
{
    static const char *const chart[] = {"latency-vs-ranks", "speedup", "bytes", "memory"};
    needs_gnuplot();
    for (int wide = 0; wide < 2; wide++) {
        double cm = wide ? 17.5 : 8.5;
        char *folder = plot_rows(
            (struct plot_options){.formats = PLOT_SVG | PLOT_PNG | PLOT_PDF, .width_cm = cm});
        for (int i = 0; i < 4; i++) {
            char name[100];
            size_t size;
            snprintf(name, sizeof name, "%s.pixart-tiny.1024.svg", chart[i]);
            char *svg = rows_file_text(folder, name, &size);
            cr_assert_not_null(
                strstr(svg, wide ? " width=\"17.5cm\" height=\"" : " width=\"8.5cm\" height=\""));
            free(svg);
            strcpy(strrchr(name, '.'), ".png");
            char *png = rows_file_text(folder, name, &size);
            cr_assert_float_eq(png_cm(png), cm, 0.001);
            free(png);
            strcpy(strrchr(name, '.'), ".pdf");
            char *pdf = rows_file_text(folder, name, &size);
            cr_assert_float_eq(pdf_cm(pdf, size), cm, 0.02); // whole points
            free(pdf);
        }
        rows_folder_remove(folder);
    }
}

Test(figures, a_title_is_taken_or_left_away)
{
    size_t size;
    for (int empty = 0; empty < 2; empty++) {
        char *folder = plot_rows(
            (struct plot_options){.formats = PLOT_SVG, .title = empty ? "" : "Ours, 2 of 3"});
        char *data = rows_file_text(folder, "data/memory.pixart-tiny.1024.gp", &size);
        cr_assert_not_null(
            strstr(data, empty ? "\ntitle_lines = 0\n" : "\ntitle_line[1] = 'Ours, 2 of 3'\n"));
        free(data);
        rows_folder_remove(folder);
    }
}

Test(figures, every_combination_can_be_drawn)
{
    size_t size;
    char *folder = plot_rows((struct plot_options){.formats = PLOT_SVG, .strategies = ","});
    char *data = rows_file_text(folder, "data/latency-vs-ranks.pixart-tiny.1024.gp", &size);
    cr_assert_not_null(strstr(data, "'cfg=2,ring=N'"), "%s", data);
    cr_assert_not_null(strstr(data, "'cfg=2,ulysses=N'"), "%s", data);
    cr_assert_not_null(strstr(data, "\n4 40 "), "%s", data);
    cr_assert_not_null(strstr(data, "\n4 35 "), "%s", data);
    cr_assert_null(strstr(data, "\n2 60 "), "not asked for");
    free(data);
    rows_folder_remove(folder);
}

/* ---- the command line ---- */

static void refused(const char *option, const char *value, const char *why)
{
    struct program p = program_run("plot", "rows.jsonl", option, value, NULL);
    cr_assert_eq(p.status, 2, "%s %s: %d", option, value, p.status);
    cr_assert_not_null(strstr(p.err, why), "%s", p.err);
    program_release(&p);
}

Test(figures, options_say_what_is_wrong_with_them)
{
    refused("--format", "svg,jpg", "'jpg' is none of svg, png, pdf");
    refused("--format", "", "empty");
    refused("--width", "3", "--width");
    refused("--width", "wide", "--width");
    refused("--settings", "0", "--settings");
    refused("--with", "", "empty");
}

Test(figures, options_reach_the_charts)
{
    char *folder = rows_folder(), *out = NULL;
    size_t size;
    struct record *row[] = {rows_ok("serial", 1, 100), rows_ok("cfg=2,ring=2", 4, 40)};
    needs_gnuplot();
    char *path = rows_write(folder, "rows.jsonl", 2, row);
    cr_assert_gt(asprintf(&out, "%s/out", folder), 0);
    struct program p = program_run("plot", path, "--out", out, "--format", "pdf", "--width", "12",
                                   "--title", "Mine", "--strategies", "cfg", "--with",
                                   published_file, "--settings", "all", NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    cr_assert_not_null(strstr(p.out, "/out/latency-vs-ranks.pixart-tiny.256.pdf\n"), "%s", p.out);
    cr_assert_null(strstr(p.out, ".svg"), "%s", p.out);
    char *data = rows_file_text(out, "data/latency-vs-ranks.pixart-tiny.256.gp", &size);
    cr_assert_not_null(strstr(data, "title_line[1] = 'Mine'\n"));
    cr_assert_not_null(strstr(data, "'cfg=2,ring=N'"));
    cr_assert_not_null(strstr(data, "wanted_px = 453.543307\n"));
    free(data);
    program_release(&p);
    record_close(row[0]);
    record_close(row[1]);
    free(path);
    free(out);
    rows_folder_remove(folder);
}

/* ---- published ---- */

Test(figures, a_published_curve_is_hollow_and_relative_to_its_own_gpu)
{
    const char *with[] = {published_file};
    size_t size;
    needs_gnuplot();
    char *folder = plot_rows((struct plot_options){
        .formats = PLOT_SVG, .strategies = "serial", .with_n = 1, .with = with});
    char *data = rows_file_text(folder, "data/speedup.pixart-tiny.1024.gp", &size);
    cr_assert_not_null(strstr(data, "'pipefusion, A100'\nvariant[4] = 1\nhollow[4] = 1\n"), "%s",
                       data);
    cr_assert_not_null(strstr(data, "\n2 1.73043 "), "%s", data); // 1.99 s / 1.15 s
    cr_assert_not_null(strstr(data, "\n8 1.85981 "), "%s", data); // 1.99 s / 1.07 s
    cr_assert_null(strstr(data, "\n2 1.96"), "another size: 15.8 s / 8.06 s");
    cr_assert_not_null(strstr(data, "'hollow: published, Pixart-A100-crop panel 1024px"), "%s",
                       data);
    cr_assert_not_null(strstr(data, "PixArt on A100, NVLink, steps"), "%s", data);
    cr_assert_not_null(strstr(data, "digitised"), "%s", data);
    free(data);
    rows_folder_remove(folder);
}

static int published_points(const char *text, int size, struct plot_point *points,
                            struct plot_published *published)
{
    char *folder = rows_folder();
    char *path = NULL;
    cr_assert_gt(asprintf(&path, "%s/p.csv", folder), 0);
    FILE *out = fopen(path, "w");
    fputs(text, out);
    fclose(out);
    const char *paths[] = {path};
    cr_assert_eq(plot_published_open(1, paths, published), ST_OK, "%s", status_text());
    struct record_cell cell = {.width = size, .height = size, .frames = 1};
    int n = plot_published_points(published, &cell, points);
    free(path);
    rows_folder_remove(folder);
    return n;
}

#define HEADER                                                                                     \
    "source,figure,model,task,hardware,interconnect,gpus,height,width,frames,steps,scheduler,"     \
    "strategy,config,metric,value,unit,method,uncertainty\n"
#define ROW(gpus, strategy, config, value)                                                         \
    "s,f,M,t,A100,NVLink," gpus ",512,512,,20,," strategy "," config ",latency," value             \
    ",s,label,0\n"

/* A curve with torch.compile is measured by the single GPU with torch.compile. */
Test(figures, published_curves_do_not_mix_ways)
{
    struct plot_point points[8];
    struct plot_published published;
    int n = published_points(
        HEADER ROW("1", "serial", "pytorch", "10") ROW("1", "serial", "torch.compile", "8")
            ROW("2", "ulysses", "ulysses2 torch.compile", "4")
                ROW("2", "ulysses", "ulysses2 pytorch", "4") ROW("2", "ring", "ring2 onediff", "4"),
        512, points, &published);
    cr_assert_eq(n, 2, "onediff has no single GPU");
    cr_assert_eq(points[0].y, 2);
    cr_assert_str_eq(points[0].label, "ulysses torch.compile, A100");
    cr_assert_eq(points[1].y, 2.5);
    cr_assert_str_eq(points[1].label, "ulysses pytorch, A100");
    cr_assert(points[0].published && !points[0].record);
    plot_published_close(&published);
}

Test(figures, published_rows_are_flagged_in_the_caption)
{
    struct plot_point points[8];
    struct plot_published published;
    char text[1000];
    struct record_cell cell = {.width = 512, .height = 512, .frames = 1};
    int n = published_points(HEADER ROW("1", "serial", "1 GPU", "10")
                                 ROW("4", "pipefusion", "pp4 warmup1 (not drawn there)", "4")
                                     ROW("4", "ring", "ring4; label is stale", "4"),
                             512, points, &published);
    cr_assert_eq(n, 2);
    cr_assert_str_eq(points[0].label, "pipefusion warmup1, A100");
    cr_assert_eq(points[0].y, 2.5, "the panel's only single GPU");
    int next = plot_published_panel(&published, &cell, 0, sizeof text, text);
    cr_assert_gt(next, 0);
    cr_assert_not_null(strstr(text, "not drawn there, label is stale"), "%s", text);
    cr_assert_eq(plot_published_panel(&published, &cell, next, sizeof text, text), 0);
    plot_published_close(&published);
}

/* A number that is none, or one that no measurement gives, is not drawn as something else: a
 * negative uncertainty would turn a bar upside down, an extreme value would make a speed-up 0. */
Test(figures, a_file_that_is_no_figure_is_refused)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"a,b\n1,2\n", "line 1: no column \"source\""},
        {HEADER "too,few\n", "line 2: 2 cells"},
        {"", "no line"},
        {HEADER ROW("2 GPUs", "ring", "ring2", "4"), "line 2: gpus: found '2 GPUs'"},
        {HEADER ROW("0", "ring", "ring2", "4"), "line 2: gpus: found '0'"},
        {HEADER ROW("1", "serial", "", "10") ROW("2", "ring", "ring2", "about 4"),
         "line 3: value: found 'about 4'"},
        {HEADER ROW("2", "ring", "ring2", "nan"), "line 2: value: found 'nan'"},
        {HEADER ROW("2", "ring", "ring2", "-4"), "line 2: value: found '-4'"},
        {HEADER ROW("2", "ring", "ring2", "1e-300"), "line 2: value: found '1e-300'"},
        {HEADER "s,f,M,t,A100,,2,512,512,,20,,ring,ring2,latency,4,s,label,-0.1\n",
         "line 2: uncertainty: found '-0.1'"},
        {HEADER "s,f,M,t,A100,,2,512px,512,,20,,ring,ring2,latency,4,s,label,0\n",
         "line 2: height: found '512px'"},
    };
    struct plot_published published;
    char *folder = rows_folder(), *path = NULL;
    cr_assert_gt(asprintf(&path, "%s/p.csv", folder), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        FILE *out = fopen(path, "w");
        fputs(bad[i].text, out);
        fclose(out);
        cr_assert_eq(plot_published_open(1, (const char *const *)&path, &published), ST_INVALID,
                     "%s", bad[i].text);
        cr_assert_not_null(strstr(status_message(), bad[i].why), "%s", status_message());
        plot_published_close(&published);
    }
    const char *missing = "/nowhere/p.csv", *device = "/dev/null";
    cr_assert_eq(plot_published_open(1, &missing, &published), ST_IO);
    cr_assert_eq(plot_published_open(1, &device, &published), ST_INVALID);
    free(path);
    rows_folder_remove(folder);
}

/* ---- colours ---- */

/* Contrast of "#rrggbb" with white: WCAG 2.1, relative luminance. */
static double contrast(const char *colour)
{
    double luminance = 0;
    static const double weight[] = {0.2126, 0.7152, 0.0722};
    for (int i = 0; i < 3; i++) {
        char hex[3] = {colour[1 + 2 * i], colour[2 + 2 * i], '\0'};
        double c = (double)strtol(hex, NULL, 16) / 255;
        luminance += weight[i] * (c <= 0.03928 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4));
    }
    return 1.05 / (luminance + 0.05);
}

/* Every colour of lines that begin with one of these words; shades of a family are darker still. */
Test(figures, no_colour_is_too_pale_to_be_seen)
{
    static const char *const file[] = {"plots/style.gp", "plots/memory.gp", "plots/peers.gp"};
    static const char *const word[] = {"colours ",       "other_colour ",     "turn_colours ",
                                       "spare_colours ", "array part_colour", "program_colours "};
    int seen = 0;
    for (int f = 0; f < 3; f++) {
        size_t size;
        char *text = rows_file_text(DITBENCH_SOURCE_DIR, file[f], &size);
        cr_assert_not_null(text, "%s", file[f]);
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
            for (int w = 0; w < 6; w++)
                for (char *c = line;
                     strncmp(line, word[w], strlen(word[w])) == 0 && (c = strchr(c, '#'));
                     c++, seen++)
                    cr_assert_geq(contrast(c), 3, "%.7s in %s", c, file[f]);
        free(text);
    }
    cr_assert_gt(seen, 20);
}
