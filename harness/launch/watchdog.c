/* SPDX-License-Identifier: Apache-2.0 */
/* One thread that looks at the clock ten times a second. */
#include "harness/launch/watchdog.h"

#include "harness/base/exit_code.h"
#include "harness/base/limits.h"
#include "harness/launch/timeout.h"
#include "kernels/base/clock.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { STACK_BYTES = 256 << 10 };

static struct {
    pthread_mutex_t lock;
    struct watchdog limits;
    char phase[40];
    bool computes;
    double since; /* seconds: start of the phase's clock */
    double heard; /* of the last beat or phase */
} dog = {.lock = PTHREAD_MUTEX_INITIALIZER, .phase = "start"};

/* With the lock held: no one else moves the clock any more. Does not return. */
static void bite(const char *what, double limit)
{
    sigset_t alarms;
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    signal(SIGALRM, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
    alarm(WATCHDOG_LAST_WORDS_S);
    fail(ST_TIMEOUT, "rank %d: %s %g s in phase %s", dog.limits.rank, what, limit, dog.phase);
    dog.limits.end(ST_TIMEOUT);
    _exit(exit_code_of(ST_TIMEOUT));
}

static void look(void)
{
    const struct watchdog *l = &dog.limits;
    double now = clock_seconds();
    double limit = dog.computes ? l->limit_s : l->wait_s;
    if (limit > 0 && now - dog.since > limit)
        bite("not done within", limit);
    if (dog.computes && l->silence_s > 0 && now - dog.heard > l->silence_s)
        bite("no step for", l->silence_s);
}

static void *watch(void *argument)
{
    (void)argument;
    for (;;) {
        nanosleep(&(struct timespec){0, 100000000L}, NULL);
        pthread_mutex_lock(&dog.lock);
        look();
        pthread_mutex_unlock(&dog.lock);
    }
    return NULL;
}

struct watchdog watchdog_limits(int rank, double timeout_s, double grace_s)
{
    return (struct watchdog){
        .rank = rank,
        .limit_s = timeout_s > 0 ? timeout_s + grace_s : 0,
        .wait_s = timeout_s > 0 ? timeout_s + WATCHDOG_GRACE_S : 0,
        .silence_s = timeout_silence_s(timeout_s) + grace_s,
    };
}

enum status watchdog_start(const struct watchdog *watchdog)
{
    pthread_t thread;
    BUG_ON(dog.limits.end, "two watchdogs in a process");
    dog.limits = *watchdog;
    dog.computes = true;
    dog.since = dog.heard = clock_seconds();
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int error = pthread_create(&thread, &attributes, watch, NULL);
    pthread_attr_destroy(&attributes);
    if (error)
        return fail(ST_OOM, "the thread that watches the time: %s%s", strerror(error),
                    limits_hint(error));
    return ST_OK;
}

void watchdog_phase(const char *name, bool computes)
{
    pthread_mutex_lock(&dog.lock);
    bool again = strcmp(dog.phase, "reference") == 0 || (computes && !dog.computes) ||
                 strcmp(name, "decode") == 0 || strcmp(name, "leave") == 0;
    snprintf(dog.phase, sizeof dog.phase, "%s", name);
    dog.computes = computes;
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
