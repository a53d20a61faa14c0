/* SPDX-License-Identifier: Apache-2.0 */
/* JSON text into a gzip file as it comes; of what is written only a buffer is in memory. A failure
 * is kept and told at the end. Not what the text says. */
#ifndef HARNESS_PROFILE_TRACE_OUT_H
#define HARNESS_PROFILE_TRACE_OUT_H

#include "kernels/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TRACE_OUT_BUFFER = 1 << 16 };

struct trace_out {
    const char *path; /* borrowed */
    void *file;       /* zlib's */
    enum status st;   /* of the first failure, which also is in the thread's record */
    uint64_t events;  /* begun so far */
    size_t n;
    char buffer[TRACE_OUT_BUFFER];
};

/* ST_IO. */
enum status trace_out_open(const char *path, struct trace_out *out);

/* ST_IO of anything since open: the file is then deleted. */
enum status trace_out_close(struct trace_out *out);

/* Text as it is; numbers and static names only, at most 500 bytes. */
void trace_out_text(struct trace_out *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* In quotes, escaped; bytes that are not UTF-8 become U+FFFD. NULL: "". */
void trace_out_string(struct trace_out *out, const char *text);

/* Nanoseconds as microseconds with three decimals. */
void trace_out_us(struct trace_out *out, int64_t ns);

/* `"key": ` and the value, after a comma where *first is false; clears *first. */
void trace_out_key_string(struct trace_out *out, bool *first, const char *key, const char *text);
void trace_out_key_number(struct trace_out *out, bool *first, const char *key, int64_t value);

/* Begins an element of traceEvents, on a line of its own: {"ph": "X", "pid": 0, "tid": 1 */
void trace_out_event(struct trace_out *out, char phase, int pid, int64_t tid);

#endif
