/* SPDX-License-Identifier: Apache-2.0 */
/* Ceilings: what holds an operation, the file that keeps rates, and `ditbench ceilings` as a user
 * runs it. No speed is judged. */
#include "harness/profile/ceilings_exchange.h"
#include "harness/profile/ceilings_kept.h"
#include "harness/profile/ladder.h"
#include "harness/profile/operands.h"
#include "kernels/backend.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(ceilings, .init = program_limit);

/* ---- sets made by hand ---- */

static void add(struct ceilings_set *set, enum ceilings_kind kind, const char *name, int head,
                double flops, double bytes, double us)
{
    struct ceilings_rate *rate = &set->rate[set->n++];
    *rate = (struct ceilings_rate){kind, "", "1x2", head, flops, bytes, 3, us, us, us};
    snprintf(rate->name, sizeof rate->name, "%s", name);
}

/* Products of 100 and 400 TFLOP/s, heads of 64 and 128 at 200 and 300, copies of 2000 GB/s. */
static void make_set(struct ceilings_set *set, enum dtype dtype, const char *device)
{
    memset(set, 0, sizeof *set);
    set->key = (struct ceilings_key){"cuda", "", 1, {{"driver", "550"}}};
    snprintf(set->key.device, sizeof set->key.device, "%s", device);
    strcpy(set->time, "2026-01-02T03:04:05Z");
    strcpy(set->no_exchange, "exchanges are skipped: for a test");
    set->dtype = dtype;
    set->seconds = 5;
    add(set, CEILINGS_PRODUCT, "linear", 0, 5e9, 1e7, 50);
    add(set, CEILINGS_PRODUCT, "linear", 0, 5e11, 1e8, 1250);
    add(set, CEILINGS_ATTENTION, "attention", 64, 2e10, 1e7, 100);
    add(set, CEILINGS_ATTENTION, "attention", 128, 3e10, 1e7, 100);
    add(set, CEILINGS_TRAFFIC, "gate_add_norm", 0, 1e7, 1e8, 100);
    add(set, CEILINGS_TRAFFIC, "copy", 0, 0, 2e8, 100);
}

static struct ceilings *known(enum dtype dtype)
{
    struct ceilings *c = calloc(1, sizeof *c);
    make_set(&c->set[dtype], dtype, "Imaginary 1");
    c->have[dtype] = true;
    return c;
}

static void near(double got, double want)
{
    cr_assert(fabs(got - want) <= 1e-9 * fabs(want), "%.12g, wanted %.12g", got, want);
}

static struct ceilings_limit find(const struct ceilings *c, enum ceilings_kind kind, int head,
                                  double flops, double bytes)
{
    struct ceilings_limit limit;
    const struct ceilings_op op = {kind, DTYPE_BF16, head, flops, bytes};
    cr_assert(ceilings_find(c, &op, &limit));
    return limit;
}

/* ---- what holds an operation ---- */

Test(ceilings, a_product_is_held_by_flops_or_by_bytes)
{
    struct ceilings *c = known(DTYPE_BF16);
    struct ceilings_limit limit = find(c, CEILINGS_PRODUCT, 0, 4e11, 1e8);
    cr_assert(!limit.by_bytes);
    near(limit.rate, 400);
    near(limit.least_us, 1000);
    near(limit.rate_of_size, 400);
    cr_assert_str_eq(limit.of_bytes, "copy");
    limit = find(c, CEILINGS_PRODUCT, 0, 4e9, 1e8);
    cr_assert(limit.by_bytes);
    near(limit.rate, 2000);
    near(limit.least_us, 50);
    near(limit.rate_of_size, 100);
    near(find(c, CEILINGS_PRODUCT, 0, 5e10, 1).rate_of_size, 100); // none so large: a smaller class
    near(find(c, CEILINGS_PRODUCT, 0, 1e6, 1).rate_of_size, 100);  // none smaller: a larger one
    near(find(c, CEILINGS_PRODUCT, 0, 5e12, 1).rate_of_size, 400);
    free(c);
}

Test(ceilings, attention_has_a_ceiling_for_each_head)
{
    struct ceilings *c = known(DTYPE_BF16);
    near(find(c, CEILINGS_ATTENTION, 64, 1e11, 1).rate, 200);
    near(find(c, CEILINGS_ATTENTION, 72, 1e11, 1).rate, 300);
    near(find(c, CEILINGS_ATTENTION, 8, 1e11, 1).rate, 200);
    near(find(c, CEILINGS_ATTENTION, 256, 1e11, 1).rate, 300);
    free(c);
}

Test(ceilings, traffic_is_held_by_bytes_in_any_dtype)
{
    struct ceilings *c = known(DTYPE_BF16);
    struct ceilings_op op = {CEILINGS_TRAFFIC, DTYPE_F32, 0, 1e15, 4e6};
    struct ceilings_limit limit;
    cr_assert(ceilings_find(c, &op, &limit));
    cr_assert(limit.by_bytes && limit.tflops == 0 && !limit.of_flops);
    near(limit.least_us, 2);
    op.kind = CEILINGS_PRODUCT;
    cr_assert_not(ceilings_find(c, &op, &limit), "a product in a dtype that was not measured");
    op.dtype = DTYPE_BF16;
    op.kind = CEILINGS_EXCHANGE;
    cr_assert_not(ceilings_find(c, &op, &limit), "an exchange where none was measured");
    free(c);
}

Test(ceilings, names_and_classes)
{
    cr_assert_eq(ceilings_kind_of("linear"), CEILINGS_PRODUCT);
    cr_assert_eq(ceilings_kind_of("linear_add"), CEILINGS_PRODUCT);
    cr_assert_eq(ceilings_kind_of("conv"), CEILINGS_PRODUCT);
    cr_assert_eq(ceilings_kind_of("group_norm"), CEILINGS_TRAFFIC);
    cr_assert_eq(ceilings_kind_of("attention"), CEILINGS_ATTENTION);
    cr_assert_eq(ceilings_kind_of("merge"), CEILINGS_TRAFFIC);
    cr_assert_eq(ceilings_class(0), 0);
    cr_assert_eq(ceilings_class(1e9), 1);
    cr_assert_eq(ceilings_class(9.9e10), 2);
    cr_assert_eq(ceilings_class(1e15), CEILINGS_CLASSES - 1);
}

/* ---- the ladders ---- */

Test(ceilings, every_ladder_has_every_kind_and_fits_a_set)
{
    for (int form = 0; form < 4; form++) {
        int rungs = 0;
        bool has[LADDER_OPS] = {false};
        bool head[129] = {false};
        const struct ladder_rung *rung;
        for (; (rung = ladder_at(form & 1, form & 2, rungs)) != NULL; rungs++) {
            struct ceilings_rate rate;
            ladder_describe(rung, &rate);
            has[rung->op] = true;
            head[rate.head] = true;
        }
        cr_assert_leq(rungs, CEILINGS_RATES - 8, "no place for exchanges");
        for (int op = 0; op < LADDER_OPS; op++)
            cr_assert(has[op], "form %d has no %s", form, ladder_name((enum ladder_op)op));
        cr_assert(head[64] && head[72] && head[88] && head[128]);
    }
}

/* The operands of every rung fit the pools, small ones thrice around; outputs stay finite. */
Test(ceilings, operands_of_every_rung_on_the_cpu)
{
    struct device *dev;
    struct queue *q;
    struct operands *operands;
    const struct ladder_rung *rung;
    const struct device_options options = {.threads = 2};
    cr_assert_eq(device_open(backend_find("cpu"), &options, &dev), ST_OK);
    cr_assert_eq(queue_open(dev, &q), ST_OK);
    cr_assert_eq(operands_open(q, DTYPE_F32, true, true, &operands), ST_OK, "%s", status_text());
    for (int i = 0; (rung = ladder_at(true, true, i)) != NULL; i++) {
        for (int call = 0; call < (rung->op == LADDER_GATE_ADD_NORM ? 60 : 2); call++) {
            struct trace_work work;
            cr_assert_eq(operands_call(operands, rung, &work), ST_OK, "%s", status_text());
            cr_assert(work.bytes > 0);
            cr_assert((work.flops > 0) == (rung->op != LADDER_COPY));
            if (rung->op == LADDER_LINEAR)
                near(work.flops, 2.0 * rung->rows * rung->in * rung->out);
        }
    }
    const float *values = (const float *)operands->written.base;
    for (size_t i = 0; i < operands->written.size / sizeof *values; i++)
        cr_assert(isfinite(values[i]), "element %zu is %g", i, (double)values[i]);
    operands_close(operands);
    queue_close(q);
    device_close(dev);
}

/* ---- the file ---- */

static void use_folder(const char *name)
{
    setenv("DITBENCH_CACHE", program_file(name), 1);
}

static void store(enum dtype dtype, const char *device, double us)
{
    struct ceilings_set set;
    make_set(&set, dtype, device);
    set.rate[0].median_us = us;
    cr_assert_eq(ceilings_file_store(&set), ST_OK, "%s", status_text());
}

/* Of the device of make_set's keys, under that driver. */
static struct ceilings *read_back(const char *device, const char *driver, char *word)
{
    struct ceilings *c = calloc(1, sizeof *c);
    struct ceilings_key key = {"cuda", "", 2, {{"driver", ""}, {"cudnn", "9.1"}}};
    snprintf(key.device, sizeof key.device, "%s", device);
    snprintf(key.library[0].version, sizeof key.library[0].version, "%s", driver);
    cr_assert_eq(ceilings_file_read(&key, c, word), ST_OK);
    return c;
}

static void expect(const char *device, const char *driver, double bf16_us, double f16_us)
{
    char word[CEILINGS_WORD];
    struct ceilings *c = read_back(device, driver, word);
    cr_assert_str_eq(word, "");
    cr_assert_not(c->have[DTYPE_F32]);
    cr_assert_eq(c->have[DTYPE_BF16], bf16_us > 0);
    cr_assert_eq(c->have[DTYPE_F16], f16_us > 0);
    if (bf16_us > 0)
        near(c->set[DTYPE_BF16].rate[0].median_us, bf16_us);
    if (f16_us > 0)
        near(c->set[DTYPE_F16].rate[0].median_us, f16_us);
    free(c);
}

Test(ceilings, sets_come_back_by_device_libraries_and_dtype)
{
    use_folder("kept/below");
    expect("Imaginary 1", "550", 0, 0); // no file yet
    store(DTYPE_BF16, "Imaginary 1", 10);
    store(DTYPE_F16, "Imaginary 1", 20);
    store(DTYPE_BF16, "Imaginary 2", 30);
    store(DTYPE_BF16, "Imaginary 1", 40);
    expect("Imaginary 1", "550", 40, 20);
    expect("Imaginary 2", "550", 30, 0);
    expect("Imaginary 3", "550", 0, 0);
    expect("Imaginary 1", "551", 0, 0);
}

Test(ceilings, a_set_comes_back_as_it_was)
{
    char word[CEILINGS_WORD];
    struct ceilings_set set;
    use_folder("whole");
    make_set(&set, DTYPE_BF16, "Imaginary 1");
    cr_assert_eq(ceilings_file_store(&set), ST_OK);
    struct ceilings *c = read_back("Imaginary 1", "550", word);
    const struct ceilings_set *got = &c->set[DTYPE_BF16];
    cr_assert_eq(got->n, set.n);
    cr_assert_str_eq(got->time, set.time);
    cr_assert_str_eq(got->no_exchange, set.no_exchange);
    cr_assert_eq(got->key.libraries, 1);
    for (int i = 0; i < set.n; i++) {
        cr_assert_eq(got->rate[i].kind, set.rate[i].kind);
        cr_assert_eq(got->rate[i].head, set.rate[i].head);
        cr_assert_str_eq(got->rate[i].name, set.rate[i].name);
        near(got->rate[i].flops, set.rate[i].flops);
        near(got->rate[i].bytes, set.rate[i].bytes);
    }
    free(c);
}

static void expect_word(const char *text, const char *want)
{
    char path[4096];
    char word[CEILINGS_WORD];
    program_write(ceilings_file_path(path, sizeof path), text);
    struct ceilings *c = read_back("Imaginary 1", "550", word);
    for (int d = 0; d < DTYPE_COUNT; d++)
        cr_assert_not(c->have[d], "of: %s", text);
    cr_assert(strstr(word, want), "%s: not in: %s", want, word);
    free(c);
}

Test(ceilings, a_damaged_file_is_passed_over_and_replaced)
{
    use_folder("damaged");
    store(DTYPE_BF16, "Imaginary 1", 10);
    expect_word("", "is damaged and passed over");
    expect_word("{\"format\": \"ditbench-ceil", "is damaged and passed over");
    expect_word("[1, 2]", "it holds no sets");
    expect_word("{\"format\": \"ditbench-ceilings-9\", \"sets\": []}", "it holds no sets");
    expect_word("{\"format\": \"ditbench-ceilings-1\", \"sets\": [7, {\"backend\": \"cuda\"}]}",
                "set 2 of ceilings.json is damaged");
    store(DTYPE_F16, "Imaginary 1", 20);
    expect("Imaginary 1", "550", 0, 20);
}

/* One number of a set that no measurement gives. */
Test(ceilings, a_damaged_set_leaves_the_others)
{
    char path[4096];
    char word[CEILINGS_WORD];
    use_folder("half");
    store(DTYPE_BF16, "Imaginary 1", 12345);
    store(DTYPE_F16, "Imaginary 1", 20);
    char *text = program_read(ceilings_file_path(path, sizeof path));
    char *at = strstr(text, "12345");
    cr_assert(at);
    memcpy(at, "-1234", 5);
    program_write(path, text);
    free(text);
    struct ceilings *c = read_back("Imaginary 1", "550", word);
    cr_assert(strstr(word, "set 1 of ceilings.json is damaged"), "%s", word);
    cr_assert(!c->have[DTYPE_BF16] && c->have[DTYPE_F16]);
    free(c);
}

/* ---- measured here ---- */

static void count_rate(void *self, const struct ceilings_rate *rate)
{
    cr_assert(rate->median_us > 0 && rate->bytes > 0);
    ++*(int *)self;
}

/* The short form is measured once; the second time it is read. */
Test(ceilings, measured_where_none_is_kept)
{
    char word[CEILINGS_WORD];
    int rates = 0;
    struct ceilings *c = calloc(1, sizeof *c);
    const struct ceilings_measure measure = {.backend = "cpu",
                                             .dtype = DTYPE_F32,
                                             .threads = 2,
                                             .seconds = 1,
                                             .on_rate = count_rate,
                                             .self = &rates};
    use_folder("none");
    cr_assert_eq(ceilings_kept_get(&measure, c, word), ST_OK, "%s", status_text());
    cr_assert_str_eq(word, "");
    cr_assert(c->have[DTYPE_F32] && c->set[DTYPE_F32].n == rates && rates > 8);
    near(c->set[DTYPE_F32].seconds, 1);
    memset(c, 0, sizeof *c);
    cr_assert_eq(ceilings_kept_get(&measure, c, word), ST_OK, "%s", status_text());
    cr_assert(c->have[DTYPE_F32] && c->set[DTYPE_F32].n == rates, "it was measured again");
    setenv("DITBENCH_CACHE", "/dev/null/nowhere", 1);
    cr_assert_eq(ceilings_kept_get(&measure, c, word), ST_OK, "%s", status_text());
    cr_assert(c->have[DTYPE_F32] && strstr(word, "are not kept: "), "%s", word);
    free(c);
}

/* Ranks that are threads on the CPU stand for those on GPUs. */
Test(ceilings, exchanges_between_two_devices)
{
    int rates = 0;
    struct ceilings_set *set = calloc(1, sizeof *set);
    struct ceilings_measure measure = {.backend = "cpu",
                                       .dtype = DTYPE_F32,
                                       .threads = 2,
                                       .devices = 1,
                                       .seconds = 1,
                                       .on_rate = count_rate,
                                       .self = &rates};
    ceilings_exchange_run(&measure, set);
    cr_assert_str_eq(set->no_exchange,
                     "exchanges are skipped: they want two GPUs, and there is one");
    set->no_exchange[0] = '\0';
    measure.devices = 2;
    ceilings_exchange_run(&measure, set);
    cr_assert_str_eq(set->no_exchange, "");
    cr_assert(set->n == rates && rates >= 4, "%d rates", set->n);
    for (int i = 0; i < set->n; i++)
        cr_assert_eq(set->rate[i].kind, CEILINGS_EXCHANGE);
    cr_assert(ceilings_best(set, CEILINGS_EXCHANGE, 0, -1));
    free(set);
}

/* ---- the command ---- */

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    cr_assert(json_is_number(value), "no number %s", key);
    return json_number_value(value);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    cr_assert(text, "no text %s", key);
    return text;
}

/* The largest of the rates of a kind (and head), whose ceiling it is. */
static double largest(const json_t *rates, const char *kind, int head, const char *unit)
{
    double most = 0;
    for (size_t i = 0; i < json_array_size(rates); i++) {
        const json_t *rate = json_array_get(rates, i);
        if (strcmp(text_of(rate, "kind"), kind) == 0 && (int)number(rate, "head") == head)
            most = fmax(most, number(rate, unit));
    }
    return most;
}

static void expect_rates(const json_t *rates)
{
    cr_assert_gt(json_array_size(rates), 8);
    for (size_t i = 0; i < json_array_size(rates); i++) {
        const json_t *rate = json_array_get(rates, i);
        double us = number(rate, "median_us");
        cr_assert(us > 0 && number(rate, "gbps") > 0 && number(rate, "samples") >= 3);
        cr_assert(number(rate, "p10_us") <= us && us <= number(rate, "p90_us"));
        cr_assert((number(rate, "tflops") > 0) == (strcmp(text_of(rate, "name"), "copy") != 0));
        near(number(rate, "gbps") * us * 1e3, number(rate, "bytes"));
    }
}

static void expect_ceilings(const json_t *all)
{
    static const char *const head[] = {"64", "72", "88", "128"};
    const json_t *rates = json_object_get(all, "rates");
    const json_t *best = json_object_get(all, "ceilings");
    const json_t *heads = json_object_get(best, "attention_by_head");
    near(number(json_object_get(best, "product"), "tflops"),
         largest(rates, "product", 0, "tflops"));
    near(number(json_object_get(best, "traffic"), "gbps"), largest(rates, "traffic", 0, "gbps"));
    cr_assert_eq(json_object_size(heads), 4);
    for (int i = 0; i < 4; i++)
        near(number(json_object_get(heads, head[i]), "tflops"),
             largest(rates, "attention", atoi(head[i]), "tflops"));
    cr_assert_eq(json_object_size(json_object_get(best, "product_by_size")), CEILINGS_CLASSES);
    cr_assert(json_is_null(json_object_get(best, "exchange")));
}

Test(ceilings, measured_shown_and_kept)
{
    char word[CEILINGS_WORD];
    struct ceilings_key key;
    struct program p =
        program_run("ceilings", "--backend=cpu", "--threads=2", "--seconds=1", "--json", NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    json_t *all = json_loads(p.out, 0, NULL);
    cr_assert_str_eq(text_of(all, "backend"), "cpu");
    cr_assert_str_eq(text_of(all, "dtype"), "fp32");
    cr_assert(strstr(text_of(all, "device"), ", 2 threads"));
    cr_assert(strstr(text_of(all, "no_exchange"), "skipped"));
    expect_rates(json_object_get(all, "rates"));
    expect_ceilings(all);
    const char *file = strrchr(text_of(all, "file"), '/');
    cr_assert(file && strcmp(file, "/ceilings.json") == 0);
    char *folder = strndup(text_of(all, "file"), (size_t)(file - text_of(all, "file")));
    setenv("DITBENCH_CACHE", folder, 1);
    struct ceilings *c = calloc(1, sizeof *c);
    cr_assert_eq(ceilings_file_key("cpu", 2, &key), ST_OK);
    cr_assert_eq(ceilings_file_read(&key, c, word), ST_OK);
    cr_assert(c->have[DTYPE_F32], "%s", word);
    cr_assert_eq((size_t)c->set[DTYPE_F32].n, json_array_size(json_object_get(all, "rates")));
    key.device[0]++;
    cr_assert_eq(ceilings_file_read(&key, c, word), ST_OK);
    cr_assert_not(c->have[DTYPE_F32], "rates of another device");
    free(c);
    free(folder);
    json_decref(all);
    program_release(&p);
}

Test(ceilings, a_table_without_json)
{
    struct program p = program_run("ceilings", "--backend=cpu", "--threads=1", "--seconds=1", NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    cr_assert(strstr(p.out, "attention, heads of 72") && strstr(p.out, "element-wise traffic") &&
                  strstr(p.out, "exchanges are skipped") && strstr(p.out, "kept in "),
              "%s", p.out);
    program_release(&p);
}

static void expect_refusal(int status, const char *text, const char *option)
{
    struct program p = program_run("ceilings", option, NULL);
    cr_assert_eq(p.status, status, "%s: status %d", option, p.status);
    cr_assert(strstr(p.err, text), "%s", p.err);
    program_release(&p);
}

Test(ceilings, refusals)
{
    expect_refusal(2, "--seconds: found '0'", "--seconds=0");
    expect_refusal(2, "--backend", "--backend=tpu");
    expect_refusal(2, "unknown option", "--model=dit-tiny");
}
