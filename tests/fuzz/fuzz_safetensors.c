/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a safetensors file: refused, or every element of every tensor can be read. */
#include "models/safetensors.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct safetensors *file;
    if (safetensors_open_memory("fuzz", data, size, &file) != ST_OK)
        return 0;
    safetensors_meta(file, "format");
    for (int i = 0; i < safetensors_count(file); i++) {
        const struct safetensors_entry *entry = safetensors_at(file, i);
        int64_t count = entry->bytes > 0 ? 1 : 0;
        for (int d = 0; d < entry->ndim && count > 0; d++)
            count *= entry->dim[d]; // fits: the tensor has bytes
        BUG_ON((size_t)count > size, "more elements than bytes");
        BUG_ON(safetensors_find(file, entry->name) != entry,
               "a tensor that its name does not find");
        float *out = malloc((size_t)count * sizeof(*out) + 1);
        enum status st = out ? safetensors_floats(file, entry, 0, count, out) : ST_OOM;
        BUG_ON(st != ST_OK && st != ST_OOM && entry->type != SAFETENSORS_OTHER, "%s",
               status_message());
        free(out);
    }
    safetensors_close(file);
    return 0;
}
