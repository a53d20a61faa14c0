/* SPDX-License-Identifier: Apache-2.0 */
/* Starting, awaiting and ending the ranks of one host. Reads none of their output. */
#include "harness/launch/fork_ranks.h"

#include "harness/base/limits.h"
#include "harness/launch/scratch.h"
#include "kernels/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PLACE  "DITBENCH_RANK"       /* "RANK/SIZE" */
#define FOLDER "DITBENCH_RENDEZVOUS" /* where they meet */

struct family {
    int n, left;
    pid_t *pid;               /* [n]; 0: has ended */
    struct scratch scratch;   /* where they meet */
    sigset_t watched, before; /* signals that are waited for; the mask of before */
    bool interrupted, killed;
    struct fork_ranks_end end;
};

/* ---- start ---- */

/* In the child, up to exec. failure: carries errno where exec fails. */
static void become(const char *const *argv, const struct family *r, int rank, pid_t parent,
                   int failure)
{
    char place[40];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it died before the line above */
        _exit(1);
    snprintf(place, sizeof place, "%d/%d", rank, r->n);
    setenv(PLACE, place, 1);
    setenv(FOLDER, r->scratch.path, 1);
    sigprocmask(SIG_SETMASK, &r->before, NULL);
    execvp(argv[0], (char *const *)argv);
    int error = errno;
    ssize_t written = write(failure, &error, sizeof error);
    _exit(written < 0 ? 126 : 127);
}

static enum status start_rank(const char *const *argv, struct family *r, int rank)
{
    int failure[2];
    int error = 0;
    pid_t parent = getpid();
    if (pipe2(failure, O_CLOEXEC))
        return fail(ST_IO, "rank %d: no pipe: %s%s", rank, strerror(errno), limits_hint(errno));
    fflush(NULL); /* nothing is to be written twice */
    pid_t pid = fork();
    if (pid == 0)
        become(argv, r, rank, parent, failure[1]);
    int why = errno;
    close(failure[1]);
    ssize_t got;
    do
        got = pid > 0 ? read(failure[0], &error, sizeof error) : 0;
    while (got < 0 && errno == EINTR);
    close(failure[0]);
    if (pid < 0)
        return fail(ST_IO, "rank %d of %d: no process: %s%s", rank, r->n, strerror(why),
                    limits_hint(why));
    r->pid[rank] = pid;
    r->left++;
    if (got == (ssize_t)sizeof error)
        return fail(ST_IO, "rank %d: %s cannot be started: %s", rank, argv[0], strerror(error));
    return ST_OK;
}

/* ---- the end ---- */

static void kill_ranks(struct family *r)
{
    for (int i = 0; i < r->n; i++)
        if (r->pid[i] > 0)
            kill(r->pid[i], SIGKILL);
    r->killed = true;
}

/* The first bad end is the cause, but a rank that tells of a lost peer (status 5) may be seen
 * before the peer's death, or before the peer has said why it left. */
static void take_end(struct family *r, int rank, pid_t pid, int wait_status)
{
    bool bad = !WIFEXITED(wait_status) || WEXITSTATUS(wait_status) != 0;
    bool victim = r->end.rank >= 0 && WIFEXITED(r->end.wait_status) &&
                  WEXITSTATUS(r->end.wait_status) == 5 &&
                  !(WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 5);
    if (bad && !r->killed && (r->end.rank < 0 || victim))
        r->end = (struct fork_ranks_end){rank, pid, wait_status};
}

static void reap(struct family *r)
{
    for (int i = 0; i < r->n; i++) {
        int wait_status;
        if (r->pid[i] <= 0 || waitpid(r->pid[i], &wait_status, WNOHANG) != r->pid[i])
            continue;
        take_end(r, i, r->pid[i], wait_status);
        r->pid[i] = 0;
        r->left--;
    }
}

/* Sleeps until a rank ends, a signal comes, or `seconds` have passed. */
static void sleep_for(struct family *r, double seconds)
{
    siginfo_t info;
    double s = seconds < 1e-3 ? 1e-3 : seconds;
    const struct timespec wait = {(time_t)s, (long)(1e9 * (s - (double)(time_t)s))};
    int got = sigtimedwait(&r->watched, &info, &wait);
    r->interrupted |= got > 0 && got != SIGCHLD;
}

static void await(struct family *r)
{
    double deadline = 0; /* 0: none */
    for (reap(r); r->left > 0; reap(r)) {
        double now = clock_seconds();
        if (r->end.rank >= 0 && deadline == 0)
            deadline = now + 1e-3 * FORK_RANKS_GRACE_MS;
        bool late = deadline > 0 && now >= deadline;
        if ((r->interrupted || late) && !r->killed) {
            kill_ranks(r);
            scratch_close(&r->scratch); /* who killed us may not wait for a slow death */
        }
        sleep_for(r, r->killed || deadline == 0 ? 1 : deadline - now);
    }
}

/* From here on the signals that end us are answered in await(); a parent's death is one of them. */
static void watch_signals(struct family *r)
{
    static const int watched[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};
    sigemptyset(&r->watched);
    for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++)
        sigaddset(&r->watched, watched[i]);
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_BLOCK, &r->watched, &r->before);
}

static enum status run(const char *const *argv, struct family *r)
{
    int dies_by = 0;
    prctl(PR_GET_PDEATHSIG, &dies_by);
    if (dies_by != 0)
        prctl(PR_SET_PDEATHSIG, SIGTERM);
    enum status st = scratch_open("ranks", &r->scratch);
    for (int i = 0; i < r->n && st == ST_OK; i++)
        st = start_rank(argv, r, i);
    if (st != ST_OK)
        kill_ranks(r);
    await(r);
    scratch_close(&r->scratch);
    if (dies_by != 0)
        prctl(PR_SET_PDEATHSIG, dies_by);
    if (st == ST_OK && r->interrupted)
        st = fail(ST_INTERRUPTED, "stopped by a signal");
    return st;
}

enum status fork_ranks_run(const char *const *argv, int n, struct fork_ranks_end *end)
{
    struct family r = {.n = n, .end = {.rank = -1}};
    *end = r.end;
    r.pid = calloc((size_t)n, sizeof *r.pid);
    if (!r.pid)
        return fail(ST_OOM, "%d ranks: no host memory", n);
    watch_signals(&r);
    enum status st = run(argv, &r);
    sigprocmask(SIG_SETMASK, &r.before, NULL);
    *end = r.end;
    free(r.pid);
    return st;
}

int fork_ranks_code(const struct fork_ranks_end *end)
{
    if (end->rank < 0)
        return 0;
    return WIFSIGNALED(end->wait_status) ? 128 + WTERMSIG(end->wait_status)
                                         : WEXITSTATUS(end->wait_status);
}

char *fork_ranks_text(const struct fork_ranks_end *end, char *text, size_t size)
{
    text[0] = '\0';
    if (end->rank < 0)
        return text;
    if (WIFSIGNALED(end->wait_status))
        snprintf(text, size, "rank %d (process %d) died of signal %d (%s)", end->rank,
                 (int)end->pid, WTERMSIG(end->wait_status), strsignal(WTERMSIG(end->wait_status)));
    else
        snprintf(text, size, "rank %d (process %d) ended with status %d", end->rank, (int)end->pid,
                 WEXITSTATUS(end->wait_status));
    return text;
}

/* ---- in a rank ---- */

enum status fork_ranks_place(bool *is, struct rendezvous *out)
{
    const char *place = getenv(PLACE);
    const char *folder = getenv(FOLDER);
    char behind;
    *is = false;
    *out = (struct rendezvous){.size = 1};
    if (!place)
        return ST_OK;
    if (!folder || folder[0] != '/' ||
        sscanf(place, "%d/%d%c", &out->rank, &out->size, &behind) != 2 || out->rank < 0 ||
        out->rank >= out->size)
        return fail(ST_INVALID,
                    PLACE "=%.40s: these variables are set for ranks by their starter; "
                          "unset " PLACE " and " FOLDER,
                    place);
    out->folder = folder;
    *is = true;
    return ST_OK;
}
