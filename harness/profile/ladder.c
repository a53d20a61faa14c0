/* SPDX-License-Identifier: Apache-2.0 */
/* The ladders. Small shapes first: clocks and temperature settle before the large ones. */
#include "harness/profile/ladder.h"

#include <stdio.h>

/* Sizes of PixArt (1152), SD3 and SD3.5 (1536, 2432), FLUX (3072), Latte's rows; at the end what
 * libraries are quoted by. */
static const struct ladder_rung gpu[] = {
    {LADDER_COPY, true, 1, 8192, 0, 4608},           {LADDER_COPY, false, 1, 8192, 0, 1152},
    {LADDER_COPY, false, 1, 32768, 0, 4608},         {LADDER_GATE_ADD_NORM, true, 2, 4096, 0, 1152},
    {LADDER_GATE_ADD_NORM, false, 2, 4096, 0, 2432}, {LADDER_GATE_ADD_NORM, true, 1, 4608, 0, 3072},
    {LADDER_LINEAR, true, 1, 256, 1152, 1152},       {LADDER_LINEAR, false, 1, 1024, 1152, 1152},
    {LADDER_LINEAR, true, 1, 2048, 1152, 3456},      {LADDER_LINEAR, false, 1, 4096, 1152, 4608},
    {LADDER_LINEAR, false, 1, 8192, 1152, 1152},     {LADDER_LINEAR, true, 1, 8192, 1152, 4608},
    {LADDER_LINEAR, false, 1, 8192, 4608, 1152},     {LADDER_LINEAR, false, 1, 8192, 1536, 6144},
    {LADDER_LINEAR, true, 1, 8192, 2432, 9728},      {LADDER_LINEAR, false, 1, 8192, 9728, 2432},
    {LADDER_LINEAR, false, 1, 32768, 1152, 4608},    {LADDER_LINEAR, true, 1, 4608, 3072, 12288},
    {LADDER_LINEAR, false, 1, 4608, 12288, 3072},    {LADDER_LINEAR, false, 1, 4608, 3072, 21504},
    {LADDER_LINEAR, true, 1, 8192, 8192, 8192},      {LADDER_ATTENTION, true, 2, 4096, 24, 64},
    {LADDER_ATTENTION, true, 2, 4096, 16, 72},       {LADDER_ATTENTION, true, 2, 4096, 16, 88},
    {LADDER_ATTENTION, true, 2, 4096, 24, 128},      {LADDER_ATTENTION, false, 1, 16384, 16, 64},
    {LADDER_ATTENTION, false, 1, 16384, 16, 72},     {LADDER_ATTENTION, false, 1, 16384, 16, 88},
    {LADDER_ATTENTION, false, 1, 16384, 16, 128},
};

static const struct ladder_rung host[] = {
    {LADDER_COPY, true, 1, 1024, 0, 4096},          {LADDER_COPY, false, 1, 1024, 0, 1152},
    {LADDER_GATE_ADD_NORM, true, 1, 1024, 0, 1152}, {LADDER_GATE_ADD_NORM, false, 2, 256, 0, 1152},
    {LADDER_LINEAR, true, 1, 64, 96, 384},          {LADDER_LINEAR, true, 1, 256, 384, 1536},
    {LADDER_LINEAR, false, 1, 256, 1152, 1152},     {LADDER_LINEAR, true, 1, 512, 1152, 1152},
    {LADDER_LINEAR, false, 1, 512, 1152, 4608},     {LADDER_LINEAR, false, 1, 1024, 4608, 1152},
    {LADDER_ATTENTION, true, 1, 256, 4, 64},        {LADDER_ATTENTION, true, 1, 256, 4, 72},
    {LADDER_ATTENTION, true, 1, 256, 4, 88},        {LADDER_ATTENTION, true, 1, 256, 4, 128},
    {LADDER_ATTENTION, false, 1, 1024, 4, 64},      {LADDER_ATTENTION, false, 1, 1024, 4, 72},
    {LADDER_ATTENTION, false, 1, 1024, 4, 88},      {LADDER_ATTENTION, false, 1, 1024, 4, 128},
};

const struct ladder_rung *ladder_at(bool on_host, bool brief, int index)
{
    const struct ladder_rung *rung = on_host ? host : gpu;
    const struct ladder_rung *end = rung + (on_host ? sizeof host : sizeof gpu) / sizeof *rung;
    for (; rung < end; rung++)
        if ((rung->brief || !brief) && index-- == 0)
            return rung;
    return NULL;
}

const char *ladder_name(enum ladder_op op)
{
    static const char *const names[LADDER_OPS] = {"linear", "attention", "copy", "gate_add_norm"};
    return names[op];
}

void ladder_describe(const struct ladder_rung *rung, struct ceilings_rate *out)
{
    bool attention = rung->op == LADDER_ATTENTION;
    out->kind = ceilings_kind_of(ladder_name(rung->op));
    out->head = attention ? rung->out : 0;
    snprintf(out->name, sizeof out->name, "%s", ladder_name(rung->op));
    if (rung->op == LADDER_LINEAR)
        snprintf(out->shape, sizeof out->shape, "%dx%dx%d", rung->lanes * rung->rows, rung->in,
                 rung->out);
    else if (attention)
        snprintf(out->shape, sizeof out->shape, "%dx%d, %dx%d", rung->lanes, rung->rows, rung->in,
                 rung->out);
    else
        snprintf(out->shape, sizeof out->shape, "%dx%dx%d", rung->lanes, rung->rows, rung->out);
}
