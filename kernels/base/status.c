/* SPDX-License-Identifier: Apache-2.0 */
/* The last failure of a thread: one sentence and the functions it passed on its way up. Not a
 * logger. */
#include "kernels/base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_SIZE = 4096, TRACE_SIZE = 2048 };

/* Written by the thread that owns it only, so that ranks which are threads never mix their errors.
 */
struct failure {
    char message[MESSAGE_SIZE];
    char trace[TRACE_SIZE];               /* lines "  in function (file:line)" */
    char text[MESSAGE_SIZE + TRACE_SIZE]; /* both, built by status_text */
};

static _Thread_local struct failure last;

/* Formats by way of the stack, since an argument may be the last failure's own message. */
__attribute__((format(printf, 1, 0))) static void set_message(const char *format, va_list args)
{
    char sentence[MESSAGE_SIZE];
    int length = vsnprintf(sentence, sizeof(sentence), format, args);
    if (length < 0)
        strcpy(sentence, "(the error message could not be formatted)");
    else if (length >= MESSAGE_SIZE)
        strcpy(sentence + MESSAGE_SIZE - 4, "...");
    strcpy(last.message, sentence);
}

enum status fail(enum status st, const char *format, ...)
{
    BUG_ON(st == ST_OK, "fail() was called with ST_OK");
    va_list args;
    va_start(args, format);
    set_message(format, args);
    va_end(args);
    last.trace[0] = '\0';
    return st;
}

enum status fail_prefix(enum status st, const char *format, ...)
{
    char rest[MESSAGE_SIZE];
    strcpy(rest, last.message);
    va_list args;
    va_start(args, format);
    set_message(format, args);
    va_end(args);
    size_t used = strlen(last.message);
    int length = snprintf(last.message + used, MESSAGE_SIZE - used, ": %s", rest);
    if (length >= 0 && (size_t)length >= MESSAGE_SIZE - used)
        strcpy(last.message + MESSAGE_SIZE - 4, "...");
    return st;
}

enum status status_trace(enum status st, const char *function, const char *file, int line)
{
    size_t used = strlen(last.trace);
    size_t left = TRACE_SIZE - used;
    int length = snprintf(last.trace + used, left, "  in %s (%s:%d)\n", function, file, line);
    if (length < 0 || (size_t)length >= left)
        last.trace[used] =
            '\0'; /* a line that does not fit is dropped whole: the innermost ones say most */
    return st;
}

const char *status_message(void)
{
    return last.message;
}

const char *status_text(void)
{
    const char *gap = last.trace[0] ? "\n" : "";
    snprintf(last.text, sizeof(last.text), "%s%s%s", last.message, gap, last.trace);
    size_t length = strlen(last.text);
    if (length > 0 && last.text[length - 1] == '\n')
        last.text[length - 1] = '\0';
    return last.text;
}

const char *status_name(enum status st)
{
    static const char *const name[] = {
        [ST_OK] = "ok",
        [ST_INVALID] = "invalid",
        [ST_UNSUPPORTED] = "unsupported",
        [ST_OOM] = "oom",
        [ST_IO] = "io",
        [ST_DEVICE] = "device",
        [ST_COMM] = "comm",
        [ST_TIMEOUT] = "timeout",
        [ST_WRONG] = "wrong",
        [ST_INTERRUPTED] = "interrupted",
    };
    BUG_ON((unsigned)st >= sizeof(name) / sizeof(name[0]), "status %d has no name", (int)st);
    return name[st];
}

void status_clear(void)
{
    last.message[0] = '\0';
    last.trace[0] = '\0';
}

void bug(const char *file, int line, const char *format, ...)
{
    fprintf(stderr, "ditbench: bug at %s:%d: ", file, line);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    fflush(stderr);
    abort();
}
