/* SPDX-License-Identifier: Apache-2.0 */
/* The choice and the description of GPUs over a library that is made up here. */
#include "harness/host/gpus.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { GPUS = 4 };

struct nvml_device {
    int index;
};

static struct nvml_device device[GPUS] = {{0}, {1}, {2}, {3}};

static int count(unsigned *devices)
{
    *devices = GPUS;
    return 0;
}

static int by_index(unsigned index, struct nvml_device **out)
{
    if (index >= GPUS)
        return 2;
    *out = &device[index];
    return 0;
}

static int uuid(struct nvml_device *d, char *text, unsigned size)
{
    snprintf(text, size, "GPU-%d%d%d%d-abcd", d->index, d->index, d->index, d->index);
    return 0;
}

static int by_uuid(const char *text, struct nvml_device **out)
{
    if (strcmp(text, "MIG-77") != 0)
        return 6;
    *out = &device[3];
    return 0;
}

static int memory(struct nvml_device *d, struct nvml_memory *out)
{
    *out = (struct nvml_memory){.total = 100, .free = 10u * (unsigned)d->index};
    return 0;
}

static int name(struct nvml_device *d, char *text, unsigned size)
{
    (void)d;
    snprintf(text, size, "NVIDIA H200");
    return 0;
}

static int driver(char *text, unsigned size)
{
    snprintf(text, size, "580.65.06");
    return 0;
}

static int pci(struct nvml_device *d, struct nvml_pci *out)
{
    *out = (struct nvml_pci){.domain = 0, .bus = 0x19u + (unsigned)d->index, .device = 0};
    return 0;
}

static int five(struct nvml_device *d, unsigned *out)
{
    (void)d;
    *out = 5;
    return 0;
}

static int sixteen(struct nvml_device *d, unsigned *out)
{
    (void)d;
    *out = 16;
    return 0;
}

/* GPU 0 has 18 links, one of them off; the others have none. */
static int nvlink_state(struct nvml_device *d, unsigned link, int *active)
{
    if (d->index > 0 || link >= 18)
        return 2;
    *active = link != 7;
    return 0;
}

static int nvlink_version(struct nvml_device *d, unsigned link, unsigned *out)
{
    (void)d;
    (void)link;
    *out = 4;
    return 0;
}

static const struct nvml nvml = {
    .count = count,
    .by_index = by_index,
    .uuid = uuid,
    .memory = memory,
    .by_uuid = by_uuid,
    .name = name,
    .driver = driver,
    .pci = pci,
    .pcie_generation = five,
    .pcie_width = sixteen,
    .nvlink_state = nvlink_state,
    .nvlink_version = nvlink_version,
};

/* The indices that a setting leaves, as digits. */
static const char *chosen(const char *setting)
{
    static char text[GPUS + 1];
    struct nvml_device *out[GPUS_MAX];
    int n = gpus_visible(&nvml, setting, out);
    for (int i = 0; i < n; i++)
        text[i] = (char)('0' + out[i]->index);
    text[n] = '\0';
    return text;
}

Test(gpus, are_chosen_as_cuda_does)
{
    cr_assert_str_eq(chosen(NULL), "0123");
    cr_assert_str_eq(chosen(""), "");
    cr_assert_str_eq(chosen("2"), "2");
    cr_assert_str_eq(chosen("3,1"), "31");
    cr_assert_str_eq(chosen("3, 1"), "31");
    cr_assert_str_eq(chosen("1,9,2"), "1");  /* what comes behind a wrong one is not seen */
    cr_assert_str_eq(chosen("0,-1,2"), "0"); /* the usual way to hide the rest */
    cr_assert_str_eq(chosen("1,1"), "");     /* twice is an error: none */
    cr_assert_str_eq(chosen("GPU-2222"), "2");
    cr_assert_str_eq(chosen("GPU-3333-abcd,0"), "30");
    cr_assert_str_eq(chosen("GPU-9"), "");
    cr_assert_str_eq(chosen("MIG-77"), "3");
    cr_assert_str_eq(chosen("NoDevFiles"), "");
}

Test(gpus, are_counted_by_their_files_without_the_library)
{
    cr_assert_eq(gpus_visible_files(4, NULL), 4);
    cr_assert_eq(gpus_visible_files(4, ""), 0);
    cr_assert_eq(gpus_visible_files(4, "0,3"), 2);
    cr_assert_eq(gpus_visible_files(4, "0,4"), 1);
    cr_assert_eq(gpus_visible_files(4, "GPU-12,GPU-34"), 2);
    cr_assert_eq(gpus_visible_files(4, "-1"), 0);
    cr_assert_eq(gpus_visible_files(0, "0"), 0);
}

/* The ordinals of four that ranks first .. first + n - 1 take, as digits. */
static const char *taken(int first, int n)
{
    static char text[GPUS + 1];
    int used = 0;
    for (int i = 0; i < GPUS; i++)
        if (gpus_taken(i, GPUS, first, n))
            text[used++] = (char)('0' + i);
    text[used] = '\0';
    return text;
}

Test(gpus, are_taken_in_turn)
{
    cr_assert_str_eq(taken(0, 1), "0");
    cr_assert_str_eq(taken(0, 4), "0123");
    cr_assert_str_eq(taken(0, 9), "0123"); /* they share */
    cr_assert_str_eq(taken(2, 2), "23");
    cr_assert_str_eq(taken(7, 2), "03"); /* ranks 7 and 8 */
    cr_assert_str_eq(taken(0, 0), "");
}

Test(gpus, are_described_in_a_record)
{
    struct record *r;
    cr_assert_eq(record_open(&r), ST_OK);
    gpus_add(&nvml, &device[0], r);
    gpus_add(&nvml, &device[1], r);
    cr_assert_eq(r->env.gpus.n, 2);
    const struct record_gpu *g = r->env.gpus.v;
    cr_assert_str_eq(g[0].name, "NVIDIA H200");
    cr_assert_str_eq(g[0].uuid, "GPU-0000-abcd");
    cr_assert_str_eq(g[0].driver, "580.65.06");
    cr_assert_str_eq(g[0].pcie, "0000:19:00.0, generation 5, 16 lanes");
    cr_assert_str_eq(g[0].nvlink, "17 links, version 4");
    cr_assert_str_eq(g[1].pcie, "0000:1a:00.0, generation 5, 16 lanes");
    cr_assert_null(g[1].nvlink);
    cr_assert_eq(g[1].memory_bytes, 100);
    record_close(r);
}

/* A library of long ago. */
Test(gpus, are_described_by_what_there_is)
{
    struct record *r;
    const struct nvml old = {.count = count, .by_index = by_index, .uuid = uuid, .memory = memory};
    cr_assert_eq(record_open(&r), ST_OK);
    gpus_add(&old, &device[2], r);
    cr_assert_str_eq(r->env.gpus.v[0].name, "unknown GPU");
    cr_assert_str_eq(r->env.gpus.v[0].uuid, "GPU-2222-abcd");
    cr_assert_null(r->env.gpus.v[0].pcie);
    cr_assert_null(r->env.gpus.v[0].nvlink);
    record_close(r);
}

/* Whatever this machine has, the questions agree. */
Test(gpus, of_this_machine_are_consistent)
{
    uint64_t bytes;
    int n = gpus_count();
    cr_assert_geq(n, 0);
    cr_assert_not(gpus_available(n, &bytes));
    cr_assert_not(gpus_available(-1, &bytes));
    cr_assert_not(gpus_available_of("GPU-none", &bytes));
    if (n == 0)
        cr_assert_eq(gpus_compute(), 0);
}
