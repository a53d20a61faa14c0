/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds NVIDIA's shared libraries at run time, so that one binary runs with and without them. Calls
 * none of their functions.
 */
#ifndef KERNELS_CUDA_LIBRARY_H
#define KERNELS_CUDA_LIBRARY_H

#include "kernels/base/status.h"

/*
 * Opens `name` (a soname) from the loader's own places, the folders of libraries and of CUPTI in
 * $CUDA_HOME and /usr/local/cuda, and the nvidia packages of the Python environment in $VIRTUAL_ENV
 * or around the python3 on PATH.
 * ST_UNSUPPORTED names the places when it is in none.
 */
enum status cuda_library_open(const char *name, void **out);

/* One function of a library. ST_UNSUPPORTED when it lacks it. */
enum status cuda_library_find(void *library, const char *name, const char *function,
                              void *out /* address of a function pointer */);

#endif
