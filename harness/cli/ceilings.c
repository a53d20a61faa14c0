/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench ceilings`: the best rates of this device, measured and kept in the cache folder. */
#include "harness/base/number.h"
#include "harness/base/text.h"
#include "harness/cell/setup.h"
#include "harness/cli/args.h"
#include "harness/cli/command.h"
#include "harness/profile/ceilings_kept.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

struct ceilings_options {
    double seconds;
    bool json;
    int printed; /* rates */
};

enum { KEY_SECONDS = 1, KEY_JSON };

static const struct args_option own[] = {
    {"seconds", KEY_SECONDS, "S",
     "time to take, about; with less than 15 fewer shapes are measured (default: 30)"},
    {"json", KEY_JSON, NULL, "JSON on one line"},
    {NULL, 0, NULL, NULL},
};

static enum status take(void *self, int key, const char *value)
{
    struct ceilings_options *o = self;
    if (key == KEY_SECONDS)
        return number_real("--seconds", value, 1, 600, &o->seconds);
    o->json = true;
    return ST_OK;
}

/* ---- the table ---- */

static void on_rate(void *self, const struct ceilings_rate *rate)
{
    struct ceilings_options *o = self;
    char number[7][TEXT_NUMBER];
    bool computes = rate->kind == CEILINGS_PRODUCT || rate->kind == CEILINGS_ATTENTION;
    if (o->printed++ == 0)
        printf("%-9s  %-13s  %-18s %7s %7s %8s %8s %8s %8s\n", "kind", "operation", "shape",
               "TFLOP/s", "GB/s", "time us", "p10", "p90", "samples");
    printf("%-9s  %-13s  %-18s %7s %7s %8s %8s %8s %8d\n", ceilings_kind_name(rate->kind),
           rate->name, rate->shape, computes ? text_number(ceilings_tflops(rate), number[0]) : "-",
           text_number(ceilings_gbps(rate), number[1]), text_number(rate->median_us, number[2]),
           text_number(rate->p10_us, number[3]), text_number(rate->p90_us, number[4]),
           rate->samples);
    fflush(stdout);
}

static void print_best(const char *what, const struct ceilings_rate *best)
{
    char number[TEXT_NUMBER];
    if (!best)
        return;
    bool computes = best->kind == CEILINGS_PRODUCT || best->kind == CEILINGS_ATTENTION;
    printf("  %-32s %8s %s  (%s %s)\n", what,
           text_number(computes ? ceilings_tflops(best) : ceilings_gbps(best), number),
           computes ? "TFLOP/s" : "GB/s   ", best->name, best->shape);
}

/* The heads that were measured, ascending; `after` 0: the first. 0: there is no further one. */
static int next_head(const struct ceilings_set *set, int after)
{
    int next = 0;
    for (int i = 0; i < set->n; i++) {
        int head = set->rate[i].head;
        if (head > after && (next == 0 || head < next))
            next = head;
    }
    return next;
}

static void print_ceilings(const struct ceilings_set *set)
{
    char text[80];
    printf("\nceilings of %s in %s\n", set->key.device, dtype_name(set->dtype));
    print_best("products", ceilings_best(set, CEILINGS_PRODUCT, 0, -1));
    for (int c = 0; c < CEILINGS_CLASSES; c++) {
        snprintf(text, sizeof text, "  of %s", ceilings_class_name(c));
        print_best(text, ceilings_best(set, CEILINGS_PRODUCT, 0, c));
    }
    for (int head = next_head(set, 0); head > 0; head = next_head(set, head)) {
        snprintf(text, sizeof text, "attention, heads of %d", head);
        print_best(text, ceilings_best(set, CEILINGS_ATTENTION, head, -1));
    }
    print_best("element-wise traffic", ceilings_best(set, CEILINGS_TRAFFIC, 0, -1));
    print_best("exchanges", ceilings_best(set, CEILINGS_EXCHANGE, 0, -1));
    if (set->no_exchange[0])
        printf("  %s\n", set->no_exchange);
}

/* ---- JSON ---- */

static json_t *best_json(const struct ceilings_set *set, enum ceilings_kind kind, int head,
                         int size_class)
{
    const struct ceilings_rate *best = ceilings_best(set, kind, head, size_class);
    bool computes = kind == CEILINGS_PRODUCT || kind == CEILINGS_ATTENTION;
    if (!best)
        return json_null();
    return json_pack("{s:f, s:s, s:s}", computes ? "tflops" : "gbps",
                     computes ? ceilings_tflops(best) : ceilings_gbps(best), "name", best->name,
                     "shape", best->shape);
}

/* The set, its ceilings, and the file that keeps it (null: none does). */
static json_t *all_json(const struct ceilings_set *set, const char *path)
{
    json_t *out = ceilings_file_json(set);
    json_t *classes = json_object();
    json_t *heads = json_object();
    for (int c = 0; c < CEILINGS_CLASSES; c++)
        json_object_set_new(classes, ceilings_class_name(c),
                            best_json(set, CEILINGS_PRODUCT, 0, c));
    for (int head = next_head(set, 0); head > 0; head = next_head(set, head)) {
        char text[20];
        snprintf(text, sizeof text, "%d", head);
        json_object_set_new(heads, text, best_json(set, CEILINGS_ATTENTION, head, -1));
    }
    json_t *best =
        json_pack("{s:o, s:o, s:o, s:o, s:o}", "product", best_json(set, CEILINGS_PRODUCT, 0, -1),
                  "product_by_size", classes, "attention_by_head", heads, "traffic",
                  best_json(set, CEILINGS_TRAFFIC, 0, -1), "exchange",
                  best_json(set, CEILINGS_EXCHANGE, 0, -1));
    json_object_set_new(out, "ceilings", best);
    json_object_set_new(out, "file", path[0] ? json_string(path) : json_null());
    return out;
}

/* ---- the command ---- */

static enum status measure(struct ceilings_options *o, const struct setup *setup,
                           struct ceilings_set *set)
{
    const struct cell *cell = &setup->cell;
    char path[PATH_MAX] = "";
    char word[CEILINGS_WORD];
    bool kept = false;
    const struct ceilings_measure what = {
        .backend = cell->backend,
        .dtype = setup->problem.dtype,
        .threads = cell->threads,
        .devices = setup_gpus(setup),
        .seconds = o->seconds,
        .nvtx = cell->nvtx,
        .on_rate = o->json ? NULL : on_rate,
        .self = o,
    };
    TRY(ceilings_kept_renew(&what, set, &kept, word));
    if (word[0])
        fprintf(stderr, "ditbench ceilings: %s\n", word);
    if (kept)
        ceilings_file_path(path, sizeof path);
    if (o->json)
        return command_print_json(all_json(set, path));
    print_ceilings(set);
    if (path[0])
        printf("kept in %s\n", path);
    return ST_OK;
}

/* Defaults and refusals are those of a cell of one rank. */
static enum status run(struct ceilings_options *o, struct cell *cell)
{
    struct setup *setup;
    cell->ranks = 1;
    snprintf(cell->model, sizeof cell->model, "dit-tiny");
    snprintf(cell->transport, sizeof cell->transport, "local");
    TRY(setup_open(cell, NULL, &setup));
    struct ceilings_set *set = calloc(1, sizeof *set);
    enum status st = set ? setup_check_build(setup) : fail(ST_OOM, "ceilings: no host memory");
    if (st == ST_OK)
        st = measure(o, setup, set);
    free(set);
    setup_close(setup);
    return st;
}

static enum status ceilings_main(int argc, char **argv)
{
    static const char *const only[] = {"backend", "threads", "dtype", "nvtx", NULL};
    static const struct args args = {
        .command = "ceilings",
        .positional = "",
        .about = "Measures the best rates of this device: products, attention, element-wise "
                 "traffic, exchanges between GPUs. Keeps them in the cache folder.",
        .own = own,
        .cell = true,
        .only = only,
        .take = take,
    };
    struct ceilings_options o = {.seconds = CEILINGS_FULL_S};
    struct cell cell;
    cell_init(&cell);
    TRY(args_parse(&args, argc, argv, &cell, &o));
    return run(&o, &cell);
}

const struct command command_ceilings = {
    "ceilings", "the best rates of this device, measured and kept", ceilings_main};
