/* SPDX-License-Identifier: Apache-2.0 */
/* Finds and opens NVIDIA's management library. Interprets none of its answers. */
#include "harness/host/nvml.h"

#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* The names with a version are those that the library's own header maps the plain ones to. */
static const struct {
    const char *name;
    size_t at;
    bool needed;
} table[] = {
    {"nvmlInit_v2", offsetof(struct nvml, init), true},
    {"nvmlDeviceGetCount_v2", offsetof(struct nvml, count), true},
    {"nvmlDeviceGetHandleByIndex_v2", offsetof(struct nvml, by_index), true},
    {"nvmlDeviceGetUUID", offsetof(struct nvml, uuid), true},
    {"nvmlDeviceGetMemoryInfo", offsetof(struct nvml, memory), true},
    {"nvmlDeviceGetHandleByUUID", offsetof(struct nvml, by_uuid), false},
    {"nvmlDeviceGetName", offsetof(struct nvml, name), false},
    {"nvmlSystemGetDriverVersion", offsetof(struct nvml, driver), false},
    {"nvmlDeviceGetCudaComputeCapability", offsetof(struct nvml, compute), false},
    {"nvmlDeviceGetPciInfo_v3", offsetof(struct nvml, pci), false},
    {"nvmlDeviceGetMaxPcieLinkGeneration", offsetof(struct nvml, pcie_generation), false},
    {"nvmlDeviceGetMaxPcieLinkWidth", offsetof(struct nvml, pcie_width), false},
    {"nvmlDeviceGetNvLinkState", offsetof(struct nvml, nvlink_state), false},
    {"nvmlDeviceGetNvLinkVersion", offsetof(struct nvml, nvlink_version), false},
    {"nvmlDeviceGetNvLinkRemotePciInfo_v2", offsetof(struct nvml, nvlink_remote), false},
    {"nvmlDeviceGetNvLinkRemoteDeviceType", offsetof(struct nvml, nvlink_remote_type), false},
    {"nvmlDeviceGetNvLinkErrorCounter", offsetof(struct nvml, nvlink_errors), false},
    {"nvmlDeviceGetTopologyCommonAncestor", offsetof(struct nvml, ancestor), false},
    {"nvmlDeviceGetP2PStatus", offsetof(struct nvml, p2p), false},
    {"nvmlDeviceGetClockInfo", offsetof(struct nvml, clock), false},
    {"nvmlDeviceGetPowerUsage", offsetof(struct nvml, power), false},
    {"nvmlDeviceGetFieldValues", offsetof(struct nvml, fields), false},
    {"nvmlDeviceGetEnforcedPowerLimit", offsetof(struct nvml, power_limit), false},
    {"nvmlDeviceGetTemperature", offsetof(struct nvml, temperature), false},
    /* the new name of the one below it */
    {"nvmlDeviceGetCurrentClocksEventReasons", offsetof(struct nvml, clock_reasons), false},
    {"nvmlDeviceGetCurrentClocksThrottleReasons", offsetof(struct nvml, clock_reasons), false},
    {"nvmlDeviceGetTotalEccErrors", offsetof(struct nvml, ecc_errors), false},
};

static struct nvml library;
static bool there;
static pthread_once_t once = PTHREAD_ONCE_INIT;

int nvml_device_files(void)
{
    static const char stem[] = "nvidia";
    int n = 0;
    DIR *folder = opendir("/dev");
    for (struct dirent *e = folder ? readdir(folder) : NULL; e; e = readdir(folder)) {
        const char *number = e->d_name + strlen(stem);
        n += strncmp(e->d_name, stem, strlen(stem)) == 0 && *number != '\0' &&
             number[strspn(number, "0123456789")] == '\0';
    }
    if (folder)
        closedir(folder);
    return n;
}

static bool find_functions(void *handle)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        void *address = dlsym(handle, table[i].name);
        if (!address && table[i].needed)
            return false;
        if (address)
            memcpy((char *)&library + table[i].at, &address, sizeof address);
    }
    return true;
}

/* The library stays open as long as the process. WSL has one device file for all GPUs. */
static void load(void)
{
    if (nvml_device_files() == 0 && access("/dev/dxg", F_OK) != 0)
        return;
    void *handle = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        handle = dlopen("/usr/lib/wsl/lib/libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    there = handle && find_functions(handle) && library.init() == 0;
}

const struct nvml *nvml_get(void)
{
    pthread_once(&once, load);
    return there ? &library : NULL;
}
