/* SPDX-License-Identifier: Apache-2.0 */
/* Medians and shares of the samples. */
#include "harness/host/monitor_log.h"

#include "harness/base/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum status monitor_log_init(struct monitor_log *log, int gpus)
{
    size_t n = (size_t)gpus + 1; // never none
    *log = (struct monitor_log){.gpus = gpus, .cpu_mhz_before = NAN, .cpu_mhz_after = NAN};
    log->uuid = calloc(n, sizeof *log->uuid);
    log->before = calloc(n, sizeof *log->before);
    log->after = calloc(n, sizeof *log->after);
    if (log->uuid && log->before && log->after)
        return ST_OK;
    monitor_log_release(log);
    return fail(ST_OOM, "states of %d GPUs: no host memory", gpus);
}

void monitor_log_release(struct monitor_log *log)
{
    free(log->uuid);
    free(log->before);
    free(log->after);
    free(log->state);
    free(log->cpu_mhz);
    *log = (struct monitor_log){.gpus = 0};
}

static bool widen(struct monitor_log *log)
{
    int room = log->room ? 2 * log->room : 64;
    size_t states = (size_t)room * (size_t)log->gpus + 1;
    struct gpu_state *state = realloc(log->state, states * sizeof *state);
    log->state = state ? state : log->state;
    double *cpu_mhz = realloc(log->cpu_mhz, (size_t)room * sizeof *cpu_mhz);
    log->cpu_mhz = cpu_mhz ? cpu_mhz : log->cpu_mhz;
    if (!state || !cpu_mhz)
        return false;
    log->room = room;
    return true;
}

void monitor_log_add(struct monitor_log *log, const struct gpu_state *gpu, double cpu_mhz)
{
    if (log->n == log->room && !widen(log))
        return;
    if (log->gpus > 0)
        memcpy(log->state + (size_t)log->n * (size_t)log->gpus, gpu,
               (size_t)log->gpus * sizeof *gpu);
    log->cpu_mhz[log->n++] = cpu_mhz;
}

/* ---- the summary ---- */

/* Of values [n], which are put in order; NaN among them is left out. */
static struct record_course course_of(double before, int n, double *values, double after)
{
    struct record_course c = {before, NAN, NAN, NAN, after};
    int told = 0;
    for (int i = 0; i < n; i++)
        if (!isnan(values[i]))
            values[told++] = values[i];
    if (told == 0)
        return c;
    stats_sort(told, values);
    c.median = stats_percentile(told, values, 50);
    c.min = values[0];
    c.max = values[told - 1];
    return c;
}

static double quantity(const struct gpu_state *state, size_t offset)
{
    double value;
    memcpy(&value, (const char *)state + offset, sizeof value);
    return value;
}

/* Of one quantity of one GPU: a member of struct gpu_state. scratch [log->n]. */
static struct record_course gpu_course(const struct monitor_log *log, int gpu, size_t offset,
                                       double *scratch)
{
    for (int i = 0; i < log->n; i++)
        scratch[i] = quantity(&log->state[(size_t)i * (size_t)log->gpus + (size_t)gpu], offset);
    return course_of(quantity(&log->before[gpu].state, offset), log->n, scratch,
                     quantity(&log->after[gpu].state, offset));
}

/* Of the samples that have reasons, those that have one of `bits`. */
static double share_of(const struct monitor_log *log, int gpu, unsigned long long bits)
{
    int told = 0, so = 0;
    for (int i = 0; i < log->n; i++) {
        const struct gpu_state *s = &log->state[(size_t)i * (size_t)log->gpus + (size_t)gpu];
        told += s->reasoned;
        so += s->reasoned && (s->reasons & bits);
    }
    return told > 0 ? (double)so / told : NAN;
}

static struct record_throttle throttle_of(const struct monitor_log *log, int gpu)
{
    return (struct record_throttle){
        .share = share_of(log, gpu, GPU_REASONS_THROTTLE),
        .reasons = {
            .gpu_idle = share_of(log, gpu, GPU_REASON_IDLE),
            .applications_clocks_setting = share_of(log, gpu, GPU_REASON_APPLICATIONS_CLOCKS),
            .sw_power_cap = share_of(log, gpu, GPU_REASON_SW_POWER_CAP),
            .hw_slowdown = share_of(log, gpu, GPU_REASON_HW_SLOWDOWN),
            .sync_boost = share_of(log, gpu, GPU_REASON_SYNC_BOOST),
            .sw_thermal_slowdown = share_of(log, gpu, GPU_REASON_SW_THERMAL),
            .hw_thermal_slowdown = share_of(log, gpu, GPU_REASON_HW_THERMAL),
            .hw_power_brake_slowdown = share_of(log, gpu, GPU_REASON_POWER_BRAKE),
            .display_clock_setting = share_of(log, gpu, GPU_REASON_DISPLAY_CLOCK),
        }};
}

static void set_pair(struct record *record, struct record_counts *out, bool told, uint64_t before,
                     uint64_t after)
{
    const uint64_t both[] = {before, after};
    record_set_counts(record, out, told ? 2 : 0, both);
}

static void fill_health(const struct monitor_end *before, const struct monitor_end *after,
                        struct record *record, struct record_machine_gpu *out)
{
    const struct gpu_health *a = &before->health, *b = &after->health;
    out->power_limit_w = a->power_limit_w;
    set_pair(record, &out->ecc.corrected, a->has_corrected && b->has_corrected, a->corrected,
             b->corrected);
    set_pair(record, &out->ecc.uncorrected, a->has_uncorrected && b->has_uncorrected,
             a->uncorrected, b->uncorrected);
    if (a->links == 0)
        return;
    out->nvlink.total = a->links;
    out->nvlink.active = a->active_links < b->active_links ? a->active_links : b->active_links;
    set_pair(record, &out->nvlink.errors, a->has_link_errors && b->has_link_errors, a->link_errors,
             b->link_errors);
}

void monitor_log_fill(const struct monitor_log *log, struct record *record)
{
    double *scratch = record_array(record, (size_t)log->n + 1, sizeof *scratch);
    record_reset_machine(record);
    struct record_machine_gpu *gpu = record_machine_gpus(record, log->gpus);
    if (!scratch || (log->gpus > 0 && !gpu))
        return;
    record->machine.period_ms = log->period_ms;
    record->machine.samples = log->n;
    for (int i = 0; i < log->gpus; i++) {
        gpu[i].uuid = log->uuid[i][0] ? record_text(record, log->uuid[i]) : NULL;
        gpu[i].sm_mhz = gpu_course(log, i, offsetof(struct gpu_state, sm_mhz), scratch);
        gpu[i].memory_mhz = gpu_course(log, i, offsetof(struct gpu_state, memory_mhz), scratch);
        gpu[i].temperature_c =
            gpu_course(log, i, offsetof(struct gpu_state, temperature_c), scratch);
        gpu[i].power_w = gpu_course(log, i, offsetof(struct gpu_state, power_w), scratch);
        gpu[i].throttle = throttle_of(log, i);
        fill_health(&log->before[i], &log->after[i], record, &gpu[i]);
    }
    struct record_machine_cpu *cpu = &record->machine.cpu;
    cpu->governor = log->governor[0] ? record_text(record, log->governor) : NULL;
    if (log->n > 0)
        memcpy(scratch, log->cpu_mhz, (size_t)log->n * sizeof *scratch);
    cpu->mhz = course_of(log->cpu_mhz_before, log->n, scratch, log->cpu_mhz_after);
}
