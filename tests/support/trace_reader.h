/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strict reader of timelines (harness/profile/trace_write.h). It knows the format, not the
 * writer: keys and types, that no time is below 0, that slices of a track nest and are in order,
 * that arrows have both ends, each within a slice, and do not point back. Independent of Criterion.
 */
#ifndef TESTS_SUPPORT_TRACE_READER_H
#define TESTS_SUPPORT_TRACE_READER_H

#include <jansson.h>
#include <stdint.h>

struct trace_reader {
    json_t *root, *events; /* events: borrowed from root */
    int faults;            /* of the first 20 a line each is printed on standard error */
    int slices, starts, ends, counters, names; /* events by phase: X, s, f, C, M */
    struct trace_reader_track *track;
    int tracks;
};

/* Reads and checks; slack_ns: how far an arrow may point back. Returns the faults, which include
 * that there is no such file. To be closed in any case. */
int trace_reader_open(const char *path, int64_t slack_ns, struct trace_reader *out);
void trace_reader_close(struct trace_reader *reader);

/* The whole text of a gzip file, to be freed; NULL: it cannot be read. */
char *trace_reader_text(const char *path);

/* The nth (from 0) event of a phase ("X"), category, name and process, or NULL. cat and name may be
 * NULL, pid -1: any. */
json_t *trace_reader_find(const struct trace_reader *reader, const char *phase, const char *cat,
                          const char *name, int pid, int nth);
int trace_reader_count(const struct trace_reader *reader, const char *phase, const char *cat,
                       const char *name, int pid);

/* Nanoseconds of an event's "ts", "dur"; a number or text of its args; BUGs of the caller abort. */
int64_t trace_reader_ns(const json_t *event, const char *key);
int64_t trace_reader_arg(const json_t *event, const char *key);
const char *trace_reader_word(const json_t *event, const char *key);

#endif
