/* SPDX-License-Identifier: Apache-2.0 */
/* The machine meanwhile: medians and shares of samples made by hand, which samples count, and what
 * a library that does not answer leaves unknown. */
#include "harness/host/cpu_state.h"
#include "harness/host/monitor.h"
#include "harness/host/monitor_log.h"
#include "tests/harness/program.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

TestSuite(monitor, .init = program_limit);

/* ---- samples by hand ---- */

static struct gpu_state state(double mhz, double watts, unsigned long long reasons)
{
    return (struct gpu_state){.sm_mhz = mhz,
                              .memory_mhz = 3201,
                              .temperature_c = NAN,
                              .power_w = watts,
                              .reasoned = true,
                              .reasons = reasons};
}

static void is_course(struct record_course got, double before, double median, double min,
                      double max, double after)
{
    cr_assert_eq(got.before, before);
    cr_assert_eq(got.median, median);
    cr_assert_eq(got.min, min);
    cr_assert_eq(got.max, max);
    cr_assert_eq(got.after, after);
}

Test(monitor, shares_and_medians_of_samples)
{
    struct monitor_log log;
    struct record *r = rows_ok("serial", 1, 100);
    cr_assert_eq(monitor_log_init(&log, 2), ST_OK);
    log.period_ms = 100;
    strcpy(log.uuid[0], "GPU-0");
    strcpy(log.governor, "performance");
    log.cpu_mhz_before = 1000;
    log.before[0].state = state(345, 70, GPU_REASON_IDLE);
    log.after[0].state = state(1980, 300, 0);
    log.before[1].state = log.after[1].state = state(345, 70, GPU_REASON_IDLE);
    /* the second GPU: reasons of two samples of four are told, both of them innocent */
    struct gpu_state other = state(1500, NAN, GPU_REASON_APPLICATIONS_CLOCKS);
    struct gpu_state mute = state(1400, NAN, GPU_REASON_SW_POWER_CAP);
    mute.reasoned = false;
    const struct gpu_state samples[4][2] = {
        {state(1980, 650, 0), other},
        {state(1755, 700, GPU_REASON_SW_POWER_CAP), mute},
        {state(1700, 698, GPU_REASON_SW_POWER_CAP | GPU_REASON_SW_THERMAL), other},
        {state(1600, 696, GPU_REASON_HW_SLOWDOWN | GPU_REASON_POWER_BRAKE), mute},
    };
    for (int i = 0; i < 4; i++)
        monitor_log_add(&log, samples[i], i == 3 ? NAN : 2000 + 100 * i);
    monitor_log_fill(&log, r);
    const struct record_machine *m = &r->machine;
    cr_assert(m->period_ms == 100 && m->samples == 4 && m->gpus.n == 2);
    const struct record_machine_gpu *g = m->gpus.v;
    cr_assert_str_eq(g[0].uuid, "GPU-0");
    cr_assert_null(g[1].uuid);
    is_course(g[0].sm_mhz, 345, 1727.5, 1600, 1980, 1980);
    is_course(g[0].power_w, 70, 697, 650, 700, 300);
    is_course(g[1].sm_mhz, 345, 1450, 1400, 1500, 345);
    cr_assert(isnan(g[0].temperature_c.before) && isnan(g[0].temperature_c.median));
    cr_assert(isnan(g[1].power_w.median) && g[1].power_w.after == 70);
    cr_assert_eq(g[0].throttle.share, 0.75, "a sample with two reasons counts once");
    cr_assert_eq(g[0].throttle.reasons.sw_power_cap, 0.5);
    cr_assert_eq(g[0].throttle.reasons.sw_thermal_slowdown, 0.25);
    cr_assert_eq(g[0].throttle.reasons.hw_slowdown, 0.25);
    cr_assert_eq(g[0].throttle.reasons.hw_power_brake_slowdown, 0.25);
    cr_assert_eq(g[0].throttle.reasons.gpu_idle, 0, "idle before is not idle during");
    cr_assert_eq(g[1].throttle.share, 0, "a clock that was asked for is no throttling");
    cr_assert_eq(g[1].throttle.reasons.applications_clocks_setting, 1);
    cr_assert_str_eq(m->cpu.governor, "performance");
    cr_assert_eq(m->cpu.mhz.median, 2100, "of three");
    cr_assert(m->cpu.mhz.before == 1000 && isnan(m->cpu.mhz.after));
    record_flag(r);
    cr_assert(record_has_flag(r, "throttled"));
    monitor_log_release(&log);
    record_close(r);
}

/* More samples than there is room for at first: 1 to 1000 MHz. */
Test(monitor, long_loops_keep_all_samples)
{
    struct monitor_log log;
    struct record *r = rows_ok("serial", 1, 100);
    cr_assert_eq(monitor_log_init(&log, 1), ST_OK);
    for (int i = 1; i <= 1000; i++) {
        struct gpu_state s = state(i, i, i <= 50 ? GPU_REASON_SW_THERMAL : 0);
        monitor_log_add(&log, &s, i);
    }
    monitor_log_fill(&log, r);
    cr_assert_eq(r->machine.samples, 1000);
    cr_assert_eq(r->machine.gpus.v[0].sm_mhz.median, 500.5);
    cr_assert_eq(r->machine.cpu.mhz.max, 1000);
    cr_assert_eq(r->machine.gpus.v[0].throttle.share, 0.05);
    monitor_log_release(&log);
    record_close(r);
}

/* ---- a library that is made up here ---- */

struct nvml_device {
    char uuid[20];
};

static struct nvml_device gpu = {"GPU-1234"};
static _Atomic unsigned mhz_now; /* what clock answers */
static _Atomic unsigned asked;   /* how often */
static _Atomic unsigned long long errors_now;

static int uuid(struct nvml_device *d, char *text, unsigned size)
{
    snprintf(text, size, "%s", d->uuid);
    return 0;
}

static int clock_now(struct nvml_device *d, int which, unsigned *mhz)
{
    (void)d;
    asked++;
    *mhz = which == NVML_CLOCK_OF_SM ? mhz_now : 3201;
    return 0;
}

static int milliwatts(struct nvml_device *d, unsigned *out)
{
    (void)d;
    *out = 123500;
    return 0;
}

static int limit(struct nvml_device *d, unsigned *out)
{
    (void)d;
    *out = 700000;
    return 0;
}

static int celsius(struct nvml_device *d, int sensor, unsigned *out)
{
    (void)d;
    *out = 60 + (unsigned)sensor;
    return 0;
}

static int reasons(struct nvml_device *d, unsigned long long *bits)
{
    (void)d;
    *bits = mhz_now < 1500 ? GPU_REASON_SW_POWER_CAP : 0;
    return 0;
}

static int ecc(struct nvml_device *d, int kind, int since, unsigned long long *out)
{
    (void)d;
    *out = kind == NVML_ECC_CORRECTED ? 7 + errors_now : 0;
    return since;
}

/* 18 links, one of them off. */
static int link_state(struct nvml_device *d, unsigned link, int *active)
{
    (void)d;
    *active = link != 5;
    return link < 18 ? 0 : 2;
}

/* Of each link: as many replays as its number, and no CRC errors yet; recoveries are not told. */
static int link_errors(struct nvml_device *d, unsigned link, int counter, unsigned long long *out)
{
    (void)d;
    *out = counter == NVML_LINK_REPLAYS ? link : errors_now;
    return counter == 1;
}

static const struct nvml nvml = {
    .uuid = uuid,
    .clock = clock_now,
    .power = milliwatts,
    .power_limit = limit,
    .temperature = celsius,
    .clock_reasons = reasons,
    .ecc_errors = ecc,
    .nvlink_state = link_state,
    .nvlink_errors = link_errors,
};

static void sleep_ms(int ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

static struct monitor *opened(const struct nvml *library)
{
    struct nvml_device *const devices[] = {&gpu};
    struct monitor *m;
    cr_assert_eq(monitor_open(library, 1, devices, &m), ST_OK, "%s", status_text());
    return m;
}

Test(monitor, only_the_measured_loops_count)
{
    struct record *r = rows_ok("serial", 1, 100);
    mhz_now = 345;
    struct monitor *m = opened(&nvml);
    unsigned before = asked;
    mhz_now = 1000; /* throttled in all but the loops */
    monitor_phase(m, "warm-up");
    sleep_ms(3 * MONITOR_MS);
    cr_assert_eq(asked, before, "nothing is asked where nothing counts");
    mhz_now = 1980;
    monitor_phase(m, "measure");
    for (int i = 0; i < 40; i++) { /* beats of the same phase */
        sleep_ms(10);
        monitor_phase(m, "measure");
    }
    monitor_phase(m, "gather");
    mhz_now = 1000;
    before = asked;
    sleep_ms(2 * MONITOR_MS);
    cr_assert_leq(asked, before + 2, "a sample that had begun, which does not count");
    mhz_now = 600;
    errors_now = 2;
    monitor_end(m);
    monitor_fill(m, r);
    monitor_close(m);
    const struct record_machine_gpu *g = r->machine.gpus.v;
    cr_assert(r->machine.samples >= 1 && r->machine.samples <= 10, "%d of about 4",
              r->machine.samples);
    is_course(g->sm_mhz, 345, 1980, 1980, 1980, 600);
    is_course(g->memory_mhz, 3201, 3201, 3201, 3201, 3201);
    is_course(g->power_w, 123.5, 123.5, 123.5, 123.5, 123.5);
    is_course(g->temperature_c, 60, 60, 60, 60, 60);
    cr_assert_eq(g->power_limit_w, 700);
    cr_assert_eq(g->throttle.share, 0);
    cr_assert_str_eq(g->uuid, "GPU-1234");
    cr_assert(g->ecc.corrected.n == 2 && g->ecc.corrected.v[0] == 7 && g->ecc.corrected.v[1] == 9);
    cr_assert(g->ecc.uncorrected.n == 2 && g->ecc.uncorrected.v[1] == 0);
    cr_assert(g->nvlink.total == 18 && g->nvlink.active == 17);
    /* replays: 0 + ... + 17 without link 5; then two errors in each of two counters of 17 links */
    cr_assert(g->nvlink.errors.n == 2 && g->nvlink.errors.v[0] == 148);
    cr_assert_eq(g->nvlink.errors.v[1], 148 + 2 * 2 * 17);
    record_close(r);
}

Test(monitor, a_cell_that_ends_in_its_loops_ends_the_samples)
{
    mhz_now = 1980;
    struct monitor *m = opened(&nvml);
    monitor_phase(m, "measure");
    sleep_ms(2 * MONITOR_MS);
    monitor_end(m);
    unsigned before = asked;
    sleep_ms(2 * MONITOR_MS);
    cr_assert_eq(asked, before);
    monitor_close(m);
    m = opened(&nvml); /* and one that never came so far */
    monitor_close(m);
    monitor_close(NULL);
}

Test(monitor, what_an_old_library_does_not_tell_is_null)
{
    const struct nvml old = {.uuid = uuid};
    struct record *r = rows_ok("serial", 1, 100);
    struct monitor *m = opened(&old);
    monitor_phase(m, "measure");
    sleep_ms(2 * MONITOR_MS);
    monitor_end(m);
    monitor_fill(m, r);
    monitor_close(m);
    char *line;
    size_t size;
    cr_assert_eq(record_write(r, &line, &size), ST_OK);
    cr_assert(strstr(line, "\"sm_mhz\": {\"before\": null, \"median\": null, \"min\": null, "
                           "\"max\": null, \"after\": null}"),
              "%s", line);
    cr_assert(strstr(line, "\"power_limit_w\": null, \"throttle\": {\"share\": null"), "%s", line);
    cr_assert(strstr(line, "\"ecc\": {\"corrected\": [], \"uncorrected\": []}, \"nvlink\": "
                           "{\"active\": null, \"total\": null, \"errors\": []}}]"),
              "%s", line);
    free(line);
    record_close(r);
}

/* ---- CPUs ---- */

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *out = fopen(path, "w");
    cr_assert_not_null(out, "%s", path);
    fputs(text, out);
    fclose(out);
}

Test(monitor, clocks_of_cpus_are_cpufreqs)
{
    char *folder = rows_folder();
    char info[300], path[300], text[20];
    struct cpu_state s = {.cpus = folder, .info = info, .n = 2, .cpu = {1, 3}};
    snprintf(info, sizeof info, "%s/cpuinfo", folder);
    cr_assert(isnan(cpu_state_mhz(&s)));
    write_file(folder, "cpuinfo",
               "processor\t: 0\nmodel name\t: A CPU @ 9 GHz\ncpu MHz\t\t: 800.000\n\n"
               "processor\t: 1\ncpu MHz\t\t: 2000.500\n\nprocessor\t: 2\ncpu MHz\t\t: 900.000\n\n"
               "processor\t: 3\ncpu MHz\t\t: 3000.500\n\n");
    cr_assert_eq(cpu_state_mhz(&s), 2500.5, "the mean of CPUs 1 and 3");
    cr_assert_str_eq(cpu_state_governor(&s, sizeof text, text), "");
    snprintf(path, sizeof path, "%s/cpu1", folder);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/cpu1/cpufreq", folder);
    mkdir(path, 0777);
    write_file(path, "scaling_cur_freq", "1400000\n");
    write_file(path, "scaling_governor", "powersave\n");
    cr_assert_eq(cpu_state_mhz(&s), 1400, "of those that cpufreq tells of");
    cr_assert_str_eq(cpu_state_governor(&s, sizeof text, text), "powersave");
    rows_folder_remove(folder);
}

/* This machine tells a clock or not; before and after agree on that. */
Test(monitor, a_run_on_the_cpu_tells_of_the_cpu)
{
    struct program p = program_run("run", "--model=dit-tiny", "--backend=cpu", "--steps=2",
                                   "--repeats=3", "--check=off", "--json", NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    struct record *r;
    cr_assert_eq(record_read(p.out, strlen(p.out), 1, &r), ST_OK, "%s", status_text());
    struct cpu_state here = cpu_state_here();
    bool told = !isnan(cpu_state_mhz(&here));
    cr_assert(r->machine.period_ms == MONITOR_MS && r->machine.samples >= 0);
    cr_assert_eq(r->machine.gpus.n, 0);
    cr_assert(!told || (r->machine.cpu.mhz.before > 0 && r->machine.cpu.mhz.after > 0));
    cr_assert(told || isnan(r->machine.cpu.mhz.before));
    cr_assert(!record_has_flag(r, "throttled"));
    record_close(r);
    program_release(&p);
}

/* A cell that was ended has a record of its machine too. */
Test(monitor, a_cell_that_timed_out_tells_of_the_cpu)
{
    struct program p = program_run("run", "--model=pixart-tiny", "--backend=cpu", "--steps=500",
                                   "--repeats=50", "--check=off", "--timeout=1", "--json", NULL);
    cr_assert_eq(p.status, 5, "%s", p.err);
    cr_assert_str_eq(program_json(p.out, "status"), "timeout");
    cr_assert_str_eq(program_json(p.out, "machine.period_ms"), "100");
    program_release(&p);
}
