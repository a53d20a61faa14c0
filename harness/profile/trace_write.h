/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recording as a timeline for Perfetto, chrome://tracing and tools that read Kineto's files:
 * gzipped JSON, written as it goes. interface.md, section 8, says what is in it; here is what it is
 * called.
 *
 *   process, pid      rank
 *   track, tid        stream by its number, or thread by its; a thread that has a stream's number
 *                     and a lane beside a stream have others
 *   ts, dur           microseconds with three decimals, since the earliest begin of a rank's loop;
 *                     never below 0
 *   user_annotation   ranges of threads: "loop", "step 3" (and around it "ProfilerStep#3", which
 *                     HTA looks for), "pass", "patch 2", "layer 5", "qkv", "graph launch"
 *   cpu_op            operations of the backend; on the CPU that is where they ran
 *   comm              posts and waits, "ring.send": axis, channel, peer (of the world), payload
 *                     bytes, wire bytes
 *   gpu_user_annotation  the same ranges as a device saw them (projection.h), captured ones too;
 *                     without args.stream, by which readers tell kernels
 *   kernel, gpu_memcpy, gpu_memset  what a device did. Copies and fills have Kineto's names; one
 *                     kernel of NCCL has the arguments of its collective, counted in bytes
 *   cuda_runtime, cuda_driver, cuda_sync, overhead  calls
 *   ac2g              arrows from a call to what it started; of a graph to the first on each stream
 *   comm_flow         arrows from who sent a message to who received it
 *   counters          "SM clock", "power", "memory in use", "bytes sent in the loop: AXIS"
 *
 * args.correlation is of one call and what it started; 0: no call is known. A call of the driver
 * that started nothing itself has "driver correlation", so that readers join no item twice.
 * Ranges of a host that were captured before the loop are not drawn where they were captured.
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
