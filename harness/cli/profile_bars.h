/* SPDX-License-Identifier: Apache-2.0 */
/* `ditbench profile --bars DIR DIR...`: where the steps of several profiles go, side by side. */
#ifndef HARNESS_CLI_PROFILE_BARS_H
#define HARNESS_CLI_PROFILE_BARS_H

#include "kernels/base/status.h"

/* out/step.svg and .png, a bar for each of n folders, in their order, named by strategy.
 * ST_INVALID: a folder that holds no profile; ST_IO. */
enum status profile_bars_draw(int n, const char *const *folder, const char *out);

#endif
