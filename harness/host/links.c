/* SPDX-License-Identifier: Apache-2.0 */
/* Asks NVML for two fields. */
#include "harness/host/links.h"

#include "harness/host/gpus.h"

#include <limits.h>
#include <stdlib.h>

enum { DATA_SENT = 138, DATA_RECEIVED = 139, KIB = 1024 }; /* of nvml.h */

bool links_read_from(const struct nvml *nvml, struct nvml_device *device, struct links *out)
{
    struct nvml_field field[] = {
        {.id = DATA_SENT, .scope = UINT_MAX}, /* all links together */
        {.id = DATA_RECEIVED, .scope = UINT_MAX},
    };
    if (!nvml->fields || nvml->fields(device, 2, field) != 0 || field[0].status != 0 ||
        field[1].status != 0)
        return false;
    *out = (struct links){.sent = KIB * field[0].value, .received = KIB * field[1].value};
    return true;
}

bool links_read(int ordinal, struct links *out)
{
    struct nvml_device *device[GPUS_MAX];
    const struct nvml *nvml = nvml_get();
    int n = nvml ? gpus_visible(nvml, getenv("CUDA_VISIBLE_DEVICES"), device) : 0;
    return ordinal >= 0 && ordinal < n && links_read_from(nvml, device[ordinal], out);
}
