/* SPDX-License-Identifier: Apache-2.0 */
/* Counts NVLinks from GPU to GPU and to switches, and asks for the rest. */
#include "harness/host/interconnect.h"

#include "harness/host/gpus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD = 16, SHARP = 9 /* major compute capability of the first GPUs with multicast */ };

/* ---- NVLinks ---- */

/* Where the links of a GPU lead. */
struct links {
    int direct; /* to the GPU that is asked about */
    int switches;
    int unknown; /* active, and nothing says where they lead */
};

static bool same_place(const struct nvml_pci *a, const struct nvml_pci *b)
{
    return a->domain == b->domain && a->bus == b->bus && a->device == b->device;
}

/* `to`: NULL: to no GPU in particular. */
static struct links count_links(const struct nvml *nvml, struct nvml_device *from,
                                struct nvml_device *to)
{
    struct links n = {0, 0, 0};
    struct nvml_pci place;
    bool placed = to && nvml->pci && nvml->pci(to, &place) == 0;
    for (unsigned i = 0; i < NVML_LINKS && nvml->nvlink_state; i++) {
        int active, type;
        struct nvml_pci remote;
        if (nvml->nvlink_state(from, i, &active) != 0 || !active)
            continue;
        bool typed = nvml->nvlink_remote_type && nvml->nvlink_remote_type(from, i, &type) == 0;
        bool told = nvml->nvlink_remote && nvml->nvlink_remote(from, i, &remote) == 0;
        if (typed && type == NVML_REMOTE_SWITCH)
            n.switches++;
        else if (placed && told && same_place(&remote, &place))
            n.direct++;
        else if (!typed || type != NVML_REMOTE_GPU)
            n.unknown++;
    }
    return n;
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

static bool may(const struct nvml *nvml, struct nvml_device *a, struct nvml_device *b, int what)
{
    int answer;
    return nvml->p2p && nvml->p2p(a, b, what, &answer) == 0 && answer == 0;
}

/* Links that lead nobody knows where lead to a switch when the two GPUs can talk over NVLink. */
static int links_between(const struct nvml *nvml, struct nvml_device *a, struct nvml_device *b)
{
    struct links from = count_links(nvml, a, b);
    struct links back = count_links(nvml, b, a);
    int n = from.direct + smaller(from.switches, back.switches);
    if (n == 0 && may(nvml, a, b, NVML_P2P_NVLINK))
        n = smaller(from.unknown, back.unknown);
    return n;
}

/* ---- words ---- */

static const char *way_word(int level)
{
    static const struct {
        int level;
        const char *word;
    } ways[] = {{0, "PIX"}, {10, "PIX"}, {20, "PXB"}, {30, "PHB"}, {40, "NODE"}, {50, "SYS"}};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        if (ways[i].level == level)
            return ways[i].word;
    return "?";
}

static void way(const struct nvml *nvml, struct nvml_device *a, struct nvml_device *b,
                char word[WORD])
{
    int level = -1;
    int links = links_between(nvml, a, b);
    if (links > 0)
        snprintf(word, WORD, "NV%d", links);
    else if (nvml->ancestor && nvml->ancestor(a, b, &level) == 0)
        snprintf(word, WORD, "%s", way_word(level));
    else
        snprintf(word, WORD, "?");
}

/* NVML's answers from 0; the first that is no. */
static void peer(const struct nvml *nvml, struct nvml_device *a, struct nvml_device *b,
                 char word[WORD])
{
    static const char *const words[] = {"OK", "CNS", "GNS", "TNS", "DR", "NS", "U"};
    int answer = 6;
    for (int what = NVML_P2P_READ; what <= NVML_P2P_WRITE; what++) {
        if (!nvml->p2p || nvml->p2p(a, b, what, &answer) != 0 || answer < 0 || answer > 6)
            answer = 6;
        if (answer != 0)
            break;
    }
    snprintf(word, WORD, "%s", words[answer]);
}

/* ---- the record ---- */

static void add_rows(const struct nvml *nvml, int n, struct nvml_device *const *device,
                     void (*say)(const struct nvml *, struct nvml_device *, struct nvml_device *,
                                 char *),
                     struct record *record, struct record_texts *out)
{
    *out = (struct record_texts){0};
    for (int i = 0; i < n; i++) {
        char row[GPUS_MAX * WORD] = "";
        size_t used = 0;
        for (int k = 0; k < n; k++) {
            char word[WORD] = "X";
            if (i != k)
                say(nvml, device[i], device[k], word);
            used += (size_t)snprintf(row + used, sizeof row - used, "%s%s", k ? " " : "", word);
        }
        record_add_text(record, out, row);
    }
}

void interconnect_add(const struct nvml *nvml, int n, struct nvml_device *const *device,
                      struct record *record)
{
    add_rows(nvml, n, device, way, record, &record->env.interconnect);
    add_rows(nvml, n, device, peer, record, &record->env.p2p);
}

/* Whether its links lead to switches, and it is new enough. */
static int can_multicast(const struct nvml *nvml, struct nvml_device *device)
{
    int major, minor;
    struct links links = count_links(nvml, device, NULL);
    if (!nvml->compute || nvml->compute(device, &major, &minor) != 0)
        return RECORD_UNKNOWN;
    if (major < SHARP)
        return RECORD_NO;
    if (links.switches > 0)
        return RECORD_YES;
    return links.unknown > 0 ? RECORD_UNKNOWN : RECORD_NO;
}

struct record_nvls interconnect_nvls(const struct nvml *nvml, int n,
                                     struct nvml_device *const *device, const char *setting)
{
    struct record_nvls nvls = {RECORD_UNKNOWN, n > 0 ? RECORD_YES : RECORD_UNKNOWN};
    if (setting && strcmp(setting, "0") == 0)
        nvls.enabled = RECORD_NO;
    else if (setting && strcmp(setting, "1") == 0)
        nvls.enabled = RECORD_YES; // 2, NCCL's default: where it finds that it can
    for (int i = 0; i < n && nvls.supported != RECORD_NO; i++) {
        int can = can_multicast(nvml, device[i]);
        nvls.supported = can == RECORD_YES ? nvls.supported : can;
    }
    return nvls;
}

void interconnect_fill(struct record *record)
{
    struct nvml_device *device[GPUS_MAX];
    const struct nvml *nvml = nvml_get();
    int n = gpus_of_ranks(0, GPUS_MAX, device);
    if (nvml)
        interconnect_add(nvml, n, device, record);
    record->env.nvls = interconnect_nvls(nvml, n, device, getenv("NCCL_NVLS_ENABLE"));
}
