/* SPDX-License-Identifier: Apache-2.0 */
/* `run --image` as a program: the picture is that of the latents, whatever the strategy; and what
 * is refused before anything runs. */
#include "tests/harness/checkpoint.h"
#include "tests/harness/png_pixels.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(last_image, .init = program_limit);
TestSuite(last_image_mpi, .init = program_limit);

#define QUICK "--size=64", "--steps=3", "--repeats=1", "--threads=2", "--backend=cpu"

static void shell(const char *format, const char *a, const char *b, const char *c)
{
    char command[1500];
    snprintf(command, sizeof command, format, a, b, c);
    cr_assert_eq(system(command), 0, "%s", command);
}

/* A golden transformer's folder with a golden decoder in it. */
static const char *pipeline(const char *transformer, const char *decoder)
{
    const char *copy = checkpoint_copy(transformer);
    shell("cp -r %s/tests/golden/%s %s/vae", DITBENCH_SOURCE_DIR, decoder, copy);
    return copy;
}

static struct program run(const char *model, const char *strategy, const char *image,
                          const char *output, const char *requests)
{
    return program_run("run", "--model", model, QUICK, "--strategy", strategy, "--image", image,
                       "--output", output, "--requests", requests, NULL);
}

static void are_the_same_file(const char *a, const char *b)
{
    const char *argv[] = {"cmp", a, b, NULL};
    struct program p = program_command(argv);
    cr_assert_eq(p.status, 0, "%s%s", p.out, p.err);
    program_release(&p);
}

/* Runs it, decodes what it left, and compares. names [n]: of both, "a-0" and "b-0" for a number. */
static void is_what_decode_makes(const char *model, const char *strategy, const char *requests,
                                 int n)
{
    char *latent = program_file("latent.safetensors");
    struct program p = run(model, strategy, program_file("a.png"), latent, requests);
    cr_assert_eq(p.status, 0, "%s %s: %s%s", model, strategy, p.out, p.err);
    cr_assert(strstr(p.out, n > 1 ? "images: " : "image: ") && strstr(p.out, "decoded in"), "%s",
              p.out);
    program_release(&p);
    p = program_run("decode", "--model", model, "--latent", latent, "--out", program_file("b.png"),
                    "--backend=cpu", "--threads=2", NULL);
    cr_assert_eq(p.status, 0, "%s%s", p.out, p.err);
    program_release(&p);
    for (int i = 0; i < n; i++) {
        char a[40] = "a.png", b[40] = "b.png";
        if (n > 1) {
            snprintf(a, sizeof a, "a-%d.png", i);
            snprintf(b, sizeof b, "b-%d.png", i);
        }
        are_the_same_file(program_file(a), program_file(b));
        cr_assert_eq(unlink(program_file(a)), 0);
    }
}

Test(last_image, is_what_decode_makes_of_the_latents)
{
    const char *model = pipeline("pixart-alpha", "vae-sd/vae");
    static const char *const strategies[] = {"serial", "pipefusion=2", "cfg=2", "ulysses=2"};
    for (size_t i = 0; i < sizeof strategies / sizeof strategies[0]; i++)
        is_what_decode_makes(model, strategies[i], "1", 1);
    is_what_decode_makes(model, "data=2", "3", 3);
}

Test(last_image, is_from_noise_to_pixels)
{
    const char *model = pipeline("pixart-alpha", "vae-sd/vae");
    char *image = program_file("noise.png");
    struct program p = run(model, "serial", image, program_file("l.safetensors"), "1");
    int levels = 0;
    bool seen[256] = {false};
    cr_assert_eq(p.status, 0, "%s%s", p.out, p.err);
    program_release(&p);
    struct png_pixels got = png_pixels_read(image);
    cr_assert(got.width == 64 && got.height == 64);
    for (int i = 0; i < 3 * 64 * 64; i++) {
        levels += !seen[got.level[i]];
        seen[got.level[i]] = true;
    }
    cr_assert_gt(levels, 16, "%d levels", levels);
    free(got.level);
}

Test(last_image, frames_of_a_video_one_by_one)
{
    is_what_decode_makes(pipeline("latte", "vae-sd/vae"), "ulysses=2", "2", 10);
}

/* The record's latency is as without it; its own time has a key. */
Test(last_image, has_a_clock_of_its_own)
{
    const char *model = pipeline("pixart-alpha", "vae-sd/vae");
    char *image = program_file("clock.png");
    struct program p =
        program_run("run", "--model", model, QUICK, "--image", image, "--json", NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    cr_assert_gt(atof(program_json(p.out, "decode_ms")), 0);
    cr_assert_eq(access(image, F_OK), 0);
    char *id = strdup(program_json(p.out, "id"));
    program_release(&p);
    p = program_run("run", "--model", model, QUICK, "--json", NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    cr_assert_str_eq(program_json(p.out, "decode_ms"), "null");
    cr_assert_str_eq(program_json(p.out, "id"), id, "a picture makes no other cell");
    free(id);
    program_release(&p);
}

static void refuses(const char *model, const char *reason)
{
    char *output = program_file("never.safetensors");
    struct program p = program_run("run", "--model", model, "--size=64", "--backend=cpu", "--image",
                                   program_file("never.png"), "--output", output, NULL);
    cr_assert(p.status == 2 && strstr(p.err, reason), "status %d: %s%s\n  wanted: %s", p.status,
              p.out, p.err, reason);
    cr_assert(strstr(p.err, "--image"), "%s", p.err);
    cr_assert_neq(access(output, F_OK), 0, "it ran");
    cr_assert_str_eq(p.out, "");
    program_release(&p);
}

Test(last_image, without_a_decoder_nothing_runs)
{
    refuses("pixart-tiny", "a pipeline's folder that holds transformer/ and vae/config.json");
    refuses(checkpoint_copy("pixart-alpha"), "looked for vae/config.json");
    refuses("vae-tiny", "`ditbench decode`");
    refuses(pipeline("pixart-alpha", "vae-flux/vae"), "latents of 16 channels, and these have 4");
    refuses(pipeline("pixart-alpha", "vae-wide"), "makes 4 pixels a side of one of the latent");
    const char *model = pipeline("pixart-alpha", "vae-sd/vae");
    cr_assert_eq(unlink(checkpoint_file(model, "vae/diffusion_pytorch_model.safetensors")), 0);
    refuses(model, "diffusion_pytorch_model.safetensors");
}

/* A denoising of hours ends with its picture, or does not begin. */
Test(last_image, weights_of_another_decoder_are_refused_before_anything_runs)
{
    const char *model = pipeline("pixart-alpha", "vae-sd/vae");
    shell("sed -i 's/\"layers_per_block\": [0-9]*/\"layers_per_block\": %s/' %s/vae/%s", "3", model,
          "config.json");
    refuses(model, "resnets.3.norm1.weight\" [");
}

Test(last_image, latents_and_pictures_are_two_files)
{
    const char *model = pipeline("pixart-alpha", "vae-sd/vae");
    static const char *const requests[] = {"1", "2", "1"}, *const lost[] = {"a.png", "a-1.png",
                                                                            "./a.png"};
    for (int i = 0; i < 3; i++) {
        struct program p =
            run(model, "serial", program_file("a.png"), program_file(lost[i]), requests[i]);
        cr_assert(p.status == 2 && strstr(p.err, "is where --output puts the latents"), "%d %s",
                  p.status, p.err);
        cr_assert_neq(access(program_file(lost[i]), F_OK), 0);
        program_release(&p);
    }
}

Test(last_image, names_that_cannot_be_are_refused)
{
    const char *model = pipeline("pixart-alpha", "vae-sd/vae");
    struct program p = program_run("run", "--model", model, QUICK, "--image=x.jpg", NULL);
    cr_assert(p.status == 2 && strstr(p.err, "must end in .png"), "%s", p.err);
    program_release(&p);
    p = program_run("run", "--model", model, QUICK, "--image=/no/such/folder/x.png", NULL);
    cr_assert(p.status == 2 && strstr(p.err, "/no/such/folder/x.png"), "%s", p.err);
    program_release(&p);
}

/* What the decoder makes of it is no picture: the cell is wrong, and says where. */
Test(last_image, pixels_that_are_none_make_the_cell_wrong)
{
    const char *model = pipeline("pixart-alpha", "vae-sd/vae");
    static const char *const strategies[] = {"serial", "pipefusion=2"};
    shell("sed -i 's/\"scaling_factor\": [0-9.e-]*/\"scaling_factor\": %s/' %s/vae/%s", "1e-38",
          model, "config.json");
    for (int i = 0; i < 2; i++) {
        char *image = program_file("wrong.png");
        struct program p = program_run("run", "--model", model, QUICK, "--strategy", strategies[i],
                                       "--image", image, "--json", NULL);
        cr_assert_eq(p.status, 1, "status %d: %s%s", p.status, p.out, p.err);
        cr_assert(strstr(p.err, "the first in channel 0, row 0, column 0"), "%s", p.err);
        cr_assert_str_eq(program_json(p.out, "status"), "wrong");
        cr_assert(strstr(program_json(p.out, "reason"), "wrong.png: not written"), "%s", p.out);
        cr_assert_str_eq(program_json(p.out, "decode_ms"), "null");
        cr_assert_str_eq(program_json(p.out, "check.pass"), "true");
        cr_assert_neq(access(image, F_OK), 0);
        program_release(&p);
    }
}

/* The last stage has the latents, which is not rank 0. */
Test(last_image_mpi, is_made_where_the_record_is)
{
    program_needs_mpi();
    const char *model = pipeline("pixart-alpha", "vae-sd/vae");
    const char *argv[] = {"mpirun",
                          "-n",
                          "2",
                          program_path(),
                          "run",
                          "--model",
                          model,
                          "--image",
                          program_file("mpi.png"),
                          QUICK,
                          "--strategy=pipefusion=2",
                          NULL};
    struct program p = program_command(argv);
    cr_assert(p.status == 0 && strstr(p.out, "image: "), "%d %s%s", p.status, p.out, p.err);
    program_release(&p);
    p = program_run("run", "--model", model, QUICK, "--strategy=pipefusion=2", "--transport=mpi",
                    "--image", program_file("launched.png"), NULL);
    cr_assert_eq(p.status, 0, "%d %s%s", p.status, p.out, p.err);
    program_release(&p);
    p = run(model, "pipefusion=2", program_file("threads.png"), program_file("l.safetensors"), "1");
    cr_assert_eq(p.status, 0, "%d %s%s", p.status, p.out, p.err);
    program_release(&p);
    are_the_same_file(program_file("mpi.png"), program_file("launched.png"));
    are_the_same_file(program_file("mpi.png"), program_file("threads.png"));
}

Test(last_image_mpi, a_wrong_picture_ends_all_ranks)
{
    program_needs_mpi();
    const char *model = pipeline("pixart-alpha", "vae-sd/vae");
    shell("sed -i 's/\"scaling_factor\": [0-9.e-]*/\"scaling_factor\": %s/' %s/vae/%s", "1e-38",
          model, "config.json");
    const char *argv[] = {"mpirun",
                          "-n",
                          "2",
                          program_path(),
                          "run",
                          "--model",
                          model,
                          "--image",
                          program_file("mpi.png"),
                          QUICK,
                          "--strategy=pipefusion=2",
                          NULL};
    struct program p = program_command(argv);
    cr_assert(p.status == 1 && strstr(p.err, "mpi.png: not written"), "%d %s%s", p.status, p.out,
              p.err);
    program_release(&p);
}

/* Of a folder that holds both, a strategy says which one it splits. */
Test(last_image, a_strategy_takes_the_model_that_it_splits)
{
    const char *model = pipeline("pixart-alpha", "vae-sd/vae");
    static const char *const strategy[] = {"rows=2", "ulysses=2", "serial"};
    static const char *const steps[] = {"1", "20", "20"};
    for (int i = 0; i < 3; i++) {
        struct program p = program_run("plan", "--model", model, "--strategy", strategy[i],
                                       "--size=64", "--json", NULL);
        cr_assert_eq(p.status, 0, "%s", p.err);
        cr_expect_str_eq(program_json(p.out, "steps"), steps[i], "%s: %s", strategy[i], p.out);
        program_release(&p);
    }
}

/* A name that is none is answered with those of all kinds. */
Test(last_image, names_of_all_kinds_are_told)
{
    struct program p = program_run("plan", "--model", "vae-fluks", NULL);
    cr_expect_eq(p.status, 2);
    cr_expect(strstr(p.err, "did you mean 'vae-flux'") && strstr(p.err, "pixart-tiny"), "%s",
              p.err);
    program_release(&p);
}
