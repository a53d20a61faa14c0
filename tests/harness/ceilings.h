/* SPDX-License-Identifier: Apache-2.0 */
/* Ceilings for tests of what profiles, so that the program measures none. */
#ifndef TESTS_HARNESS_CEILINGS_H
#define TESTS_HARNESS_CEILINGS_H

/* A suite's .init: program_limit, and rates made by hand in the program's cache, for fp32 on two
 * threads of the CPU. */
void ceilings_by_hand(void);

#endif
