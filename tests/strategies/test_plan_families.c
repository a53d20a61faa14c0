/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of the families at published sizes, from the papers' forms and each model's own blocks:
 * nothing is run. */
#include "tests/support/cells.h"

#include <criterion/criterion.h>

struct sizes {
    struct dit_config config;
    struct problem problem;
    uint64_t A, Z; /* one activation: of the image's tokens, with the text's */
};

static struct sizes sizes_of(const char *preset, int pixels, int text)
{
    struct sizes s;
    char folder[8];
    cr_assert_eq(dit_config_load(preset, &s.config, folder, sizeof folder), ST_OK, "%s",
                 status_text());
    bool guided = !s.config.distilled;
    s.problem = (struct problem){.width = pixels,
                                 .height = pixels,
                                 .frames = dit_frames(&s.config),
                                 .steps = 20,
                                 .requests = 1,
                                 .guided = guided,
                                 .text_tokens = text,
                                 .dtype = DTYPE_BF16};
    uint64_t side = (uint64_t)pixels / 16;
    uint64_t row = (uint64_t)(dit_channels(&s.config) * dit_frames(&s.config)) * 2 * (1 + guided);
    s.A = side * side * row;
    s.Z = s.A + (s.config.joint ? (uint64_t)text : 0) * row;
    return s;
}

/* What a rank sends in a step, over all axes. */
static uint64_t wire(struct sizes *s, const char *text, int rank, enum comm_when when)
{
    struct spec spec;
    struct plan *plan;
    struct volume volume;
    uint64_t sum = 0;
    s->problem.kind = &kind_transformer;
    s->problem.config = &s->config;
    cr_assert_eq(spec_parse(text, &spec), ST_OK, "%s", status_text());
    cr_assert_eq(plan_build(&s->problem, &spec, spec_ranks(&spec), rank, &plan), ST_OK, "%s: %s",
                 text, status_text());
    cr_assert_eq(volume_predict(plan, &volume), ST_OK);
    for (int i = 0; i < volume.n; i++)
        sum += volume.line[i].when == when ? volume.line[i].wire_bytes : 0;
    plan_close(plan);
    return sum;
}

/* The last block's text gives keys and values, and has neither queries nor an output. */
Test(plan_families, volumes_of_sd3)
{
    struct sizes s = sizes_of("sd3-medium", 1024, 320);
    uint64_t latent = 16ull * 128 * 128 * 2;
    uint64_t A = s.A;
    uint64_t Z = s.Z;
    cr_expect_eq(A, 4096ull * 1536 * 2 * 2);
    cr_expect_eq(wire(&s, "ulysses=8", 3, COMM_STEP), 7 * (23 * 4 * Z + 2 * Z + 2 * A) / 64);
    cr_expect_eq(wire(&s, "ring=8", 3, COMM_STEP), 24 * 2 * 7 * Z / 8);
    cr_expect_eq(wire(&s, "allgather=8", 3, COMM_STEP), 24 * 2 * 7 * Z / 8);
    cr_expect_eq(wire(&s, "tensor=8", 3, COMM_STEP), 2 * 7 * (23 * 2 * Z + 2 * A) / 8);
    cr_expect_eq(wire(&s, "distrifusion=8", 3, COMM_STEP), 24 * 2 * 7 * Z / 8);
    cr_expect_eq(wire(&s, "distrifusion=8", 3, COMM_WARMUP_STEP), 24 * 2 * 7 * Z / 8);
    cr_expect_eq(wire(&s, "distrifusion=8", 3, COMM_LAST_STEP), 0);
    cr_expect_eq(wire(&s, "pipefusion=8", 3, COMM_STEP), Z);
    cr_expect_eq(wire(&s, "pipefusion=8", 7, COMM_STEP), latent);
    cr_expect_eq(wire(&s, "cfg=2", 1, COMM_STEP), latent);
    cr_expect_eq(wire(&s, "cfg=2,pipefusion=4", 1, COMM_STEP), Z / 2);
    cr_expect_eq(wire(&s, "pipefusion=2:patches=4,ring=2", 0, COMM_STEP),
                 Z / 2 + 4 * 12 * 2 * Z / 2);
}

/* Thirteen blocks have a second attention, over the image alone, with one product behind it. */
Test(plan_families, volumes_of_sd35_medium)
{
    struct sizes s = sizes_of("sd3.5-medium", 1024, 320);
    uint64_t A = s.A;
    uint64_t Z = s.Z;
    cr_expect_eq(wire(&s, "ulysses=8", 3, COMM_STEP),
                 7 * (23 * 4 * Z + 2 * Z + 2 * A + 13 * 4 * A) / 64);
    cr_expect_eq(wire(&s, "ring=4", 3, COMM_STEP), 2 * 3 * (24 * Z + 13 * A) / 4);
    cr_expect_eq(wire(&s, "tensor=8", 3, COMM_STEP), 2 * 7 * (23 * 2 * Z + 2 * A + 13 * A) / 8);
    cr_expect_eq(wire(&s, "distrifusion=4", 3, COMM_STEP), 2 * 3 * (24 * Z + 13 * A) / 4);
    cr_expect_eq(wire(&s, "pipefusion=8", 3, COMM_STEP), Z);
}

/* One lane, text of 512 tokens; the 38 single blocks complete one sum, not two. */
Test(plan_families, volumes_of_flux)
{
    struct sizes s = sizes_of("flux.1-dev", 1024, 512);
    uint64_t Z = s.Z;
    cr_expect_eq(Z, (4096ull + 512) * 3072 * 2);
    cr_expect_eq(wire(&s, "ulysses=8", 3, COMM_STEP), 57 * 4 * 7 * Z / 64);
    cr_expect_eq(wire(&s, "ring=8", 3, COMM_STEP), 57 * 2 * 7 * Z / 8);
    cr_expect_eq(wire(&s, "tensor=8", 3, COMM_STEP), (19 * 2 + 38) * 2 * 7 * Z / 8);
    cr_expect_float_eq(wire(&s, "tensor=8", 0, COMM_STEP) / 1e6, 3765.4, 0.05);
    cr_expect_eq(wire(&s, "distrifusion=8", 3, COMM_STEP), 57 * 2 * 7 * Z / 8);
    cr_expect_eq(wire(&s, "pipefusion=8", 3, COMM_STEP), Z);
    cr_expect_eq(wire(&s, "pipefusion=8", 7, COMM_STEP), 16ull * 128 * 128 * 2);
    cr_expect_eq(wire(&s, "pipefusion=4,ulysses=2", 0, COMM_STEP), Z / 2 + 15 * 4 * Z / 4);
}

/* Cross-attention on both texts is everywhere and sends nothing. */
Test(plan_families, volumes_of_hunyuandit)
{
    struct sizes s = sizes_of("hunyuandit-v1.2", 1024, 77);
    uint64_t A = s.A;
    cr_expect_eq(wire(&s, "ulysses=8", 3, COMM_STEP), 40 * 4 * 7 * A / 64);
    cr_expect_eq(wire(&s, "ring=8", 3, COMM_STEP), 40 * 2 * 7 * A / 8);
    cr_expect_eq(wire(&s, "tensor=8", 3, COMM_STEP), 40 * 2 * 2 * 7 * A / 8);
    cr_expect_eq(wire(&s, "distrifusion=8", 3, COMM_STEP), 40 * 2 * 7 * A / 8);
}

/* All 16 frames; temporal blocks send nothing but tensor parallel's sums. */
Test(plan_families, volumes_of_latte)
{
    struct sizes s = sizes_of("latte-1", 512, 120);
    uint64_t A = s.A;
    cr_expect_eq(A, 1024ull * 16 * 1152 * 2 * 2);
    cr_expect_eq(wire(&s, "ulysses=8", 3, COMM_STEP), 28 * 4 * 7 * A / 64);
    cr_expect_eq(wire(&s, "ring=8", 3, COMM_STEP), 28 * 2 * 7 * A / 8);
    cr_expect_eq(wire(&s, "tensor=8", 3, COMM_STEP), 56 * 2 * 2 * 7 * A / 8);
    cr_expect_eq(wire(&s, "distrifusion=8", 3, COMM_STEP), 28 * 2 * 7 * A / 8);
    cr_expect_eq(wire(&s, "pipefusion=8", 3, COMM_STEP), A);
    cr_expect_eq(wire(&s, "pipefusion=8", 7, COMM_STEP), 16 * 4ull * 64 * 64 * 2);
    /* stages of one block, in turn over time and over space */
    cr_expect_eq(wire(&s, "pipefusion=56:patches=8,ring=2", 2, COMM_STEP), A / 2);
    cr_expect_eq(wire(&s, "pipefusion=56:patches=8,ring=2", 4, COMM_STEP), A / 2 + 8 * 2 * A / 2);
    s.problem.frames = 1;
    cr_expect_eq(wire(&s, "ulysses=8", 3, COMM_STEP), 28 * 4 * 7 * (A / 16) / 64);
}

/* Keys of the stages' own sites: of a second attention without text, of a temporal block none,
 * which is two empty tensors. */
static size_t store(struct sizes *s, const char *text, int rank)
{
    struct spec spec;
    struct plan *plan;
    size_t bytes[ARENA_KINDS];
    s->problem.kind = &kind_transformer;
    s->problem.config = &s->config;
    cr_assert_eq(spec_parse(text, &spec), ST_OK);
    cr_assert_eq(plan_build(&s->problem, &spec, spec_ranks(&spec), rank, &plan), ST_OK, "%s",
                 status_text());
    cr_assert_eq(plan_memory(plan, bytes), ST_OK, "%s", status_text());
    plan_close(plan);
    return bytes[ARENA_KV_STORE];
}

Test(plan_families, key_stores_are_by_site)
{
    struct sizes s = sizes_of("sd3.5-medium", 1024, 320);
    cr_expect_eq(store(&s, "pipefusion=4", 0), 2 * (6 * s.Z + 6 * s.A));
    cr_expect_eq(store(&s, "pipefusion=4", 3), 2 * 6 * s.Z);
    s = sizes_of("flux.1-dev", 1024, 512);
    cr_expect_eq(store(&s, "pipefusion=8,tensor=2", 0), 2 * 8 * s.Z / 2);
    s = sizes_of("latte-1", 512, 120);
    cr_expect_eq(store(&s, "pipefusion=8", 0), 2 * 4 * s.A); /* of seven blocks */
    cr_expect_eq(store(&s, "pipefusion=8", 1), 2 * 3 * s.A);
    cr_expect_eq(store(&s, "pipefusion=56:patches=8", 1), 2 * ARENA_ALIGN);
}
