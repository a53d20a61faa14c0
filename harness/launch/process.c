/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process groups for launch.c. Open MPI gives every rank a group of its own, so killing a group is
 * not enough: this process asks to inherit orphans of its descendants, and kills what it inherited.
 */
#include "harness/launch/process.h"

#include "harness/base/limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* For what was killed: a process gives back the memory of a GPU before it is gone, which takes
 * seconds, and the next cell wants that memory. */
enum { REAP_TURNS = 4000, REAP_MS = 5 };

static void sleep_ms(int ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

/* What the child is made of. */
struct birth {
    const char *const *argv, *const *environment;
    pid_t parent;
    int in, log;
    int out[2];     /* the pipe of its output */
    int failure[2]; /* carries errno where exec fails, and closes by itself where it does not */
};

/* In the child, up to exec. The process had one thread, or its threads hold no lock of these. */
static void become(const struct birth *b)
{
    struct rlimit none = {0, 0};
    sigset_t empty;
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != b->parent) /* it died before the line above */
        _exit(1);
    setrlimit(RLIMIT_CORE, &none);
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    sigemptyset(&empty);
    sigprocmask(SIG_SETMASK, &empty, NULL);
    for (int i = 0; b->environment && b->environment[i]; i++)
        putenv((char *)b->environment[i]);
    dup2(b->in, STDIN_FILENO);
    dup2(b->out[1], STDOUT_FILENO);
    dup2(b->log, STDERR_FILENO);
    execvp(b->argv[0], (char *const *)b->argv);
    int error = errno;
    ssize_t written = write(b->failure[1], &error, sizeof error);
    _exit(written < 0 ? 126 : 127);
}

static enum status give_birth(struct birth *b, struct process *process)
{
    int error = 0;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t pid = fork();
    if (pid < 0)
        return fail(ST_IO, "%s: no process: %s%s", b->argv[0], strerror(errno), limits_hint(errno));
    if (pid == 0)
        become(b);
    setpgid(pid, pid); /* the child does it too: whoever is first */
    close(b->failure[1]);
    b->failure[1] = -1;
    ssize_t got;
    do
        got = read(b->failure[0], &error, sizeof error);
    while (got < 0 && errno == EINTR);
    *process = (struct process){.pid = pid, .out = b->out[0]};
    if (got != (ssize_t)sizeof error)
        return ST_OK;
    waitpid(pid, NULL, 0);
    return fail(ST_IO, "%s: cannot be started: %s%s", b->argv[0], strerror(error),
                limits_hint(error));
}

enum status process_start(const char *const *argv, const char *const *environment, int log,
                          struct process *process)
{
    struct birth b = {.argv = argv,
                      .environment = environment,
                      .parent = getpid(),
                      .in = open("/dev/null", O_RDONLY | O_CLOEXEC),
                      .log = log,
                      .out = {-1, -1},
                      .failure = {-1, -1}};
    enum status st =
        b.in < 0 || pipe2(b.out, O_CLOEXEC) || pipe2(b.failure, O_CLOEXEC)
            ? fail(ST_IO, "%s: no pipe: %s%s", argv[0], strerror(errno), limits_hint(errno))
            : give_birth(&b, process);
    close(b.in);
    close(b.out[1]);
    close(b.failure[0]);
    close(b.failure[1]);
    if (st)
        close(b.out[0]);
    else
        fcntl(b.out[0], F_SETFL, O_NONBLOCK);
    return st;
}

bool process_poll(struct process *process)
{
    if (!process->ended && waitpid(process->pid, &process->wait_status, WNOHANG) == process->pid)
        process->ended = true;
    return process->ended;
}

void process_stop(struct process *process, int grace_ms)
{
    kill(-process->pid, SIGTERM);
    kill(-process->pid, SIGCONT); /* a stopped one must hear it */
    for (int waited = 0; waited < grace_ms && !process_poll(process); waited += 10)
        sleep_ms(10);
    kill(-process->pid, SIGKILL);
    while (!process_poll(process))
        sleep_ms(1);
}

/* The fourth field of /proc/PID/stat, behind a name that may hold anything. */
static pid_t parent_of(const char *pid)
{
    char path[64];
    char text[600];
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *name_end = strrchr(text, ')');
    int parent = -1;
    if (name_end)
        sscanf(name_end, ") %*c %d", &parent);
    return parent;
}

static void kill_children(void)
{
    pid_t me = getpid();
    DIR *proc = opendir("/proc");
    if (!proc)
        return;
    for (struct dirent *e = readdir(proc); e; e = readdir(proc))
        if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && parent_of(e->d_name) == me)
            kill((pid_t)atoi(e->d_name), SIGKILL);
    closedir(proc);
}

void process_finish(struct process *process)
{
    kill(-process->pid, SIGKILL);
    for (int turn = 0; turn < REAP_TURNS; turn++) {
        pid_t got = waitpid(-1, NULL, WNOHANG);
        if (got < 0)
            break; /* no children: the usual end */
        if (got > 0)
            continue;
        kill_children();
        sleep_ms(REAP_MS);
    }
    close(process->out);
}
