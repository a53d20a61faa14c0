/* SPDX-License-Identifier: Apache-2.0 */
/* One thread that looks at the clock ten times a second. */
#include "harness/launch/watchdog.h"

#include "harness/record/record.h"
#include "kernels/base/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
    pthread_mutex_t lock;
    bool running;
    int rank;
    double limit_s, silence_s;
    char phase[40];
    bool reporter;
    double since; /* seconds: start of the phase's clock */
    double heard; /* of the last beat or phase */
} dog = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* With the lock held. */
static void bite(const char *what, double limit)
{
    fprintf(stderr, "ditbench run: rank %d: %s %g s in phase %s\n", dog.rank, what, limit,
            dog.phase);
    _exit(ending_exit_code(ST_TIMEOUT));
}

static void look(void)
{
    double now = clock_seconds();
    bool waits = !dog.reporter && strcmp(dog.phase, "measure") != 0;
    double limit = waits ? 2 * dog.limit_s : dog.limit_s;
    if (limit > 0 && now - dog.since > limit)
        bite("not done within", limit);
    if (dog.reporter && dog.silence_s > 0 && now - dog.heard > dog.silence_s)
        bite("no step for", dog.silence_s);
}

static void *watch(void *argument)
{
    bool running = true;
    (void)argument;
    while (running) {
        nanosleep(&(struct timespec){0, 100000000L}, NULL);
        pthread_mutex_lock(&dog.lock);
        running = dog.running;
        if (running)
            look();
        pthread_mutex_unlock(&dog.lock);
    }
    return NULL;
}

enum status watchdog_start(int rank, double limit_s, double silence_s)
{
    pthread_t thread;
    dog.running = true;
    dog.rank = rank;
    dog.limit_s = limit_s;
    dog.silence_s = silence_s;
    dog.since = dog.heard = clock_seconds();
    int error = pthread_create(&thread, NULL, watch, NULL);
    if (error)
        return fail(ST_OOM, "the thread that watches the time: %s", strerror(error));
    pthread_detach(thread);
    return ST_OK;
}

void watchdog_phase(const char *name, bool reporter)
{
    pthread_mutex_lock(&dog.lock);
    bool again = strcmp(dog.phase, "reference") == 0 || (!reporter && strcmp(name, "measure") == 0);
    snprintf(dog.phase, sizeof dog.phase, "%s", name);
    dog.reporter = reporter;
    dog.heard = clock_seconds();
    if (again)
        dog.since = dog.heard;
    pthread_mutex_unlock(&dog.lock);
}

void watchdog_beat(void)
{
    pthread_mutex_lock(&dog.lock);
    dog.heard = clock_seconds();
    pthread_mutex_unlock(&dog.lock);
}

void watchdog_stop(void)
{
    pthread_mutex_lock(&dog.lock);
    dog.running = false;
    pthread_mutex_unlock(&dog.lock);
}
