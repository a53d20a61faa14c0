/* SPDX-License-Identifier: Apache-2.0 */
/* Watching one cell: its lines, its clocks, its end. How processes start and die is process.c's
 * business. */
#include "harness/launch/launch.h"

#include "harness/base/exit_code.h"
#include "harness/base/interrupt.h"
#include "harness/launch/log.h"
#include "harness/launch/process.h"
#include "harness/launch/timeout.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TICK_MS = 100, READ_SIZE = 65536 };

struct watch {
    const struct launch *launch;
    struct process process;
    int log;
    bool closed; /* the child's output ended */
    char *line;  /* the line being read */
    size_t used, space;
    char *bytes;   /* [READ_SIZE] */
    bool overlong; /* the rest of this line is dropped */

    char phase[40];
    long done, total;
    struct timeout timeout;
    bool failed; /* a fail line came: */
    enum status failure;
    char message[LAUNCH_REASON];
    char *record;
    size_t record_size;
};

/* ---- lines ---- */

static bool status_of_name(const char *name, enum status *out)
{
    for (enum status st = ST_INVALID; st <= ST_INTERRUPTED; st++)
        if (strcmp(status_name(st), name) == 0) {
            *out = st;
            return true;
        }
    return false;
}

static bool take_phase(struct watch *w, const char *line)
{
    if (strcmp(w->phase, "reference") == 0 || strcmp(line, "phase decode") == 0)
        timeout_restart(&w->timeout);
    snprintf(w->phase, sizeof w->phase, "%.39s", line + strlen("phase "));
    w->done = w->total = 0;
    return true;
}

/* "STATUS MESSAGE"; the first one counts, for later ones are of peers that lost their partner. */
static bool take_failure(struct watch *w, const char *rest)
{
    char name[20];
    enum status st;
    size_t n = strcspn(rest, " ");
    snprintf(name, sizeof name, "%.*s", n < sizeof name ? (int)n : 0, rest);
    if (!status_of_name(name, &st))
        return false;
    bool cause = !w->failed || (w->failure == ST_COMM && st != ST_COMM);
    if (cause) {
        w->failure = st;
        snprintf(w->message, sizeof w->message, "%.*s", LAUNCH_REASON - 1,
                 rest + n + (rest[n] == ' '));
    }
    w->failed = true;
    return true;
}

static bool take_record(struct watch *w, const char *json, size_t size)
{
    if (json[0] != '{' || w->record)
        return false;
    w->record = malloc(size + 1);
    if (!w->record)
        return false;
    memcpy(w->record, json, size + 1);
    w->record_size = size;
    return true;
}

/* True for a line of the protocol. `line` ends with 0 and holds no other zero. */
static bool take_line(struct watch *w, const char *line, size_t size)
{
    if (strncmp(line, "phase ", 6) == 0)
        return take_phase(w, line);
    if (strncmp(line, "fail ", 5) == 0)
        return take_failure(w, line + 5);
    if (strncmp(line, "record ", 7) == 0)
        return take_record(w, line + 7, size - 7);
    return sscanf(line, "beat %ld %ld", &w->done, &w->total) == 2;
}

static void to_log(struct watch *w, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = write(w->log, text, size);
        if (n <= 0)
            return; /* a full disk must not end the cell */
        text += n;
        size -= (size_t)n;
    }
}

/* Keeps the end of a log that grew too long. The children write to its end themselves, wherever
 * that is. */
static void bound_log(struct watch *w)
{
    static const char words[] = "[what was said before this is dropped]\n";
    struct stat info;
    if (fstat(w->log, &info) != 0 || info.st_size <= LAUNCH_LOG_MAX)
        return;
    ssize_t n = pread(w->log, w->bytes, READ_SIZE, info.st_size - READ_SIZE);
    if (ftruncate(w->log, 0) != 0)
        return;
    to_log(w, words, sizeof words - 1);
    to_log(w, w->bytes, n > 0 ? (size_t)n : 0);
}

static void end_line(struct watch *w)
{
    w->line[w->used] = '\0';
    bool ours = !w->overlong && strlen(w->line) == w->used && take_line(w, w->line, w->used);
    if (ours) {
        timeout_heard(&w->timeout);
        if (w->launch->on_progress)
            w->launch->on_progress(w->launch->on_progress_self, w->phase, w->done, w->total);
    } else {
        w->line[w->used] = '\n';
        to_log(w, w->line, w->used + 1);
    }
    w->used = 0;
    w->overlong = false;
}

static void take_bytes(struct watch *w, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\n') {
            end_line(w);
            continue;
        }
        if (w->used + 2 > w->space) {
            size_t space = w->space * 2;
            char *line = space <= LAUNCH_LINE_MAX ? realloc(w->line, space) : NULL;
            if (!line) { /* too long, or no memory: what came goes to the log */
                w->overlong = true;
                to_log(w, w->line, w->used);
                w->used = 0;
            } else {
                w->line = line;
                w->space = space;
            }
        }
        w->line[w->used++] = bytes[i];
    }
}

/* Reads what is there; true when something was. */
static bool read_output(struct watch *w)
{
    if (w->closed)
        return false;
    ssize_t n = read(w->process.out, w->bytes, READ_SIZE);
    if (n == 0)
        w->closed = true;
    if (n <= 0)
        return false;
    take_bytes(w, w->bytes, (size_t)n);
    return true;
}

/* ---- the end ---- */

/* "first: the gist of the log" */
static void reason(const struct watch *w, struct launch_end *end, const char *first)
{
    char gist[1600];
    log_gist(w->launch->log, gist, sizeof gist);
    snprintf(end->reason, sizeof end->reason, "%s%s%s", first,
             gist[0] == '\0' || gist[0] == ';' ? "" : ": ", gist);
}

static void end_failed(struct watch *w, struct launch_end *end, int code)
{
    char first[100];
    enum status st = code > 1 ? exit_code_status(code) : ST_COMM; /* there is no record */
    snprintf(first, sizeof first,
             code == 0 ? "it ended without a record" : "it ended with status %d", code);
    if (w->failed)
        st = w->failure;
    end->status = ending_of(st);
    end->code = st;
    if (w->failed)
        snprintf(end->reason, sizeof end->reason, "%s", w->message);
    else
        reason(w, end, first);
}

static void end_signal(struct watch *w, struct launch_end *end, int number)
{
    char first[300];
    snprintf(first, sizeof first, "a process died of signal %d (%s)%s%s%s", number,
             strsignal(number), w->phase[0] ? " in phase " : "", w->phase,
             number == SIGKILL ? "; that is how the kernel ends one when memory runs out" : "");
    end->status = ENDING_CRASH;
    end->code = ST_COMM;
    reason(w, end, first);
}

/* After the child ended by itself. */
static void end_of(struct watch *w, struct launch_end *end)
{
    int status = w->process.wait_status;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    if (WIFSIGNALED(status))
        end_signal(w, end, WTERMSIG(status));
    else if (code > 128 && code < 128 + NSIG && !log_tells_no_start(w->launch->log))
        /* mpirun's way to say that a rank died */
        end_signal(w, end, code - 128);
    else if (w->record && !w->failed && code <= 1)
        *end = (struct launch_end){.status = ENDING_OK, .code = ST_OK};
    else
        end_failed(w, end, code);
}

static void end_timeout(struct watch *w, struct launch_end *end, bool silent, double limit)
{
    char first[300];
    snprintf(first, sizeof first, "%s %g s%s%s%s",
             silent ? "no sign of life for" : "not done within", limit,
             w->phase[0] ? " in phase " : "", w->phase, "");
    if (w->total > 0)
        snprintf(first + strlen(first), sizeof first - strlen(first), " (%ld of %ld steps)",
                 w->done, w->total);
    end->status = ENDING_TIMEOUT;
    end->code = ST_TIMEOUT;
    reason(w, end, first);
}

static void watch_until_end(struct watch *w, struct launch_end *end)
{
    bool silent;
    double limit;
    for (;;) {
        struct pollfd out = {.fd = w->closed ? -1 : w->process.out, .events = POLLIN};
        poll(&out, 1, TICK_MS);
        bool heard = read_output(w);
        bound_log(w);
        if (interrupt_signal()) {
            process_stop(&w->process, LAUNCH_GRACE_MS);
            *end = (struct launch_end){.status = ENDING_INTERRUPTED, .code = ST_INTERRUPTED};
            snprintf(end->reason, sizeof end->reason, "stopped by signal %d", interrupt_signal());
            return;
        }
        if (timeout_ran_out(&w->timeout, &silent, &limit)) {
            end_timeout(w, end, silent, limit);
            process_stop(&w->process, LAUNCH_GRACE_MS);
            return;
        }
        if (!heard && process_poll(&w->process))
            break;
    }
    while (read_output(w))
        continue;
    if (w->used > 0)
        end_line(w); /* a last line without its end */
    end_of(w, end);
}

enum status launch_run(const struct launch *launch, struct launch_end *end)
{
    struct watch w = {.launch = launch,
                      .space = 4096,
                      .timeout = timeout_start(launch->timeout_s, launch->silence_s)};
    *end = (struct launch_end){.status = ENDING_ERROR};
    w.line = malloc(w.space);
    w.bytes = malloc(READ_SIZE);
    if (!w.line || !w.bytes) {
        free(w.line);
        free(w.bytes);
        return fail(ST_OOM, "%s: no host memory to watch it", launch->argv[0]);
    }
    w.log = open(launch->log, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
    enum status st = w.log < 0
                         ? fail(ST_IO, "%s: %s", launch->log, strerror(errno))
                         : process_start(launch->argv, launch->environment, w.log, &w.process);
    if (st == ST_OK) {
        watch_until_end(&w, end);
        process_finish(&w.process);
        end->record = end->status == ENDING_OK ? w.record : NULL;
        end->record_size = end->record ? w.record_size : 0;
        w.record = end->record ? NULL : w.record;
    }
    if (w.log >= 0)
        close(w.log);
    free(w.record);
    free(w.line);
    free(w.bytes);
    return st;
}

void launch_end_release(struct launch_end *end)
{
    free(end->record);
    end->record = NULL;
}
