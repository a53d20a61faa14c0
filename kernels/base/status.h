/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Status codes, and the last failure of a thread in words. Not a logger.
 *
 * Expected outcomes (bad input, a refused cell, out of memory, a dead peer) are returned as enum
 * status; the sentence that explains one is kept for its thread until the next fail() or
 * status_clear() of that thread. TRY adds the function it leaves, so that status_text() reads as a
 * trace. Our own bugs go through BUG_ON and abort.
 */
#ifndef KERNELS_BASE_STATUS_H
#define KERNELS_BASE_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

enum status {
    ST_OK = 0,
    ST_INVALID,     /* input that cannot be used: a file, an argument, a specification */
    ST_UNSUPPORTED, /* a cell that the plan refuses */
    ST_OOM,         /* an allocation that does not fit */
    ST_IO,          /* a file that cannot be read or written */
    ST_DEVICE,      /* the backend's library or driver failed */
    ST_COMM,        /* a peer or the transport failed */
    ST_TIMEOUT,     /* a wait took longer than allowed */
    ST_WRONG,       /* computed, but outside its tolerance */
    ST_INTERRUPTED, /* stopped by the user */
};

/* Keeps the sentence and begins a new trace; older ones are forgotten. Returns `st`. */
enum status fail(enum status st, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "prefix: " in front of the sentence (a file's name, a rank). Returns `st`. */
enum status fail_prefix(enum status st, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds one "function (file:line)" to the trace. Returns `st`. For TRY. */
enum status status_trace(enum status st, const char *function, const char *file, int line);

/* The sentence of this thread's last failure; "" when there is none. Valid until the thread's next
 * fail or clear. */
const char *status_message(void);

/* The sentence and its trace, one line each. Same lifetime. */
const char *status_text(void);

/* "ok", "invalid", "unsupported", ... */
const char *status_name(enum status st);

void status_clear(void);

__attribute__((noreturn, format(printf, 3, 4))) void bug(const char *file, int line,
                                                         const char *format, ...);

/* The only macro that changes control flow: leaves the function with a status that is not ST_OK. */
#define TRY(expr)                                                                                  \
    do {                                                                                           \
        enum status try_status_ = (expr);                                                          \
        if (try_status_ != ST_OK)                                                                  \
            return status_trace(try_status_, __func__, __FILE__, __LINE__);                        \
    } while (0)

/* A broken invariant of our own: prints and aborts, in release builds too. */
#define BUG_ON(condition, ...)                                                                     \
    do {                                                                                           \
        if (condition)                                                                             \
            bug(__FILE__, __LINE__, __VA_ARGS__);                                                  \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
