/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder of a sweep's logs, NAME.jsonl.logs, and through it the claim on the results file's
 * name. The lock on the file itself ends with the file: where that is replaced, a second sweep
 * would get the new one.
 */
#ifndef HARNESS_SWEEP_SWEEP_CLAIM_H
#define HARNESS_SWEEP_SWEEP_CLAIM_H

#include "kernels/base/status.h"

struct sweep_claim {
    const char *folder; /* borrowed */
    int fd;             /* -1: no claim */
};

/* Makes the folder. ST_INVALID: another sweep has it; `results` names the file in the message.
 * ST_IO. */
enum status sweep_claim_open(const char *folder, const char *results, struct sweep_claim *out);

/* Removes the folder where no log is left in it. */
void sweep_claim_close(struct sweep_claim *claim);

#endif
