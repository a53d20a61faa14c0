/* SPDX-License-Identifier: Apache-2.0 */
/* The shape of a record as data, for its writer and its reader alone. */
#ifndef HARNESS_RECORD_FIELDS_H
#define HARNESS_RECORD_FIELDS_H

#include "harness/record/record.h"

enum field_kind {
    FIELD_INT,    /* int, at least 0 */
    FIELD_INDEX,  /* int, at least 0; -1 is null */
    FIELD_FLAG,   /* int: RECORD_NO, RECORD_YES; RECORD_UNKNOWN is null */
    FIELD_COUNT,  /* uint64_t, at most INT64_MAX */
    FIELD_NUMBER, /* double; what is not finite is null */
    FIELD_TEXT,   /* const char *, never null */
    FIELD_TEXT_OR_NULL,
    FIELD_STATUS, /* enum ending, by name */
    FIELD_MAP,    /* struct record_map: an object of texts */
    FIELD_OBJECT, /* a struct with `inner` fields */
    FIELD_RULE,   /* the same, beginning with an int that is at least 1; null where that is 0 */
    FIELD_LIST,   /* { int n; T *v }: `inner` describes T; one field without a name: plain values */
};

struct field {
    const char *name; /* NULL ends a table; "" is the one field of a plain value */
    enum field_kind kind;
    size_t offset;
    const struct field *inner;
    size_t size;     /* FIELD_LIST: of one element */
    size_t offset_v; /* FIELD_LIST: of the pointer, from the list's start */
    bool later;      /* rows of older builds lack it */
    bool silent;     /* not in a cell's id where it is null or 0, as in rows that lack it */
};

extern const struct field record_fields[];
extern const struct field record_cell_fields[];

/* Elements are plain values, not objects. */
static inline bool field_plain(const struct field *inner)
{
    return inner[0].name[0] == '\0';
}

#endif
