/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The quick way from a line to a record, for the lines that programs write: plain texts, known
 * keys, in any order. Whatever else it meets, and whatever is wrong, it leaves to read.c, which
 * reads all of JSON and says what is wrong; a record that it does give is the one that read.c would
 * give.
 */
#ifndef HARNESS_RECORD_SCAN_H
#define HARNESS_RECORD_SCAN_H

#include "harness/record/record.h"

/* What a line had that rows of older builds lack. */
struct scan {
    bool whole_cell; /* every key of the cell that is in each id */
    bool flags;
};

/* Fills an empty record. false: not this way; the record is of no use then. */
bool scan_record(const char *line, size_t size, struct record *record, struct scan *found);

#endif
