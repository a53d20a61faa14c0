/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that samples NVML. Keeps nothing. */
#include "harness/profile/recorder_samples.h"

#include "kernels/activity.h"
#include "kernels/base/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SM_CLOCK = 1 }; /* NVML_CLOCK_SM */

struct recorder_samples {
    const struct nvml *nvml;
    recorder_on_sample *on;
    void *self;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t moved; /* by CLOCK_MONOTONIC */
    bool over;
    int n;
    struct recorder_sampled device[]; /* [n] */
};

static void sample(const struct recorder_samples *s, const struct recorder_sampled *d)
{
    unsigned number;
    struct nvml_memory memory;
    int64_t begin = activity_clock();
    if (s->nvml->clock && s->nvml->clock(d->device, SM_CLOCK, &number) == 0)
        s->on(s->self, d->ordinal, RECORDED_SM_CLOCK, begin + (activity_clock() - begin) / 2,
              number);
    begin = activity_clock();
    if (s->nvml->power && s->nvml->power(d->device, &number) == 0)
        s->on(s->self, d->ordinal, RECORDED_POWER, begin + (activity_clock() - begin) / 2,
              1e-3 * number);
    begin = activity_clock();
    if (s->nvml->memory(d->device, &memory) == 0)
        s->on(s->self, d->ordinal, RECORDED_MEMORY, begin + (activity_clock() - begin) / 2,
              (double)memory.used);
}

static void *samples_main(void *argument)
{
    struct recorder_samples *s = argument;
    double due = clock_seconds();
    pthread_mutex_lock(&s->lock);
    while (!s->over) {
        pthread_mutex_unlock(&s->lock);
        for (int i = 0; i < s->n; i++)
            sample(s, &s->device[i]);
        double now = clock_seconds();
        due = due + 1e-3 * SAMPLES_MS > now ? due + 1e-3 * SAMPLES_MS : now + 1e-3 * SAMPLES_MS;
        struct timespec until = clock_moment(due);
        pthread_mutex_lock(&s->lock);
        while (!s->over && clock_seconds() < due)
            pthread_cond_timedwait(&s->moved, &s->lock, &until);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

enum status recorder_samples_open(const struct nvml *nvml, int n,
                                  const struct recorder_sampled *devices, recorder_on_sample *on,
                                  void *self, struct recorder_samples **out)
{
    struct recorder_samples *s = calloc(1, sizeof *s + (size_t)n * sizeof *s->device);
    pthread_condattr_t attributes;
    *out = NULL;
    if (!s)
        return fail(ST_OOM, "samples of %d devices: no host memory", n);
    s->nvml = nvml;
    s->on = on;
    s->self = self;
    s->n = n;
    memcpy(s->device, devices, (size_t)n * sizeof *devices);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&s->moved, &attributes);
    pthread_condattr_destroy(&attributes);
    int error = pthread_create(&s->thread, NULL, samples_main, s);
    if (error) {
        pthread_cond_destroy(&s->moved);
        pthread_mutex_destroy(&s->lock);
        free(s);
        return fail(ST_OOM, "samples of the devices' clocks: no thread: %s", strerror(error));
    }
    *out = s;
    return ST_OK;
}

void recorder_samples_close(struct recorder_samples *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->over = true;
    pthread_cond_signal(&s->moved);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->moved);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
