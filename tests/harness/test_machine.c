/* SPDX-License-Identifier: Apache-2.0 */
/* The machine in a row: written and read back, absent in old rows, flagged, joined, and in words.
 */
#include "harness/record/rounds.h"
#include "harness/report/machine.h"
#include "tests/harness/program.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *line_of(const struct record *r)
{
    char *line;
    size_t size;
    cr_assert_eq(record_write(r, &line, &size), ST_OK, "%s", status_text());
    return line;
}

static struct record *read_line(const char *line)
{
    struct record *r;
    cr_assert_eq(record_read(line, strlen(line), 1, &r), ST_OK, "%s", status_text());
    return r;
}

/* n GPUs; the last was throttled for `share` of 40 samples, by its power limit. */
static struct record *row(int n, double share)
{
    struct record *r = rows_ok("serial", 1, 100);
    r->machine.period_ms = 100;
    r->machine.samples = 40;
    struct record_machine_gpu *gpu = record_machine_gpus(r, n);
    for (int i = 0; i < n; i++) {
        gpu[i].uuid = "GPU-1";
        gpu[i].sm_mhz = (struct record_course){345, 1980, 1980, 1980, 345};
        gpu[i].throttle.share = 0;
    }
    gpu[n - 1].sm_mhz = (struct record_course){345, 1755.4, 1695, 1980, 1200};
    gpu[n - 1].memory_mhz = (struct record_course){3201, 3201, 3201, 3201, 3201};
    gpu[n - 1].temperature_c = (struct record_course){30, 66, 66, 66, 60};
    gpu[n - 1].power_w = (struct record_course){75, 698, 650, 701, 300};
    gpu[n - 1].power_limit_w = 700;
    gpu[n - 1].throttle.share = gpu[n - 1].throttle.reasons.sw_power_cap = share;
    gpu[n - 1].throttle.reasons.hw_slowdown = 0;
    record_judge(r);
    return r;
}

Test(machine, reads_back_equal)
{
    const uint64_t errors[] = {3, INT64_MAX};
    struct record *r = row(2, 0.93);
    r->machine.cpu.governor = "performance";
    r->machine.cpu.mhz.median = 2596.12;
    r->machine.gpus.v[1].nvlink.active = 17;
    r->machine.gpus.v[1].nvlink.total = 18;
    record_set_counts(r, &r->machine.gpus.v[1].nvlink.errors, 2, errors);
    record_set_counts(r, &r->machine.gpus.v[1].ecc.uncorrected, 2, errors);
    record_add_text(r, &r->env.interconnect, "X NV18");
    record_add_text(r, &r->env.p2p, "X OK");
    r->env.nvls = (struct record_nvls){RECORD_NO, RECORD_YES};
    r->env.exchange = "lsa";
    char *line = line_of(r);
    cr_assert(strstr(line, "\"flags\": [\"throttled\"]"), "%s", line);
    cr_assert(
        strstr(line,
               "\"interconnect\": [\"X NV18\"], \"p2p\": [\"X OK\"], \"nvls\": "
               "{\"enabled\": false, \"supported\": true}, \"exchange\": \"lsa\", \"variables\""),
        "%s", line);
    cr_assert(strstr(line, "\"machine\": {\"period_ms\": 100, \"samples\": 40, \"gpus\": [{"));
    cr_assert(strstr(line, "\"throttle\": {\"share\": 0.93, \"reasons\": {\"gpu_idle\": null, "
                           "\"applications_clocks_setting\": null, \"sw_power_cap\": 0.93, "),
              "%s", line);
    cr_assert(strstr(line, "\"nvlink\": {\"active\": 17, \"total\": 18, \"errors\": [3, "
                           "9223372036854775807]}"),
              "%s", line);
    struct record *copy = read_line(line);
    char *again = line_of(copy);
    cr_assert_str_eq(again, line);
    free(again);
    free(line);
    record_close(copy);
    record_close(r);
}

/* Cuts the text from `begin` to where `end` starts. */
static void cut(char *line, const char *begin, const char *end)
{
    char *from = strstr(line, begin), *to = from ? strstr(from, end) : NULL;
    cr_assert(from && to, "%s", begin);
    memmove(from, to, strlen(to) + 1);
}

/* Rows of older builds: the same id, recipe and cohort, and nothing known of the machine. */
Test(machine, is_unknown_in_old_rows)
{
    struct record *r = row(1, 0.93);
    char *line = line_of(r);
    cut(line, ", \"machine\":", "}\n");
    cut(line, "\"interconnect\":", "\"variables\":");
    cut(line, "\"recipe\":", "\"env\":"); /* computed on reading */
    struct record *old = read_line(line);
    cr_assert_eq(old->machine.gpus.n, 0);
    cr_assert(old->machine.samples == RECORD_UNKNOWN && old->machine.period_ms == RECORD_UNKNOWN);
    cr_assert(isnan(old->machine.cpu.mhz.before) && !old->machine.cpu.governor);
    cr_assert(old->env.nvls.enabled == RECORD_UNKNOWN && old->env.interconnect.n == 0);
    cr_assert_str_eq(old->id, r->id);
    cr_assert_str_eq(old->recipe, r->recipe);
    cr_assert_str_eq(old->cohort, r->cohort);
    cr_assert_eq(record_throttled_share(old), 0);
    char text[200];
    cr_assert_str_eq(machine_text(old, sizeof text, text), "");
    free(line);
    record_close(old);
    record_close(r);
}

Test(machine, is_flagged_from_a_twentieth_on)
{
    const struct {
        double share;
        bool flagged;
    } cases[] = {{NAN, false}, {0, false}, {0.0499, false}, {0.05, true}, {1, true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct record *r = row(2, cases[i].share);
        cr_assert_eq(record_has_flag(r, "throttled"), cases[i].flagged, "%g", cases[i].share);
        cr_assert(!cases[i].flagged || record_throttled_gpu(r) == &r->machine.gpus.v[1]);
        record_close(r);
    }
    struct record *r = rows_failed("serial", 1, ENDING_TIMEOUT, "slow");
    record_machine_gpus(r, 1)->throttle.share = 1;
    record_flag(r);
    cr_assert_eq(r->flags.n, 0, "what has no numbers is not warned of");
    record_close(r);
}

/* Of rounds it is that which was throttled most. */
Test(machine, of_rounds_is_the_worst)
{
    struct record *v[] = {row(1, 0), row(1, 0.5), row(1, 0)};
    struct record_rounds joined;
    for (int i = 0; i < 3; i++)
        v[i]->cell.round = i;
    cr_assert_eq(record_rounds_join(3, (const struct record *const *)v, &joined), ST_OK);
    cr_assert_eq(joined.n, 1);
    cr_assert(record_has_flag(joined.v[0], "throttled"));
    cr_assert_eq(record_throttled_share(joined.v[0]), 0.5);
    record_rounds_release(&joined);
    for (int i = 0; i < 3; i++)
        record_close(v[i]);
}

/* ---- words ---- */

static void says(struct record *r, const char *want)
{
    char text[400];
    cr_assert_str_eq(machine_text(r, sizeof text, text), want);
    cr_assert_eq(strlen(machine_text(r, 20, text)), strlen(want) < 20 ? strlen(want) : 19);
    record_close(r);
}

Test(machine, a_range_that_nobody_told_is_none)
{
    struct record *r = row(1, 0);
    struct record_machine_gpu *gpu = &r->machine.gpus.v[0];
    gpu->sm_mhz = (struct record_course){NAN, 1755, NAN, 1980, NAN};
    gpu->memory_mhz = gpu->temperature_c = gpu->power_w = gpu->sm_mhz;
    gpu->memory_mhz.median = gpu->temperature_c.median = gpu->power_w.median = NAN;
    says(r, "SM clock 1755 MHz; not throttled");
}

Test(machine, has_words)
{
    const uint64_t errors[] = {3, 5};
    says(row(1, 0.93), "SM clock 1755 MHz (1695 to 1980), memory 3201 MHz, 66 C, 698 W (650 to "
                       "701) of 700 W; throttled: 93% of the measured time (power limit)");
    says(row(2, 0), "SM clock 1755 MHz (1695 to 1980), memory 3201 MHz, 66 C, 698 W (650 to 701) "
                    "of 700 W (GPU 2 of 2, the slowest); not throttled");
    struct record *r = row(2, 1);
    r->machine.gpus.v[1].throttle.reasons.hw_thermal_slowdown = 0.5;
    r->machine.gpus.v[1].throttle.reasons.hw_slowdown = 0.5;
    r->machine.gpus.v[1].throttle.reasons.sw_thermal_slowdown = 0.01;
    r->machine.gpus.v[1].memory_mhz.median = r->machine.gpus.v[1].power_w.median = NAN;
    record_set_counts(r, &r->machine.gpus.v[0].ecc.uncorrected, 2, errors);
    says(r, "SM clock 1755 MHz (1695 to 1980), 66 C (GPU 2 of 2, throttled most); throttled: 100% "
            "of the measured time (power limit, heat); 2 uncorrected ECC errors meanwhile");
    r = rows_ok("serial", 1, 100);
    r->machine.cpu.mhz = (struct record_course){1000, 2100, 2000, 2200, 1000};
    r->machine.cpu.governor = "powersave";
    says(r, "CPU clock 2100 MHz (2000 to 2200), governor powersave");
    r = rows_ok("serial", 1, 100);
    r->machine.cpu.mhz.before = 1000; /* no loop was long enough for a sample */
    says(r, "");
}

/* Only throttled rows are listed, by what their machine did. */
Test(machine, of_throttled_rows_stands_in_the_table, .init = program_limit)
{
    struct record *rows[] = {row(1, 0.93), row(1, 0)};
    rows_set_size(rows[1], 512, 512);
    free(rows_write(program_folder(), "throttled.jsonl", 2, rows));
    struct program p =
        program_run("plot", program_file("throttled.jsonl"), "--out", program_folder(), NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    char *table = program_read(program_file("table.md"));
    char *section = strstr(table, "## Throttled");
    cr_assert_not_null(section, "%s", table);
    cr_assert_not_null(strstr(section, "| pixart-tiny | 256x256 | 1 | serial | SM clock 1755 MHz"));
    cr_assert_not_null(strstr(section, "throttled: 93% of the measured time (power limit) |"));
    cr_assert_null(strstr(section, "512x512"), "%s", section);
    free(table);
    program_release(&p);
    for (int i = 0; i < 2; i++)
        record_close(rows[i]);
}
