/* SPDX-License-Identifier: Apache-2.0 */
/* What NVML says about GPUs, in the order and the choice of CUDA_VISIBLE_DEVICES. */
#include "harness/host/gpus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- which of them ---- */

/* A number of CUDA_VISIBLE_DEVICES, or -1. */
static int index_of(const char *word)
{
    char *end;
    long number = strtol(word, &end, 10);
    return end != word && *end == '\0' && number >= 0 && number < 1 << 20 ? (int)number : -1;
}

static bool has_prefix(const struct nvml *nvml, struct nvml_device *device, const char *prefix)
{
    char uuid[GPUS_TEXT];
    return nvml->uuid(device, uuid, sizeof uuid) == 0 && strncmp(uuid, prefix, strlen(prefix)) == 0;
}

/* A number, the beginning of a GPU's uuid, or a whole one (of a part of a GPU, too). */
static struct nvml_device *find_device(const struct nvml *nvml, unsigned all, const char *word)
{
    struct nvml_device *device = NULL;
    int index = index_of(word);
    if (index >= 0)
        return (unsigned)index < all && nvml->by_index((unsigned)index, &device) == 0 ? device
                                                                                      : NULL;
    if (strncmp(word, "GPU-", 4) != 0 && strncmp(word, "MIG-", 4) != 0)
        return NULL;
    for (unsigned i = 0; i < all; i++)
        if (nvml->by_index(i, &device) == 0 && has_prefix(nvml, device, word))
            return device;
    return nvml->by_uuid && nvml->by_uuid(word, &device) == 0 ? device : NULL;
}

/* CUDA stops at the first word that names no GPU, and takes none when one is named twice. */
int gpus_visible(const struct nvml *nvml, const char *setting, struct nvml_device **out)
{
    unsigned all = 0;
    int n = 0;
    char *rest;
    if (nvml->count(&all) != 0)
        return 0;
    for (unsigned i = 0; !setting && i < all && n < GPUS_MAX; i++)
        n += nvml->by_index(i, &out[n]) == 0;
    char *copy = setting ? strdup(setting) : NULL;
    for (char *word = copy ? strtok_r(copy, ", ", &rest) : NULL; word && n < GPUS_MAX;
         word = strtok_r(NULL, ", ", &rest)) {
        out[n] = find_device(nvml, all, word);
        if (!out[n])
            break;
        for (int i = 0; i < n; i++)
            if (out[i] == out[n]) {
                free(copy);
                return 0;
            }
        n++;
    }
    free(copy);
    return n;
}

int gpus_visible_files(int files, const char *setting)
{
    int n = 0;
    char *rest;
    char *copy = setting ? strdup(setting) : NULL;
    if (!setting)
        return files;
    for (char *word = copy ? strtok_r(copy, ", ", &rest) : NULL; word && n < files;
         word = strtok_r(NULL, ", ", &rest)) {
        if (index_of(word) < 0 ? strchr(word, '-') == NULL || word[0] == '-'
                               : index_of(word) >= files)
            break;
        n++;
    }
    free(copy);
    return n;
}

static int visible(struct nvml_device **out)
{
    const struct nvml *nvml = nvml_get();
    return nvml ? gpus_visible(nvml, getenv("CUDA_VISIBLE_DEVICES"), out) : 0;
}

int gpus_count(void)
{
    struct nvml_device *device[GPUS_MAX];
    if (nvml_get())
        return visible(device);
    return gpus_visible_files(nvml_device_files(), getenv("CUDA_VISIBLE_DEVICES"));
}

bool gpus_taken(int ordinal, int all, int first, int n)
{
    return n >= all || (ordinal - first % all + all) % all < n;
}

int gpus_of_ranks(int first, int n, struct nvml_device **out)
{
    struct nvml_device *device[GPUS_MAX];
    int all = visible(device);
    int used = 0;
    for (int i = 0; i < all; i++)
        if (gpus_taken(i, all, first, n))
            out[used++] = device[i];
    return used;
}

int gpus_compute(void)
{
    struct nvml_device *device[GPUS_MAX];
    const struct nvml *nvml = nvml_get();
    int least = 0;
    int n = visible(device);
    for (int i = 0; i < n && nvml->compute; i++) {
        int major;
        int minor;
        if (nvml->compute(device[i], &major, &minor) == 0 &&
            (least == 0 || 10 * major + minor < least))
            least = 10 * major + minor;
    }
    return least;
}

/* ---- memory ---- */

static bool available(struct nvml_device *device, uint64_t *bytes)
{
    struct nvml_memory memory;
    if (nvml_get()->memory(device, &memory) != 0)
        return false;
    *bytes = memory.free;
    return true;
}

bool gpus_available(int ordinal, uint64_t *bytes)
{
    struct nvml_device *device[GPUS_MAX];
    int n = visible(device);
    return ordinal >= 0 && ordinal < n && available(device[ordinal], bytes);
}

bool gpus_available_of(const char *uuid, uint64_t *bytes)
{
    const struct nvml *nvml = nvml_get();
    struct nvml_device *device;
    return nvml && nvml->by_uuid && nvml->by_uuid(uuid, &device) == 0 && available(device, bytes);
}

/* ---- the record ---- */

/* "0000:19:00.0, generation 5, 16 lanes" */
static const char *pcie_text(const struct nvml *nvml, struct nvml_device *device, char *text,
                             size_t size)
{
    struct nvml_pci pci;
    unsigned generation;
    unsigned lanes;
    if (!nvml->pci || nvml->pci(device, &pci) != 0)
        return NULL;
    snprintf(text, size, "%04x:%02x:%02x.0", pci.domain, pci.bus, pci.device);
    size_t used = strlen(text);
    if (nvml->pcie_generation && nvml->pcie_width &&
        nvml->pcie_generation(device, &generation) == 0 && nvml->pcie_width(device, &lanes) == 0)
        snprintf(text + used, size - used, ", generation %u, %u lanes", generation, lanes);
    return text;
}

/* "18 links, version 4" */
static const char *nvlink_text(const struct nvml *nvml, struct nvml_device *device, char *text,
                               size_t size)
{
    int links = 0;
    unsigned version = 0;
    for (unsigned i = 0; i < NVML_LINKS && nvml->nvlink_state; i++) {
        int active;
        unsigned one;
        if (nvml->nvlink_state(device, i, &active) != 0 || !active)
            continue;
        links++;
        if (nvml->nvlink_version && nvml->nvlink_version(device, i, &one) == 0)
            version = one;
    }
    if (links == 0)
        return NULL;
    snprintf(text, size, "%d link%s", links, links == 1 ? "" : "s");
    size_t used = strlen(text);
    if (version > 0)
        snprintf(text + used, size - used, ", version %u", version);
    return text;
}

void gpus_add(const struct nvml *nvml, struct nvml_device *device, struct record *record)
{
    char name[GPUS_TEXT];
    char uuid[GPUS_TEXT];
    char driver[GPUS_TEXT];
    char pcie[GPUS_TEXT];
    char nvlink[GPUS_TEXT];
    struct nvml_memory memory;
    bool sized = nvml->memory && nvml->memory(device, &memory) == 0;
    bool named = nvml->name && nvml->name(device, name, sizeof name) == 0;
    bool driven = nvml->driver && nvml->driver(driver, sizeof driver) == 0;
    record_add_gpu(record,
                   &(struct record_gpu){
                       .name = named ? name : "unknown GPU",
                       .uuid = nvml->uuid(device, uuid, sizeof uuid) == 0 ? uuid : "unknown",
                       .driver = driven ? driver : "unknown",
                       .pcie = pcie_text(nvml, device, pcie, sizeof pcie),
                       .nvlink = nvlink_text(nvml, device, nvlink, sizeof nvlink),
                       .memory_bytes = sized ? (double)memory.total : 0,
                   });
}

void gpus_fill(struct record *record)
{
    struct nvml_device *device[GPUS_MAX];
    int n = visible(device);
    record->env.gpus = (struct record_gpus){0};
    for (int i = 0; i < n; i++)
        gpus_add(nvml_get(), device[i], record);
}
