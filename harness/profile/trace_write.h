/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recording as a timeline for Perfetto, chrome://tracing and tools that read Kineto's files:
 * gzipped JSON, written as it goes. interface.md, section 8, says what is in it; README.md which
 * names.
 */
#ifndef HARNESS_PROFILE_TRACE_WRITE_H
#define HARNESS_PROFILE_TRACE_WRITE_H

#include "harness/profile/messages.h"

enum { TRACE_WRITE_ALL = -1 };

struct trace_written {
    uint64_t events;
    uint64_t cut;     /* slices shortened so that those of a track nest */
    uint64_t unbound; /* messages without an arrow: a slice at one end was not found, or the clocks
                         are further off than they say */
};

/*
 * Creates the folder, then the file at `path`, of all ranks or one. Of one rank alone there are no
 * arrows between ranks. transport: "nccl", "mpi", "local", "none". *out may be NULL. ST_IO, with
 * nothing left at `path`; ST_OOM.
 */
enum status trace_write(const struct recording *recording, const struct messages *messages,
                        const char *transport, const char *path, int only_rank,
                        struct trace_written *out);

#endif
