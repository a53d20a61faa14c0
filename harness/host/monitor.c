/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that samples, and when it may. */
#include "harness/host/monitor.h"

#include "harness/base/limits.h"
#include "harness/host/cpu_state.h"
#include "harness/host/monitor_log.h"
#include "kernels/base/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { STACK_BYTES = 256 << 10 };

struct monitor {
    const struct nvml *nvml;
    struct cpu_state cpu;
    struct monitor_log log;   /* samples: the thread's own while it runs */
    struct gpu_state *sample; /* [log.gpus] being taken */
    pthread_t thread;
    bool runs;
    pthread_mutex_t lock;
    pthread_cond_t moved; /* by CLOCK_MONOTONIC */
    bool measures;        /* the loops run: */
    int turns;            /* how often that changed */
    bool over;
    struct nvml_device *device[]; /* [log.gpus] */
};

/* ---- before and after ---- */

static void take_ends(struct monitor *m, struct monitor_end *out, double *cpu_mhz)
{
    for (int i = 0; i < m->log.gpus; i++) {
        out[i].state = gpu_state_read(m->nvml, m->device[i]);
        out[i].health = gpu_health_read(m->nvml, m->device[i]);
    }
    *cpu_mhz = cpu_state_mhz(&m->cpu);
}

static void take_names(struct monitor *m)
{
    for (int i = 0; i < m->log.gpus; i++)
        if (m->nvml->uuid(m->device[i], m->log.uuid[i], MONITOR_LOG_TEXT) != 0)
            m->log.uuid[i][0] = '\0';
    cpu_state_governor(&m->cpu, MONITOR_LOG_TEXT, m->log.governor);
}

/* ---- during ---- */

/* Locked, but while it asks. A sample that the loops' end cuts is dropped. */
static void take_sample(struct monitor *m)
{
    int turns = m->turns;
    pthread_mutex_unlock(&m->lock);
    for (int i = 0; i < m->log.gpus; i++)
        m->sample[i] = gpu_state_read(m->nvml, m->device[i]);
    double cpu_mhz = cpu_state_mhz(&m->cpu);
    pthread_mutex_lock(&m->lock);
    if (m->turns == turns && !m->over)
        monitor_log_add(&m->log, m->sample, cpu_mhz);
}

/* Locked. Until `due`, the end of the loops, or that of all. */
static void sleep_until(struct monitor *m, double due)
{
    struct timespec until = clock_moment(due);
    while (!m->over && m->measures && clock_seconds() < due)
        pthread_cond_timedwait(&m->moved, &m->lock, &until);
}

/* Locked. In the middle of each period of the loops, so that short ones have their sample. */
static void sample_loops(struct monitor *m)
{
    const double period = 1e-3 * MONITOR_MS;
    int turns = m->turns;
    double due = clock_seconds() + period / 2;
    for (;;) {
        sleep_until(m, due);
        if (m->over || m->turns != turns)
            return;
        take_sample(m);
        double now = clock_seconds();
        due = due + period > now ? due + period : now + period;
    }
}

static void *monitor_main(void *argument)
{
    struct monitor *m = argument;
    pthread_mutex_lock(&m->lock);
    while (!m->over) {
        if (m->measures)
            sample_loops(m);
        else
            pthread_cond_wait(&m->moved, &m->lock);
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

void monitor_phase(struct monitor *m, const char *phase)
{
    bool measures = strcmp(phase, "measure") == 0;
    pthread_mutex_lock(&m->lock);
    if (measures != m->measures) {
        m->measures = measures;
        m->turns++;
        pthread_cond_signal(&m->moved);
    }
    pthread_mutex_unlock(&m->lock);
}

/* ---- its life ---- */

static enum status start_thread(struct monitor *m)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    int error = pthread_create(&m->thread, &attributes, monitor_main, m);
    pthread_attr_destroy(&attributes);
    m->runs = error == 0;
    return error == 0 ? ST_OK
                      : fail(ST_OOM, "the thread that watches the machine: %s%s", strerror(error),
                             limits_hint(error));
}

static void init_locks(struct monitor *m)
{
    pthread_condattr_t attributes;
    pthread_mutex_init(&m->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&m->moved, &attributes);
    pthread_condattr_destroy(&attributes);
}

enum status monitor_open(const struct nvml *nvml, int n, struct nvml_device *const *devices,
                         struct monitor **out)
{
    struct monitor *m = calloc(1, sizeof *m + (size_t)n * sizeof *m->device);
    *out = NULL;
    if (!m)
        return fail(ST_OOM, "watching %d GPUs: no host memory", n);
    init_locks(m);
    m->nvml = nvml;
    m->cpu = cpu_state_here();
    if (n > 0)
        memcpy(m->device, devices, (size_t)n * sizeof *devices);
    enum status st = monitor_log_init(&m->log, n);
    m->log.period_ms = MONITOR_MS;
    m->sample = calloc((size_t)n + 1, sizeof *m->sample);
    if (st == ST_OK && !m->sample)
        st = fail(ST_OOM, "watching %d GPUs: no host memory", n);
    if (st == ST_OK) {
        take_names(m);
        take_ends(m, m->log.before, &m->log.cpu_mhz_before);
        st = start_thread(m);
    }
    if (st != ST_OK) {
        monitor_close(m);
        return st;
    }
    *out = m;
    return ST_OK;
}

static void end_thread(struct monitor *m)
{
    if (!m->runs)
        return;
    pthread_mutex_lock(&m->lock);
    m->over = true;
    pthread_cond_signal(&m->moved);
    pthread_mutex_unlock(&m->lock);
    pthread_join(m->thread, NULL);
    m->runs = false;
}

void monitor_end(struct monitor *m)
{
    end_thread(m);
    take_ends(m, m->log.after, &m->log.cpu_mhz_after);
}

void monitor_fill(const struct monitor *m, struct record *record)
{
    monitor_log_fill(&m->log, record);
}

void monitor_close(struct monitor *m)
{
    if (!m)
        return;
    end_thread(m);
    monitor_log_release(&m->log);
    free(m->sample);
    pthread_cond_destroy(&m->moved);
    pthread_mutex_destroy(&m->lock);
    free(m);
}
