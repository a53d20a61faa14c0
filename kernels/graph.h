/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing of its own: graphs are in kernels/device.h. */
#ifndef KERNELS_GRAPH_H
#define KERNELS_GRAPH_H

#include "kernels/device.h"

#endif
