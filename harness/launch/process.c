/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process groups for launch.c. Open MPI gives every rank a group of its own, so killing a group is
 * not enough: this process asks to inherit orphans of its descendants, and kills what it inherited.
 */
#include "harness/launch/process.h"

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

/* In the child, up to exec. Only async-signal-safe calls. */
static void become(const char *const *argv, pid_t parent, int in, int out, int log, int failure)
{
    struct rlimit none = {0, 0};
    sigset_t empty;
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it died before the line above */
        _exit(1);
    setrlimit(RLIMIT_CORE, &none);
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    sigemptyset(&empty);
    sigprocmask(SIG_SETMASK, &empty, NULL);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execvp(argv[0], (char *const *)argv);
    int error = errno;
    ssize_t written = write(failure, &error, sizeof error);
    _exit(written < 0 ? 126 : 127);
}

/* out: the pipe of its output; failure: carries errno where exec fails, and closes by itself where
 * it does not. */
static enum status start_with(const char *const *argv, int in, const int out[2], int log,
                              const int failure[2], struct process *process)
{
    int error = 0;
    pid_t parent = getpid();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t pid = fork();
    if (pid < 0)
        return fail(ST_IO, "%s: no process: %s", argv[0], strerror(errno));
    if (pid == 0)
        become(argv, parent, in, out[1], log, failure[1]);
    setpgid(pid, pid); /* the child does it too: whoever is first */
    close(failure[1]);
    ssize_t got;
    do
        got = read(failure[0], &error, sizeof error);
    while (got < 0 && errno == EINTR);
    *process = (struct process){.pid = pid, .out = out[0]};
    if (got != (ssize_t)sizeof error)
        return ST_OK;
    waitpid(pid, NULL, 0);
    return fail(ST_IO, "%s: cannot be started: %s", argv[0], strerror(error));
}

enum status process_start(const char *const *argv, int log, struct process *process)
{
    int out[2] = {-1, -1};
    int failure[2] = {-1, -1};
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    enum status st;
    if (in < 0 || pipe2(out, O_CLOEXEC) || pipe2(failure, O_CLOEXEC)) {
        st = fail(ST_IO, "%s: no pipe: %s", argv[0], strerror(errno));
        close(failure[1]);
    } else {
        st = start_with(argv, in, out, log, failure, process);
    }
    close(in);
    close(out[1]);
    close(failure[0]);
    if (st)
        close(out[0]);
    else
        fcntl(out[0], F_SETFL, O_NONBLOCK);
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
