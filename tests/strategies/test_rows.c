/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parallel decoding, what the table of hybrids does not ask: decoders of other shapes, rows cut
 * unevenly down to one a rank, chunks of any size, bytes against sums written out by hand, ranks
 * that leave in the middle, and refusals.
 */
#include "tests/support/book.h"
#include "tests/support/near.h"
#include "tests/support/threads.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct cell_setup tiny(int columns, int rows, int requests)
{
    struct cell_setup setup = cell_setup_of("vae-tiny");
    setup.width = 4 * columns;
    setup.height = 4 * rows;
    setup.requests = requests;
    return setup;
}

/* The smallest decoder there is: one level, no attention, no post-quant convolution; 9 x 7. */
static struct cell_setup small(void)
{
    struct cell_setup setup = cell_setup_of("vae-tiny");
    setup.decoder = (struct vae_config){.name = "vae-small",
                                        .latent_channels = 3,
                                        .out_channels = 2,
                                        .levels = 1,
                                        .width = {8},
                                        .resnets = 1,
                                        .groups = 4,
                                        .scaling = 0.7,
                                        .shift = -0.2,
                                        .default_size = 8};
    setup.width = 9;
    setup.height = 7;
    return setup;
}

/* ---- equal to the serial run ---- */

static void check(struct book *book, const char *spec, double tolerance)
{
    const struct cell_result *want = book_get(book, "serial");
    const char *model = cell_model(&book->setup);
    struct cell_result got;
    cr_assert_eq(cell_run(&book->setup, spec, 2, &got), ST_OK, "%s %s: %s", model, spec,
                 status_text());
    cr_expect(near_floats(spec, got.latent, want->latent, (int64_t)want->count, tolerance),
              "%s %s of %dx%d", model, spec, book->setup.width, book->setup.height);
    cr_expect(got.bytes_match && got.memory_match, "%s %s: %s", model, spec, got.mismatch);
    cell_release(&got);
}

/* Chunks of one row, of few, of a number that nothing divides by, and of more than there are. */
static void check_chunks(const struct cell_setup *setup, const char *axes)
{
    static const char *const chunks[] = {"",         ":chunk=1",  ":chunk=2",
                                         ":chunk=3", ":chunk=11", ":chunk=1000"};
    char spec[SPEC_TEXT];
    struct book *book = book_open(setup, NULL);
    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
        snprintf(spec, sizeof spec, "%s%s", axes, chunks[i]);
        check(book, spec, 1e-5);
    }
    book_close(book);
}

static void check_shape(struct cell_setup setup)
{
    check_chunks(&setup, "rows=1");
    check_chunks(&setup, "rows=2");
    check_chunks(&setup, "rows=3");
    check_chunks(&setup, "data=2,rows=2");
}

Test(rows, chunks_and_degrees)
{
    struct cell_setup setup = tiny(7, 9, 1); /* 9 rows: 5 and 4; 3; 3, 2, 2, 2; 2 and seven of 1 */
    check_chunks(&setup, "rows=2");
    check_chunks(&setup, "rows=3");
    check_chunks(&setup, "rows=4");
    check_chunks(&setup, "rows=8");
}

Test(rows, of_several_images)
{
    struct cell_setup setup = tiny(5, 6, 3); /* data=2 has 2 and 1 of them */
    check_chunks(&setup, "rows=4");
    check_chunks(&setup, "data=2,rows=2");
    check_chunks(&setup, "data=3,rows=2");
    check_chunks(&setup, "data=2,rows=4");
}

/* Both neighbours get the same row. */
Test(rows, one_for_each_rank)
{
    struct cell_setup setup = tiny(6, 8, 1);
    check_chunks(&setup, "rows=8");
    setup = tiny(1, 3, 2);
    check_chunks(&setup, "rows=3");
    setup = tiny(3, 2, 2);
    check_chunks(&setup, "data=2,rows=2");
}

Test(rows, without_attention_or_post_quant)
{
    struct cell_setup setup = tiny(5, 7, 2);
    setup.decoder.attention = false;
    check_shape(setup);
    setup.decoder.post_quant = false;
    check_shape(setup);
    setup.decoder.attention = true;
    check_shape(setup);
}

Test(rows, of_one_level)
{
    struct cell_setup setup = small();
    check_shape(setup);
    setup.decoder.attention = true;
    check_shape(setup);
}

/* Wider towards the picture, so that shortcuts grow; four levels; a group for each channel. */
Test(rows, of_many_levels)
{
    struct cell_setup setup = tiny(3, 5, 2);
    setup.decoder.levels = 4;
    memcpy(setup.decoder.width, (int[]){8, 24, 16, 8}, 4 * sizeof(int));
    setup.decoder.resnets = 3;
    setup.width = 8 * 3;
    setup.height = 8 * 5;
    check_shape(setup);
}

/* ---- any decoder ---- */

static int pick(uint64_t *state, int n)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (int)(*state >> 33) % n;
}

/* Widths that the groups divide, more or less from level to level. */
static struct cell_setup draw(uint64_t *state)
{
    struct cell_setup setup = cell_setup_of("vae-tiny");
    struct vae_config *c = &setup.decoder;
    snprintf(c->name, sizeof c->name, "vae-drawn-%d", pick(state, 1000));
    c->groups = 1 + pick(state, 4);
    c->levels = 1 + pick(state, 3);
    for (int l = 0; l < c->levels; l++)
        c->width[l] = c->groups * (1 + pick(state, 6));
    c->resnets = 1 + pick(state, 3);
    c->latent_channels = 1 + pick(state, 5);
    c->out_channels = 1 + pick(state, 4);
    c->post_quant = pick(state, 2);
    c->attention = pick(state, 2);
    setup.requests = 1 + pick(state, 3);
    setup.width = vae_config_scale(c) * (1 + pick(state, 9));
    setup.height = vae_config_scale(c) * (1 + pick(state, 9));
    return setup;
}

Test(rows, of_any_decoder)
{
    for (uint64_t seed = 1; seed <= (hybrid_all() ? 1000 : 60); seed++) {
        uint64_t state = seed;
        struct cell_setup setup = draw(&state);
        char spec[SPEC_TEXT];
        int rows = setup.height / vae_config_scale(&setup.decoder);
        snprintf(spec, sizeof spec, "data=%d,rows=%d:chunk=%d", 1 + pick(&state, setup.requests),
                 1 + pick(&state, rows < 6 ? rows : 6), 1 + pick(&state, 12));
        struct book *book = book_open(&setup, NULL);
        check(book, spec, 1e-5);
        book_close(book);
    }
}

/* ---- bytes, by hand ---- */

/* What a rank sends in a loop. */
struct sent {
    uint64_t calls, api, wire;
};

static struct plan *plan_of(const struct cell_setup *setup, const char *text, int rank)
{
    struct problem problem = cell_problem(setup);
    struct spec spec;
    struct plan *plan;
    cr_assert_eq(spec_parse(text, &spec), ST_OK, "%s", status_text());
    cr_assert_eq(plan_build(&problem, &spec, cell_ranks(setup, text), rank, &plan), ST_OK, "%s",
                 status_text());
    return plan;
}

static void expect_line(const struct plan *plan, const char *axis, enum comm_op op,
                        enum comm_when when, struct sent want)
{
    struct volume formula;
    struct volume_line like = {.op = op, .when = when};
    static const struct volume_line none;
    while (strcmp(plan->mesh.name[like.axis], axis) != 0)
        like.axis++;
    cr_assert_eq(volume_predict_loop(plan, &formula), ST_OK);
    const struct volume_line *line = volume_find(&formula, &like);
    line = line ? line : &none;
    cr_expect(line->calls == want.calls && line->api_bytes == want.api &&
                  line->wire_bytes == want.wire,
              "rank %d %s %s: %lu calls %lu api %lu wire, by hand %lu %lu %lu", plan->rank, axis,
              comm_op_name(op), (unsigned long)line->calls, (unsigned long)line->api_bytes,
              (unsigned long)line->wire_bytes, (unsigned long)want.calls, (unsigned long)want.api,
              (unsigned long)want.wire);
}

/* Channels of every convolution of vae-tiny's input, level by level: stem 4, the middle's four and
 * level 0's four of 48, its enlargement 48; 48 -> 40, 40 -> 40 and 40; 40 -> 24, 24 -> 24 and the
 * head's 24. */
enum {
    LEVEL0 = 4 + 4 * 48 + 4 * 48 + 48,
    LEVEL1 = (48 + 40) + (40 + 40) + 40,
    LEVEL2 = (40 + 24) + (24 + 24) + 24,
    CONVOLUTIONS = 10 + 5 + 5,
    NORMS = 4 + 1 + 4 + 4 + 4 + 1,
    SUMS = 2 * NORMS, /* of elements, then of squared distances */
    GROUPS = 8
};

static uint64_t halo_of(int columns, int neighbours, int element)
{
    return (uint64_t)neighbours * (uint64_t)element *
           (uint64_t)(columns * LEVEL0 + 2 * columns * LEVEL1 + 4 * columns * LEVEL2);
}

/* 10 columns and 11 rows on three ranks: 4, 4 and 3 rows; 2 images; fp32. */
Test(rows, bytes_of_three_ranks)
{
    const int rows[3] = {4, 4, 3};
    const int neighbours[3] = {1, 2, 1};
    /* a ring all-reduce of 8 numbers in parts of 3, 3 and 2: every part is sent twice but that
     * which a rank has at the end of the reduction and that which it is given last */
    const uint64_t ring[3] = {16 - 3 - 3, 16 - 3 - 2, 16 - 2 - 3};
    struct cell_setup setup = tiny(10, 11, 2);
    for (int r = 0; r < 3; r++) {
        struct plan *plan = plan_of(&setup, "rows=3:chunk=2", r);
        uint64_t halo = 2 * halo_of(10, neighbours[r], 4);
        uint64_t keys = 2 * 2 * (uint64_t)(rows[r] * 10 * 48) * 4;
        uint64_t pixels = 2 * (uint64_t)(rows[r] * 4 * 10 * 4 * 3) * 4;
        expect_line(plan, "rows", COMM_SEND, COMM_STEP,
                    (struct sent){(uint64_t)(2 * CONVOLUTIONS * neighbours[r]), halo, halo});
        expect_line(plan, "rows", COMM_ALL_REDUCE, COMM_STEP,
                    (struct sent){2 * SUMS, 2 * SUMS * GROUPS * 4, 2 * SUMS * 4 * ring[r]});
        expect_line(plan, "rows", COMM_ALL_GATHER, COMM_STEP, (struct sent){4, keys, 2 * keys});
        expect_line(plan, "rows", COMM_ALL_GATHER, COMM_ONCE, (struct sent){1, pixels, 2 * pixels});
        plan_close(plan);
    }
}

/* Half the bytes of rows and keys; sums and the picture stay fp32. */
Test(rows, bytes_of_half_precision)
{
    struct cell_setup setup = tiny(6, 4, 1);
    setup.dtype = DTYPE_BF16;
    struct plan *plan = plan_of(&setup, "rows=2", 1);
    uint64_t halo = halo_of(6, 1, 2);
    uint64_t keys = 2 * (uint64_t)(2 * 6 * 48) * 2;
    uint64_t pixels = (uint64_t)(8 * 24 * 3) * 4;
    expect_line(plan, "rows", COMM_SEND, COMM_STEP, (struct sent){CONVOLUTIONS, halo, halo});
    expect_line(plan, "rows", COMM_ALL_REDUCE, COMM_STEP,
                (struct sent){SUMS, SUMS * GROUPS * 4, SUMS * GROUPS * 4});
    expect_line(plan, "rows", COMM_ALL_GATHER, COMM_STEP, (struct sent){2, keys, keys});
    expect_line(plan, "rows", COMM_ALL_GATHER, COMM_ONCE, (struct sent){1, pixels, pixels});
    plan_close(plan);
}

/* 3 images on two ranks, 2 and 1; the rows of each on two: what an axis of requests changes is how
 * many images there are, and its gather of them whole. */
Test(rows, bytes_beside_data)
{
    struct cell_setup setup = tiny(6, 4, 3);
    for (int r = 0; r < 4; r++) {
        struct plan *plan = plan_of(&setup, "data=2,rows=2", r);
        uint64_t images = r < 2 ? 2 : 1;
        uint64_t halo = images * halo_of(6, 1, 4);
        uint64_t keys = images * 2 * (uint64_t)(2 * 6 * 48) * 4;
        uint64_t pixels = images * (uint64_t)(8 * 24 * 3) * 4;
        expect_line(plan, "rows", COMM_SEND, COMM_STEP,
                    (struct sent){images * CONVOLUTIONS, halo, halo});
        expect_line(plan, "rows", COMM_ALL_GATHER, COMM_STEP,
                    (struct sent){images * 2, keys, keys});
        expect_line(plan, "rows", COMM_ALL_GATHER, COMM_ONCE, (struct sent){1, pixels, pixels});
        expect_line(plan, "data", COMM_ALL_GATHER, COMM_ONCE,
                    (struct sent){1, 2 * pixels, 2 * pixels});
        plan_close(plan);
    }
}

/* No keys; 3 + 4 x 8 + 2 x 8 + 8 channels of 8 convolutions over 9 columns, 7 norms
 * of 4 groups, two sums each. */
Test(rows, bytes_without_attention)
{
    struct cell_setup setup = small();
    struct plan *plan = plan_of(&setup, "rows=2", 0);
    setup.requests = 1;
    uint64_t halo = 2 * 9 * (3 + 4 * 8 + 2 * 8 + 8) * 4;
    uint64_t pixels = 2 * (uint64_t)(4 * 9 * 2) * 4;
    expect_line(plan, "rows", COMM_SEND, COMM_STEP, (struct sent){2 * 8, halo, halo});
    expect_line(plan, "rows", COMM_ALL_REDUCE, COMM_STEP,
                (struct sent){2 * 14, 2 * 14 * 4 * 4, 2 * 14 * 4 * 4});
    expect_line(plan, "rows", COMM_ALL_GATHER, COMM_STEP, (struct sent){0, 0, 0});
    expect_line(plan, "rows", COMM_ALL_GATHER, COMM_ONCE, (struct sent){1, pixels, pixels});
    plan_close(plan);
}

/* ---- in the middle ---- */

/* A strategy of the test's own, outermost at the attention: one rank does not come back from it. */
static enum status leaver_plan(struct strategy *me, struct plan *plan)
{
    return plan_claim(plan, &plan->attend[ATTN_RESHARD], "leaver", me);
}

static enum status leaver_attend(struct strategy *me, const struct attn_call *call)
{
    if (run_plan(me->run)->rank == 1)
        return fail(ST_IO, "rank 1 has enough");
    return attn_inner(me, call);
}

static const struct strategy_ops leaver = {
    .name = "leaver", .plan = leaver_plan, .attend = leaver_attend};

struct leaving {
    struct cell_setup setup;
    const char *spec;
    enum status status[THREADS_MAX];
};

static enum status run_and_leave(struct thread_rank *self)
{
    struct leaving *l = self->arg;
    struct cell_result result = {.latent = calloc(cell_count(&l->setup), sizeof(float))};
    l->status[self->rank] = cell_run_rank(&l->setup, l->spec, self->world, self->dev, 1, &result);
    cell_release(&result);
    return ST_OK;
}

static void leave(const char *spec)
{
    /* an option given, or degree 1 would be dropped */
    const struct spec_item own = {.ops = &leaver, .degree = 1, .option = {{.n = 1}}};
    struct leaving l = {.setup = tiny(4, 6, 2), .spec = spec};
    int ranks = cell_ranks(&l.setup, spec);
    l.setup.own = &own;
    threads_run_within(ranks, 20, run_and_leave, &l, NULL);
    for (int r = 0; r < ranks; r++)
        cr_expect_eq(l.status[r], r == 1 ? ST_IO : ST_COMM, "%s: rank %d says %s", spec, r,
                     status_name(l.status[r]));
}

Test(rows, a_rank_that_leaves_takes_its_peers_along)
{
    leave("rows=2");
    leave("rows=3:chunk=1");
    leave("rows=4");
    leave("data=2,rows=2");
}

/* ---- refusals ---- */

static void refused(struct cell_setup setup, const char *text, enum status want,
                    const char *const *words)
{
    struct problem problem = cell_problem(&setup);
    struct spec spec;
    struct plan *plan;
    cr_assert_eq(spec_parse(text, &spec), ST_OK, "%s", status_text());
    for (int rank = 0; rank < 2; rank++) {
        cr_expect_eq(plan_build(&problem, &spec, spec_ranks(&spec), rank, &plan), want, "%s", text);
        cr_expect_null(plan);
        for (int i = 0; words[i]; i++)
            cr_expect(strstr(status_message(), words[i]), "%s: no \"%s\" in: %s", text, words[i],
                      status_message());
    }
}
#define REFUSED(setup, text, status, ...)                                                          \
    refused(setup, text, status, (const char *const[]){__VA_ARGS__, NULL})

Test(rows, refusals_say_what_is_legal)
{
    struct cell_setup setup = tiny(4, 6, 1);
    struct cell_setup other = setup;
    REFUSED(setup, "rows=7", ST_UNSUPPORTED, "rows=7", "16x24 pixels have 6", "1 to 6");
    REFUSED(setup, "ulysses=2", ST_UNSUPPORTED, "ulysses splits a transformer",
            "vae-tiny is a decoder", "legal: data, rows");
    REFUSED(setup, "usp=2", ST_UNSUPPORTED, "usp splits a transformer");
    REFUSED(setup, "rows=2,tensor=2", ST_UNSUPPORTED, "tensor splits a transformer");
    REFUSED(setup, "cfg=2", ST_UNSUPPORTED, "cfg splits a transformer");
    REFUSED(setup, "data=2,rows=2", ST_UNSUPPORTED, "data=2");
    REFUSED(cell_setup_of("pixart-tiny"), "rows=2", ST_UNSUPPORTED, "rows splits a decoder",
            "pixart-tiny is a transformer", "ulysses");
    REFUSED(cell_setup_of("dit-tiny"), "rows=1:chunk=2", ST_UNSUPPORTED, "rows splits a decoder");
    other.steps = 2;
    REFUSED(other, "rows=2", ST_INVALID, "steps: 2", "vae-tiny is no loop", "1 is legal");
    other = setup;
    other.frames = 4;
    REFUSED(other, "rows=2", ST_INVALID, "--frames 4", "single images");
    other = small();
    other.width = other.height = 65536; /* one level: 2^32 tokens */
    REFUSED(other, "rows=2", ST_INVALID, "4294967296 tokens", "2147483647");
    other = setup;
    other.height = 26;
    REFUSED(other, "rows=2", ST_INVALID, "height: 26", "24 and 28");
}

static enum status parsed(const char *text)
{
    struct spec spec;
    return spec_parse(text, &spec);
}

Test(rows, options_are_checked)
{
    cr_expect_eq(parsed("rows=2:chunk=0"), ST_INVALID);
    cr_expect_eq(parsed("rows=2:chunk=-1"), ST_INVALID);
    cr_expect_eq(parsed("rows=2:patches=2"), ST_INVALID);
    cr_expect_eq(parsed("rows=2,rows=2"), ST_INVALID);
    cr_expect_eq(parsed("rows=1:chunk=256"), ST_OK);
}

static enum status asked(double guidance, const struct safetensors *text)
{
    struct cell_setup setup = tiny(4, 6, 1);
    struct problem problem = cell_problem(&setup);
    return kind_decoder.ask(&problem, &guidance, text);
}

Test(rows, a_decoder_is_told_no_guidance)
{
    cr_expect_eq(asked(3, NULL), ST_INVALID);
    cr_expect(strstr(status_message(), "--guidance 3") && strstr(status_message(), "vae-tiny"),
              "%s", status_message());
    cr_expect_eq(asked(0, NULL), ST_OK);
    cr_expect_eq(asked((double)NAN, NULL), ST_OK);
}
