/* SPDX-License-Identifier: Apache-2.0 */
/* Ways between GPUs over a library that is made up here: two by links of their own, two by a
 * switch, the rest by PCIe. */
#include "harness/host/interconnect.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { GPUS = 6, LINKS = 4 };

struct nvml_device {
    int index;
};

static struct nvml_device device[GPUS] = {{0}, {1}, {2}, {3}, {4}, {5}};
static struct nvml_device *const all[GPUS] = {&device[0], &device[1], &device[2],
                                              &device[3], &device[4], &device[5]};

static int pci(struct nvml_device *d, struct nvml_pci *out)
{
    *out = (struct nvml_pci){.domain = 0, .bus = 0x10u + (unsigned)d->index, .device = 0};
    return 0;
}

/* GPUs 0 to 3 have four links, one of them off; 4 and 5 have none. */
static int link_state(struct nvml_device *d, unsigned link, int *active)
{
    *active = link != 2;
    return d->index < 4 && link < LINKS ? 0 : 2;
}

static int link_type(struct nvml_device *d, unsigned link, int *type)
{
    (void)link;
    *type = d->index < 2 ? NVML_REMOTE_GPU : NVML_REMOTE_SWITCH;
    return 0;
}

/* 0 and 1 lead to each other; behind a switch NVML names the switch. */
static int link_remote(struct nvml_device *d, unsigned link, struct nvml_pci *out)
{
    *out = (struct nvml_pci){.domain = 0, .bus = d->index < 2 ? 0x11u - (unsigned)d->index : 0xc0u};
    out->device = d->index < 2 ? 0 : link;
    return 0;
}

/* 4 and 5 are below one bridge; the others are on another socket. */
static int ancestor(struct nvml_device *a, struct nvml_device *b, int *level)
{
    *level = a->index >= 4 && b->index >= 4 ? 10 : 50;
    return 0;
}

static int p2p(struct nvml_device *a, struct nvml_device *b, int what, int *answer)
{
    if (a->index == 5 || b->index == 5)
        return 3;
    *answer = a->index / 4 == b->index / 4 ? 0 : what == NVML_P2P_WRITE ? 3 : 0;
    return 0;
}

static int compute(struct nvml_device *d, int *major, int *minor)
{
    *major = d->index == 4 ? 8 : 9;
    *minor = 0;
    return 0;
}

static const struct nvml nvml = {
    .pci = pci,
    .compute = compute,
    .nvlink_state = link_state,
    .nvlink_remote_type = link_type,
    .nvlink_remote = link_remote,
    .ancestor = ancestor,
    .p2p = p2p,
};

static void are(const struct record_texts *got, int n, const char *const *want)
{
    cr_assert_eq(got->n, n);
    for (int i = 0; i < n; i++)
        cr_assert_str_eq(got->v[i], want[i], "GPU %d", i);
}

Test(interconnect, is_named_as_nvidia_smi_does)
{
    struct record *r;
    const char *const ways[] = {"X NV3 SYS SYS SYS SYS", "NV3 X SYS SYS SYS SYS",
                                "SYS SYS X NV3 SYS SYS", "SYS SYS NV3 X SYS SYS",
                                "SYS SYS SYS SYS X PIX", "SYS SYS SYS SYS PIX X"};
    const char *const peers[] = {"X OK OK OK TNS U", "OK X OK OK TNS U",    "OK OK X OK TNS U",
                                 "OK OK OK X TNS U", "TNS TNS TNS TNS X U", "U U U U U X"};
    cr_assert_eq(record_open(&r), ST_OK);
    interconnect_add(&nvml, GPUS, all, r);
    are(&r->env.interconnect, GPUS, ways);
    are(&r->env.p2p, GPUS, peers);
    interconnect_add(&nvml, 1, all, r);
    are(&r->env.interconnect, 1, (const char *const[]){"X"});
    record_close(r);
}

/* A library that counts links and does not say where they lead. */
Test(interconnect, links_of_unknown_ends_are_a_switchs_where_gpus_talk_over_them)
{
    struct record *r;
    struct nvml mute = {.nvlink_state = link_state, .p2p = p2p};
    cr_assert_eq(record_open(&r), ST_OK);
    interconnect_add(&mute, 2, all + 2, r);
    are(&r->env.interconnect, 2, (const char *const[]){"X NV3", "NV3 X"});
    mute.p2p = NULL;
    interconnect_add(&mute, 2, all + 2, r);
    are(&r->env.interconnect, 2, (const char *const[]){"X ?", "? X"});
    are(&r->env.p2p, 2, (const char *const[]){"X U", "U X"});
    record_close(r);
}

Test(interconnect, multicast_wants_switches_and_new_gpus)
{
    struct nvml mute = {.nvlink_state = link_state, .compute = compute};
    struct record_nvls n = interconnect_nvls(&nvml, 2, all + 2, "0");
    cr_assert(n.enabled == RECORD_NO && n.supported == RECORD_YES);
    n = interconnect_nvls(&nvml, 2, all, "1"); /* without a switch */
    cr_assert(n.enabled == RECORD_YES && n.supported == RECORD_NO);
    n = interconnect_nvls(&nvml, 3, all + 2, "2"); /* one is of compute capability 8.0 */
    cr_assert(n.enabled == RECORD_UNKNOWN && n.supported == RECORD_NO);
    n = interconnect_nvls(&mute, 2, all + 2, NULL);
    cr_assert(n.enabled == RECORD_UNKNOWN && n.supported == RECORD_UNKNOWN);
    n = interconnect_nvls(NULL, 0, NULL, "0"); /* no GPU */
    cr_assert(n.enabled == RECORD_NO && n.supported == RECORD_UNKNOWN);
}
