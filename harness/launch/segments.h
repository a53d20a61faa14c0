/* SPDX-License-Identifier: Apache-2.0 */
/* Shared memory that Open MPI's jobs left in /dev/shm. */
#ifndef HARNESS_LAUNCH_SEGMENTS_H
#define HARNESS_LAUNCH_SEGMENTS_H

/* Removes that of the jobs whose sessions lie below `folder`: its names hold the job's number,
 * which a session holds too. None of them may run any more. */
void segments_remove(const char *folder);

#endif
