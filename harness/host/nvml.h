/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of NVIDIA's management library that are asked, found at run time. Asking it wakes
 * no CUDA driver and takes no memory of a GPU. Its types are spelled out here, as NVML's reference
 * has them, so that nothing of it is needed to build. What the answers mean is gpus.h's business.
 */
#ifndef HARNESS_HOST_NVML_H
#define HARNESS_HOST_NVML_H

struct nvml_device; /* theirs */

/* nvmlMemory_t, bytes */
struct nvml_memory {
    unsigned long long total, free, used;
};

/* nvmlPciInfo_t */
struct nvml_pci {
    char legacy[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char bus_id[32];
};

/* nvmlFieldValue_t, whose value is a union: of the fields that are asked here, an unsigned number.
 */
struct nvml_field {
    unsigned id, scope;
    long long timestamp, latency_us;
    int type;
    int status; /* 0 for success */
    unsigned long long value;
};

enum { NVML_LINKS = 36 }; /* more NVLinks than any GPU has; questions about others fail */

/* What NVML's numbers stand for. */
enum {
    NVML_CLOCK_OF_SM = 1,
    NVML_CLOCK_OF_MEMORY = 2,
    NVML_SENSOR_OF_GPU = 0,
    NVML_ECC_CORRECTED = 0,
    NVML_ECC_UNCORRECTED = 1,
    NVML_ECC_SINCE_LOAD = 0, /* of the driver: "volatile" */
    NVML_LINK_REPLAYS = 0,
    NVML_LINK_ECC = 4, /* counters below it: replays, recoveries, CRC of flits and of data */
    NVML_REMOTE_GPU = 0,
    NVML_REMOTE_SWITCH = 2,
    NVML_P2P_READ = 0,
    NVML_P2P_WRITE = 1,
    NVML_P2P_NVLINK = 2,
};

/* Every function returns 0 for success. A member may be NULL: the library is older than it; but for
 * the first five. */
struct nvml {
    int (*init)(void);
    int (*count)(unsigned *devices);
    int (*by_index)(unsigned index, struct nvml_device **out); /* in the order of the PCI bus */
    int (*uuid)(struct nvml_device *device, char *text, unsigned size);
    int (*memory)(struct nvml_device *device, struct nvml_memory *out);
    int (*by_uuid)(const char *uuid, struct nvml_device **out);
    int (*name)(struct nvml_device *device, char *text, unsigned size);
    int (*driver)(char *text, unsigned size);
    int (*compute)(struct nvml_device *device, int *major, int *minor);
    int (*pci)(struct nvml_device *device, struct nvml_pci *out);
    int (*pcie_generation)(struct nvml_device *device, unsigned *out); /* the most it can */
    int (*pcie_width)(struct nvml_device *device, unsigned *lanes);    /* the most it can */
    int (*nvlink_state)(struct nvml_device *device, unsigned link, int *active);
    int (*nvlink_version)(struct nvml_device *device, unsigned link, unsigned *out);
    int (*nvlink_remote)(struct nvml_device *device, unsigned link, struct nvml_pci *out);
    int (*nvlink_remote_type)(struct nvml_device *device, unsigned link, int *type);
    int (*nvlink_errors)(struct nvml_device *device, unsigned link, int counter,
                         unsigned long long *out);
    int (*ancestor)(struct nvml_device *a, struct nvml_device *b, int *level); /* over PCIe */
    int (*p2p)(struct nvml_device *a, struct nvml_device *b, int what, int *answer);
    int (*clock)(struct nvml_device *device, int which, unsigned *mhz);
    int (*power)(struct nvml_device *device, unsigned *milliwatts);
    int (*fields)(struct nvml_device *device, int n, struct nvml_field *field);
    int (*power_limit)(struct nvml_device *device, unsigned *milliwatts); /* that is enforced */
    int (*temperature)(struct nvml_device *device, int sensor, unsigned *celsius);
    int (*clock_reasons)(struct nvml_device *device, unsigned long long *bits);
    int (*ecc_errors)(struct nvml_device *device, int kind, int since, unsigned long long *out);
};

/* Loaded and initialised once for this process; NULL: this machine has no GPU or no such library.
 * Where no device file of a GPU exists nothing is loaded. From any thread. */
const struct nvml *nvml_get(void);

/* Device files of GPUs: /dev/nvidia0, ... */
int nvml_device_files(void);

#endif
