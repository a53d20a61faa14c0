/* SPDX-License-Identifier: Apache-2.0 */
/* NVML's answers in units of a record. */
#include "harness/host/gpu_state.h"

#include <math.h>

static double clock_of(const struct nvml *nvml, struct nvml_device *device, int which)
{
    unsigned mhz;
    return nvml->clock && nvml->clock(device, which, &mhz) == 0 ? mhz : NAN;
}

static double watts(int (*ask)(struct nvml_device *, unsigned *), struct nvml_device *device)
{
    unsigned milliwatts;
    return ask && ask(device, &milliwatts) == 0 ? 1e-3 * milliwatts : NAN;
}

struct gpu_state gpu_state_read(const struct nvml *nvml, struct nvml_device *device)
{
    unsigned celsius;
    bool warm = nvml->temperature && nvml->temperature(device, NVML_SENSOR_OF_GPU, &celsius) == 0;
    struct gpu_state s = {
        .sm_mhz = clock_of(nvml, device, NVML_CLOCK_OF_SM),
        .memory_mhz = clock_of(nvml, device, NVML_CLOCK_OF_MEMORY),
        .temperature_c = warm ? celsius : NAN,
        .power_w = watts(nvml->power, device),
    };
    s.reasoned = nvml->clock_reasons && nvml->clock_reasons(device, &s.reasons) == 0;
    return s;
}

static bool ecc_errors(const struct nvml *nvml, struct nvml_device *device, int kind, uint64_t *out)
{
    unsigned long long n = 0;
    bool told = nvml->ecc_errors && nvml->ecc_errors(device, kind, NVML_ECC_SINCE_LOAD, &n) == 0;
    *out = n;
    return told && n <= INT64_MAX; /* a record holds no more */
}

/* Adds up what is told of one link. */
static void add_link(const struct nvml *nvml, struct nvml_device *device, unsigned link,
                     struct gpu_health *out)
{
    for (int counter = NVML_LINK_REPLAYS; counter < NVML_LINK_ECC && nvml->nvlink_errors;
         counter++) {
        unsigned long long n;
        if (nvml->nvlink_errors(device, link, counter, &n) != 0 || n > UINT32_MAX)
            continue;
        out->has_link_errors = true;
        out->link_errors += n;
    }
}

struct gpu_health gpu_health_read(const struct nvml *nvml, struct nvml_device *device)
{
    struct gpu_health h = {.power_limit_w = watts(nvml->power_limit, device)};
    h.has_corrected = ecc_errors(nvml, device, NVML_ECC_CORRECTED, &h.corrected);
    h.has_uncorrected = ecc_errors(nvml, device, NVML_ECC_UNCORRECTED, &h.uncorrected);
    for (unsigned link = 0; link < NVML_LINKS && nvml->nvlink_state; link++) {
        int active;
        if (nvml->nvlink_state(device, link, &active) != 0)
            continue;
        h.links++;
        h.active_links += active != 0;
        if (active)
            add_link(nvml, device, link, &h);
    }
    return h;
}
