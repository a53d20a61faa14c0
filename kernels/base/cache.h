/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of what can be computed again and is kept to save time. Makes nothing. */
#ifndef KERNELS_BASE_CACHE_H
#define KERNELS_BASE_CACHE_H

#include <stddef.h>

/* $DITBENCH_CACHE, else $XDG_CACHE_HOME/ditbench, else ~/.cache/ditbench; "" where no variable
 * names one, or its name is too long. Into buffer of `size` bytes, which is returned. */
char *cache_folder(char *buffer, size_t size);

#endif
