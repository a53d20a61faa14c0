/* SPDX-License-Identifier: Apache-2.0 */
/* The one place that knows the cache's variables. */
#include "kernels/base/cache.h"

#include <stdio.h>
#include <stdlib.h>

char *cache_folder(char *buffer, size_t size)
{
    static const struct {
        const char *variable, *below;
    } place[] = {
        {"DITBENCH_CACHE", ""}, {"XDG_CACHE_HOME", "/ditbench"}, {"HOME", "/.cache/ditbench"}};
    buffer[0] = '\0';
    for (int i = 0; i < 3; i++) {
        const char *value = getenv(place[i].variable);
        if (!value || !value[0])
            continue;
        int n = snprintf(buffer, size, "%s%s", value, place[i].below);
        if (n < 0 || (size_t)n >= size)
            buffer[0] = '\0';
        break;
    }
    return buffer;
}
