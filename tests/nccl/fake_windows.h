/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that the fake NCCL shows to all ranks. For the fakes only. */
#ifndef TESTS_NCCL_FAKE_WINDOWS_H
#define TESTS_NCCL_FAKE_WINDOWS_H

/* Part of fake_open and fake_close. */
void fake_windows_open(void);
void fake_windows_close(void);

#endif
