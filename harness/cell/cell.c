/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a cell, each with its reader, and the cell's text. Knows no model. */
#include "harness/cell/cell.h"

#include "harness/base/number.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_PIXELS = 65536, MAX_COUNT = 1000000 };

void cell_init(struct cell *cell)
{
    *cell = (struct cell){
        .guidance = NAN,
        .seed = -1,
        .warmup_loops = 1,
        .repeats = 5,
        .check = true,
        .graph = true,
        .cache = true,
    };
}

/* Copies a word that must not be empty; `size` with the end. */
static enum status set_word(char *out, size_t size, const char *what, const char *value)
{
    if (value[0] == '\0')
        return fail(ST_INVALID, "%s: the value is empty", what);
    if (strlen(value) >= size)
        return fail(ST_INVALID, "%s: %zu characters; at most %zu are legal", what, strlen(value),
                    size - 1);
    strcpy(out, value);
    return ST_OK;
}

static enum status set_choice(char *out, const char *what, const char *value,
                              const char *const *legal, int n)
{
    char names[100] = "";
    for (int i = 0; i < n; i++) {
        if (strcmp(value, legal[i]) == 0)
            return set_word(out, CELL_NAME, what, value);
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", legal[i]);
    }
    return fail(ST_INVALID, "%s: found '%.60s'; legal: %s", what, value, names);
}

static enum status set_switch(bool *out, const char *what, const char *value)
{
    static const char *const words[] = {"off", "on"};
    char word[CELL_NAME];
    TRY(set_choice(word, what, value, words, 2));
    *out = strcmp(word, "on") == 0;
    return ST_OK;
}

static enum status set_model(struct cell *cell, const char *what, const char *value)
{
    return set_word(cell->model, sizeof cell->model, what, value);
}

/* "256" is a square, "256x384" width and height. */
static enum status set_size(struct cell *cell, const char *what, const char *value)
{
    char width[32];
    size_t n = strcspn(value, "x");
    snprintf(width, sizeof width, "%.*s", (int)(n < sizeof width ? n : sizeof width - 1), value);
    const char *height = value[n] == 'x' ? value + n + 1 : width;
    enum status st = number_int(what, width, 1, MAX_PIXELS, &cell->width);
    if (st == ST_OK)
        st = number_int(what, height, 1, MAX_PIXELS, &cell->height);
    if (st)
        return fail(st, "%s: found '%.60s', wanted pixels as SIDE or WIDTHxHEIGHT, each 1 to %d",
                    what, value, MAX_PIXELS);
    return ST_OK;
}

static enum status set_frames(struct cell *cell, const char *what, const char *value)
{
    return number_int(what, value, 1, MAX_COUNT, &cell->frames);
}

static enum status set_steps(struct cell *cell, const char *what, const char *value)
{
    return number_int(what, value, 1, 10000, &cell->steps);
}

static enum status set_guidance(struct cell *cell, const char *what, const char *value)
{
    return number_real(what, value, 0, 1000, &cell->guidance);
}

static enum status set_requests(struct cell *cell, const char *what, const char *value)
{
    return number_int(what, value, 1, MAX_COUNT, &cell->requests);
}

static enum status set_text(struct cell *cell, const char *what, const char *value)
{
    if (value[0] == '\0')
        return fail(ST_INVALID, "%s: the file's name is empty", what);
    cell->text = value;
    return ST_OK;
}

static enum status set_seed(struct cell *cell, const char *what, const char *value)
{
    return number_whole(what, value, 0, INT64_MAX, &cell->seed);
}

static enum status set_dtype(struct cell *cell, const char *what, const char *value)
{
    static const char *const legal[] = {"fp32", "bf16", "fp16"};
    return set_choice(cell->dtype, what, value, legal, 3);
}

static enum status set_backend(struct cell *cell, const char *what, const char *value)
{
    static const char *const legal[] = {"cpu", "cuda"};
    return set_choice(cell->backend, what, value, legal, 2);
}

static enum status set_transport(struct cell *cell, const char *what, const char *value)
{
    static const char *const legal[] = {"local", "mpi", "nccl"};
    return set_choice(cell->transport, what, value, legal, 3);
}

static enum status set_exchange(struct cell *cell, const char *what, const char *value)
{
    static const char *const legal[] = {"auto", "nccl", "lsa"};
    return set_choice(cell->exchange, what, value, legal, 3);
}

static enum status set_strategy(struct cell *cell, const char *what, const char *value)
{
    return set_word(cell->strategy, sizeof cell->strategy, what, value);
}

static enum status set_ranks(struct cell *cell, const char *what, const char *value)
{
    return number_int(what, value, 1, CELL_MAX_RANKS, &cell->ranks);
}

static enum status set_threads(struct cell *cell, const char *what, const char *value)
{
    return number_int(what, value, 1, 4096, &cell->threads);
}

static enum status set_warmup_loops(struct cell *cell, const char *what, const char *value)
{
    return number_int(what, value, 0, 10000, &cell->warmup_loops);
}

static enum status set_repeats(struct cell *cell, const char *what, const char *value)
{
    return number_int(what, value, 1, 10000, &cell->repeats);
}

static enum status set_check(struct cell *cell, const char *what, const char *value)
{
    return set_switch(&cell->check, what, value);
}

static enum status set_timeout(struct cell *cell, const char *what, const char *value)
{
    return number_real(what, value, 0.001, 1e7, &cell->timeout_s);
}

static enum status set_graph(struct cell *cell, const char *what, const char *value)
{
    return set_switch(&cell->graph, what, value);
}

static enum status set_cache(struct cell *cell, const char *what, const char *value)
{
    return set_switch(&cell->cache, what, value);
}

char *cell_text(const struct cell *cell, char *buffer)
{
    snprintf(buffer, CELL_LINE,
             "model=%s size=%dx%d frames=%d steps=%d guidance=%g requests=%d dtype=%s backend=%s "
             "transport=%s strategy=%s ranks=%d seed=%" PRId64
             " warmup_loops=%d repeats=%d threads=%d",
             cell->model, cell->width, cell->height, cell->frames, cell->steps, cell->guidance,
             cell->requests, cell->dtype, cell->backend, cell->transport, cell->strategy,
             cell->ranks, cell->seed, cell->warmup_loops, cell->repeats, cell->threads);
    return buffer;
}

enum status cell_set(struct cell *cell, const char *name, const char *what, const char *value)
{
    for (int i = 0; cell_option_at(i); i++)
        if (strcmp(cell_option_at(i)->name, name) == 0)
            return cell_option_at(i)->set(cell, what, value);
    bug(__FILE__, __LINE__, "a cell has no option %s", name);
}

static const struct cell_option options[] = {
    {"model", "NAME|DIR", "preset (see `ditbench list models`) or checkpoint folder", false,
     set_model},
    {"size", "PX|WIDTHxHEIGHT", "image size in pixels (default: the model's own)", false, set_size},
    {"frames", "N", "frames of a video; 1 for an image", false, set_frames},
    {"steps", "N", "denoising steps (default: the model's own)", false, set_steps},
    {"guidance", "G", "classifier-free guidance; up to 1: none (default: the model's own)", false,
     set_guidance},
    {"requests", "N", "images of one loop (default: 1)", false, set_requests},
    {"text", "FILE", "safetensors file of conditions (default: synthetic ones)", false, set_text},
    {"seed", "N", "of noise and synthetic conditions and weights (default: 1)", false, set_seed},
    {"dtype", "fp32|bf16|fp16", "of weights and activations (default: fp32 on cpu, bf16 on cuda)",
     false, set_dtype},
    {"backend", "cpu|cuda", "what computes (default: cuda where a GPU is seen)", false,
     set_backend},
    {"transport", "local|mpi|nccl",
     "between ranks (default: local on cpu, nccl on cuda, mpi under mpirun on cpu)", false,
     set_transport},
    {"exchange", "auto|nccl|lsa",
     "how nccl's ranks swap tokens for heads: the faster, messages, or one kernel (default: auto)",
     false, set_exchange},
    {"strategy", "SPEC", "e.g. cfg=2,pipefusion=2:patches=4,ulysses=2 (default: serial)", false,
     set_strategy},
    {"ranks", "N", "default: the product of the degrees", false, set_ranks},
    {"threads", "N", "CPU threads of all ranks together (default: all cores)", false, set_threads},
    {"warmup-loops", "N", "loops before the measured ones (default: 1)", true, set_warmup_loops},
    {"repeats", "N", "measured loops (default: 5)", true, set_repeats},
    {"check", "on|off", "compare the latents with a one-rank run (default: on)", true, set_check},
    {"timeout", "SECONDS", "limit for the cell, and again for its one-rank run", true, set_timeout},
    {"graph", "on|off", "CUDA graphs; nothing on cpu (default: on)", true, set_graph},
    {"cache", "on|off",
     "keep the one-rank run for other cells, and take it from there (default: on)", true,
     set_cache},
};

const struct cell_option *cell_option_at(int index)
{
    int n = (int)(sizeof options / sizeof options[0]);
    return index >= 0 && index < n ? &options[index] : NULL;
}
