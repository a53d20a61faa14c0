/* SPDX-License-Identifier: Apache-2.0 */
/* Options of a cell, their text, and what a setup makes of them. */
#include "harness/base/number.h"
#include "harness/cell/cell.h"
#include "harness/cell/options.h"
#include "harness/cell/setup.h"
#include "harness/launch/ranks.h"
#include "harness/measure/outcome_argv.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum status set(struct cell *cell, const char *name, const char *value)
{
    return cell_set(cell, name, name, value);
}

static const struct rendezvous two = {.size = 2}; /* under mpirun */

static struct cell cell_of(const char *model, const char *strategy)
{
    struct cell cell;
    cell_init(&cell);
    cr_assert_eq(set(&cell, "model", model), ST_OK);
    if (strategy)
        cr_assert_eq(set(&cell, "strategy", strategy), ST_OK);
    return cell;
}

Test(number, takes_whole_numbers_only)
{
    static const char *const bad[] = {
        "", " 1", "1 ", "+1", "1.0", "0x10", "1e3", "-", "--1", "nan", "9999999999999999999999"};
    int64_t value = 7;
    cr_assert_eq(number_whole("n", "-12", -20, 5, &value), ST_OK);
    cr_assert_eq(value, -12);
    cr_assert_eq(number_whole("n", "9223372036854775807", 0, INT64_MAX, &value), ST_OK);
    cr_assert_eq(value, INT64_MAX);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(number_whole("n", bad[i], -1000, 1000, &value), ST_INVALID, "'%s'", bad[i]);
    cr_assert_eq(number_whole("n", "6", 1, 5, &value), ST_INVALID);
    cr_assert_str_eq(status_message(), "n: found '6', wanted a whole number from 1 to 5");
}

Test(number, takes_finite_decimals_only)
{
    static const char *const bad[] = {"",      "nan",    "inf", "-inf", "0x1p3",
                                      "1e999", "1.5abc", "1,5", " 1"};
    double value;
    cr_assert_eq(number_real("x", "4.5", 0, 10, &value), ST_OK);
    cr_assert_eq(value, 4.5);
    cr_assert_eq(number_real("x", "1e-4", 0, 10, &value), ST_OK);
    cr_assert_eq(value, 1e-4);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(number_real("x", bad[i], -1e300, 1e300, &value), ST_INVALID, "'%s'", bad[i]);
    cr_assert_eq(number_real("x", "-0.1", 0, 10, &value), ST_INVALID);
}

Test(number, bytes_have_units)
{
    static const char *const bad[] = {"",    "K",  "1k5", "1.5M", "1T",
                                      "1KB", "-1", " 1",  "2G",   "9999999999999999999G"};
    int64_t bytes;
    cr_assert(number_bytes("--min", "4096", 1, 1 << 30, &bytes) == ST_OK && bytes == 4096);
    cr_assert(number_bytes("--min", "64K", 1, 1 << 30, &bytes) == ST_OK && bytes == 65536);
    cr_assert(number_bytes("--min", "3m", 1, 1 << 30, &bytes) == ST_OK && bytes == 3 << 20);
    cr_assert(number_bytes("--min", "1G", 1, 1 << 30, &bytes) == ST_OK && bytes == 1 << 30);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(number_bytes("--min", bad[i], 1, 1 << 30, &bytes), ST_INVALID, "%s", bad[i]);
}

Test(cell, sizes_are_a_side_or_two)
{
    static const char *const bad[] = {"",     "x", "256x",    "x256",  "256x256x3",
                                      "-256", "0", "256X384", "70000", "2.5"};
    struct cell cell;
    cell_init(&cell);
    cr_assert_eq(set(&cell, "size", "256"), ST_OK);
    cr_assert(cell.width == 256 && cell.height == 256);
    cr_assert_eq(set(&cell, "size", "256x384"), ST_OK);
    cr_assert(cell.width == 256 && cell.height == 384);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(set(&cell, "size", bad[i]), ST_INVALID, "'%s'", bad[i]);
}

Test(cell, options_refuse_what_is_hostile)
{
    static const char *const pairs[][2] = {
        {"steps", "0"},
        {"steps", "-1"},
        {"steps", "99999999999"},
        {"guidance", "nan"},
        {"guidance", "-1"},
        {"requests", "0"},
        {"seed", "-1"},
        {"seed", "9223372036854775808"},
        {"dtype", "fp8"},
        {"backend", "tpu"},
        {"transport", ""},
        {"ranks", "0"},
        {"ranks", "1000000"},
        {"threads", "0"},
        {"repeats", "0"},
        {"repeats", "Auto"},
        {"min-loops", "0"},
        {"min-seconds", "-1"},
        {"max-seconds", "0"},
        {"max-noise", "0"},
        {"warmup-loops", "-1"},
        {"timeout", "0"},
        {"timeout", "inf"},
        {"check", "yes"},
        {"graph", ""},
        {"exchange", "mpi"},
        {"strategy", ""},
        {"text", ""},
        {"model", ""},
        {"frames", "0"},
    };
    struct cell cell;
    cell_init(&cell);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        cr_assert_eq(set(&cell, pairs[i][0], pairs[i][1]), ST_INVALID, "--%s '%s'", pairs[i][0],
                     pairs[i][1]);
    char longest[SPEC_TEXT + 10];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    cr_assert_eq(set(&cell, "strategy", longest), ST_INVALID);
    cr_assert_eq(set(&cell, "model", longest), ST_INVALID);
}

/* A value of each option that is not its default. */
static const char *const samples[][2] = {
    {"model", "dit-tiny"},
    {"size", "256x384"},
    {"frames", "7"},
    {"steps", "11"},
    {"guidance", "0.1"},
    {"requests", "3"},
    {"text", "a b"},
    {"seed", "5"},
    {"dtype", "bf16"},
    {"backend", "cuda"},
    {"transport", "mpi"},
    {"exchange", "lsa"},
    {"strategy", "cfg=2,ring=3"},
    {"ranks", "6"},
    {"threads", "17"},
    {"warmup-loops", "0"},
    {"repeats", "auto"},
    {"min-loops", "12"},
    {"min-seconds", "0"},
    {"max-seconds", "2.5"},
    {"max-noise", "3"},
    {"check", "off"},
    {"cache", "off"},
    {"timeout", "2.5"},
    {"graph", "off"},
    {"nvtx", "on"},
};

static const char *sample_of(const char *name)
{
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++)
        if (strcmp(samples[i][0], name) == 0)
            return samples[i][1];
    cr_assert_fail("no sample of option %s", name);
    return NULL;
}

/* What one process was asked for reaches those that it starts: none of the table can be forgotten.
 */
Test(cell, every_option_is_written_as_it_is_read)
{
    struct cell plain;
    cell_init(&plain);
    for (int i = 0; cell_option_at(i); i++) {
        const struct cell_option *o = cell_option_at(i);
        struct cell cell = plain;
        if (o->rule)
            cell.repeats = CELL_AUTO;
        char *word;
        char *otherwise;
        cr_assert_eq(cell_set(&cell, o->name, o->name, sample_of(o->name)), ST_OK, "%s", o->name);
        cr_assert_eq(cell_word(&cell, o, &word), ST_OK);
        cr_assert_eq(cell_word(&plain, o, &otherwise), ST_OK);
        cr_assert(!otherwise || strcmp(word, otherwise) != 0, "%s: the sample is the default",
                  word);
        const char *value = strchr(word, '=') + 1;
        if (strcmp(o->name, "guidance") != 0) /* all digits of it */
            cr_assert_str_eq(value, sample_of(o->name));
        struct cell again = plain;
        again.repeats = cell.repeats;
        cr_assert_eq(cell_set(&again, o->name, o->name, value), ST_OK);
        char *twice;
        cr_assert_eq(cell_word(&again, o, &twice), ST_OK);
        cr_assert_str_eq(twice, word);
        free(twice);
        free(otherwise);
        free(word);
    }
}

Test(cell, every_option_has_a_name_a_placeholder_and_a_reader)
{
    for (int i = 0; cell_option_at(i); i++) {
        const struct cell_option *o = cell_option_at(i);
        cr_assert(o->name && o->argument && o->summary && o->kind);
        for (int k = 0; k < i; k++)
            cr_assert_str_neq(o->name, cell_option_at(k)->name);
    }
}

Test(setup, fills_the_models_defaults)
{
    struct cell cell = cell_of("pixart-tiny", "usp=4");
    struct setup *s;
    char text[CELL_LINE];
    cell.threads = 3;
    cr_assert_eq(setup_open(&cell, NULL, &s), ST_OK, "%s", status_message());
    cr_assert_str_eq(
        cell_text(&s->cell, text),
        "model=pixart-tiny size=256x256 frames=1 steps=20 guidance=4.5 requests=1 dtype=fp32 "
        "backend=cpu "
        "transport=local strategy=ulysses=4 ranks=4 seed=1 warmup_loops=1 repeats=5 threads=4 "
        "exchange=auto graph=on");
    cr_assert(s->problem.guided);
    cr_assert_eq(s->problem.text_tokens, s->model.dit.text_tokens);
    cr_assert_eq(s->sampler->steps, 20);
    setup_close(s);
}

Test(setup, fills_the_rule_of_repeats_auto)
{
    struct cell cell = cell_of("pixart-tiny", "serial");
    struct setup *s;
    char text[CELL_LINE];
    cell.repeats = CELL_AUTO;
    cell.max_noise = 2;
    cell.round = 1;
    cell.rounds = 3;
    cr_assert_eq(setup_open(&cell, NULL, &s), ST_OK, "%s", status_message());
    cr_assert(strstr(cell_text(&s->cell, text),
                     "warmup_loops=2 repeats=auto min_loops=10 min_seconds=5 max_seconds=20 "
                     "max_noise=2 threads="),
              "%s", text);
    cr_assert(strstr(text, "graph=on round=1"), "%s", text);
    struct record_cell c = setup_record_cell(s, "synthetic");
    cr_assert(c.repeats == RECORD_UNKNOWN && c.stop.min_loops == 10 && c.stop.min_seconds == 5 &&
              c.stop.max_seconds == 20 && c.stop.max_noise == 2 && c.round == 1);
    setup_close(s);
    cell.repeats = 3;
    cr_assert_eq(setup_open(&cell, NULL, &s), ST_INVALID);
    cr_assert(strstr(status_message(), "max-noise 2: only repeats auto"), "%s", status_message());
    cell.max_noise = 1.5;
    strcpy(cell.backend, "cuda");
    cell.repeats = CELL_AUTO;
    cell.warmup_loops = 4;
    cr_assert_eq(cell_fill_stop(&cell), ST_OK);
    cr_assert(cell.max_seconds == 60 && cell.warmup_loops == 4);
}

/* Rows and processes have both numbers; of a default the other one is what was asked for. */
Test(setup, refuses_more_seconds_at_least_than_at_most)
{
    static const double seconds[][2] = {{1, 1}, {NAN, 1}, {5, 1}, {1000, NAN}, {1000, 20}, {3, 1}};
    struct cell cell = cell_of("pixart-tiny", "serial");
    strcpy(cell.backend, "cpu");
    cell.repeats = CELL_AUTO;
    for (int i = 0; i < 6; i++) {
        struct setup *s;
        cell.min_seconds = seconds[i][0], cell.max_seconds = seconds[i][1];
        cr_assert_eq(setup_open(&cell, NULL, &s), i < 5 ? ST_OK : ST_INVALID, "%d", i);
        setup_close(s);
    }
    cr_assert(strstr(status_message(), "min-seconds 3 is more than max-seconds 1"));
}

Test(setup, takes_no_guidance_up_to_one)
{
    struct cell cell = cell_of("dit-tiny", NULL);
    struct setup *s;
    cell.guidance = 1;
    cr_assert_eq(setup_open(&cell, NULL, &s), ST_OK);
    cr_assert_not(s->problem.guided);
    setup_close(s);
}

Test(setup, names_the_nearest_sizes)
{
    struct cell cell = cell_of("pixart-tiny", NULL);
    struct setup *s;
    cell.width = cell.height = 250;
    cr_assert_eq(setup_open(&cell, NULL, &s), ST_INVALID);
    cr_assert(strstr(status_message(), "240") && strstr(status_message(), "256"), "%s",
              status_message());
}

Test(setup, refuses_frames_and_missing_models)
{
    struct cell cell = cell_of("pixart-tiny", NULL);
    struct setup *s;
    cell.frames = 16;
    cr_assert_eq(setup_open(&cell, NULL, &s), ST_INVALID);
    cell_init(&cell);
    cr_assert_eq(setup_open(&cell, NULL, &s), ST_INVALID);
    cr_assert(strstr(status_message(), "--model"));
    cell = cell_of("no-such-model", NULL);
    cr_assert_eq(setup_open(&cell, NULL, &s), ST_INVALID);
}

Test(setup, refuses_types_that_the_backend_lacks_but_plans_them)
{
    struct cell cell = cell_of("pixart-tiny", "ulysses=2");
    struct setup *s;
    strcpy(cell.dtype, "bf16");
    cr_assert_eq(setup_open(&cell, NULL, &s), ST_OK);
    cr_assert_eq(setup_check_build(s), ST_UNSUPPORTED);
    cr_assert(strstr(status_message(), "--dtype fp32"), "%s", status_message());
    setup_close(s);
}

Test(setup, ranks_are_mpiruns_processes)
{
    struct cell cell = cell_of("pixart-tiny", "ulysses=2");
    struct setup *s;
    cr_assert_eq(setup_open(&cell, &two, &s), ST_OK);
    cr_assert_str_eq(s->cell.transport, "mpi");
    cr_assert_eq(s->cell.ranks, 2);
    setup_close(s);
    cell.ranks = 4;
    cr_assert_eq(setup_open(&cell, &two, &s), ST_INVALID);
    cell.ranks = 0;
    strcpy(cell.transport, "local");
    cr_assert_eq(setup_open(&cell, &two, &s), ST_INVALID);
}

/* nccl in a build and on a machine that may have neither it nor a GPU: plans and words only. */
Test(setup, nccl_ranks_are_processes_of_this_host)
{
    struct cell cell = cell_of("pixart-tiny", "ulysses=2");
    struct setup *s;
    unsetenv("NCCL_NVLS_ENABLE");
    strcpy(cell.transport, "nccl");
    cr_assert_eq(setup_open(&cell, NULL, &s), ST_OK);
    cr_assert(setup_forks(s) && !setup_processes(s));
    cr_assert_str_eq(setup_transport(s), "nccl");
    cr_assert_str_eq(s->cell.exchange, "auto");
    cr_assert_str_eq(getenv("NCCL_NVLS_ENABLE"), "0");
    cr_assert_eq(setup_check_build(s), ST_UNSUPPORTED); /* on the cpu */
    cr_assert(strstr(status_message(), "nccl"), "%s", status_message());
    setup_close(s);
    cr_assert_eq(setup_open(&cell, &two, &s), ST_OK);
    cr_assert_not(setup_forks(s));
    setup_close(s);
    strcpy(cell.strategy, "serial");
    cr_assert_eq(setup_open(&cell, NULL, &s), ST_OK);
    cr_assert_not(setup_forks(s));
    cr_assert_str_eq(setup_transport(s), "local");
    cr_assert_str_eq(s->cell.transport, "nccl"); /* what the record says */
    setup_close(s);
}

Test(setup, ranks_give_up_before_the_launcher_does)
{
    struct cell cell = cell_of("pixart-tiny", "ulysses=2");
    struct setup *s;
    static const double timeout[] = {0, 4, 60};
    static const double watch[] = {300, 5, 30};
    cr_assert_eq(setup_open(&cell, NULL, &s), ST_OK);
    cr_assert_eq(setup_watch_s(s), 0); /* threads */
    setup_close(s);
    strcpy(cell.transport, "nccl");
    for (int i = 0; i < 3; i++) {
        cell.timeout_s = timeout[i];
        cr_assert_eq(setup_open(&cell, NULL, &s), ST_OK);
        cr_assert_eq(setup_watch_s(s), watch[i]);
        setup_close(s);
    }
}

/* What is recorded, and counted in the id, is what runs: a thread for each rank at least, asked for
 * or not. */
Test(setup, a_rank_has_a_thread_at_least)
{
    static const struct {
        int asked, ranks, wanted;
    } cases[] = {{1, 4, 4}, {4, 4, 4}, {5, 4, 5}, {0, 64, 64}, {1, 1, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char strategy[20];
        struct setup *s;
        snprintf(strategy, sizeof strategy, "data=%d", cases[i].ranks);
        struct cell cell = cell_of("pixart-tiny", strategy);
        cell.threads = cases[i].asked;
        cell.requests = cases[i].ranks;
        cr_assert_eq(setup_open(&cell, NULL, &s), ST_OK, "%s", status_message());
        cr_assert(s->cell.threads >= cases[i].wanted, "%d threads", s->cell.threads);
        cr_assert(cases[i].asked == 0 || s->cell.threads == cases[i].wanted);
        cr_assert_eq(s->threads_asked, cases[i].asked);
        cr_assert_eq(setup_record_cell(s, "synthetic").threads, s->cell.threads);
        struct ranks ranks = setup_ranks(s, NULL);
        int sum = 0;
        for (int r = 0; r < ranks.n; r++)
            sum += ranks_threads(&ranks, r);
        cr_assert_eq(sum, s->cell.threads);
        setup_close(s);
    }
}

/* Every command takes the cell's ranks from here. */
Test(setup, ranks_are_those_of_the_cell)
{
    struct cell cell = cell_of("pixart-tiny", "ulysses=2");
    struct setup *s;
    cell.threads = 5;
    cell.timeout_s = 60;
    cr_assert_eq(setup_open(&cell, NULL, &s), ST_OK);
    struct ranks ranks = setup_ranks(s, NULL);
    cr_assert_str_eq(ranks.backend, "cpu");
    cr_assert_str_eq(ranks.transport, "local");
    cr_assert_str_eq(ranks.exchange, "auto");
    cr_assert(ranks.n == 2 && ranks.threads == 5 && ranks.first == 0);
    cr_assert(!ranks.place && ranks.timeout_s == 0);
    setup_close(s);
    strcpy(cell.transport, "nccl");
    cr_assert_eq(setup_open(&cell, NULL, &s), ST_OK);
    const struct rendezvous place = {.rank = 1, .size = 2, .folder = "/tmp"};
    ranks = setup_ranks(s, &place);
    cr_assert(ranks.place == &place && ranks.timeout_s == setup_watch_s(s));
    setup_close(s);
}

static bool has_word(const struct outcome_argv *argv, const char *word)
{
    for (int i = 0; i < argv->n; i++)
        if (strcmp(argv->v[i], word) == 0)
            return true;
    return false;
}

/* What is not in a record's cell must still reach the processes. */
Test(setup, processes_are_told_how_to_measure)
{
    struct cell cell = cell_of("pixart-tiny", "ulysses=2");
    const struct outcome_options options = {.identity = "synthetic"};
    struct outcome_argv argv;
    struct setup *s;
    cell.timeout_s = 60;
    cell.graph = cell.cache = false;
    strcpy(cell.exchange, "lsa");
    cr_assert_eq(setup_open(&cell, NULL, &s), ST_OK);
    cr_assert_eq(outcome_argv_build(s, &options, &argv), ST_OK);
    cr_assert(has_word(&argv, "--timeout=60") && has_word(&argv, "--graph=off") &&
              has_word(&argv, "--exchange=lsa") && has_word(&argv, "--cache=off"));
    for (int i = 0; cell_option_at(i); i++) {
        char *word;
        cr_assert_eq(cell_word(&s->cell, cell_option_at(i), &word), ST_OK);
        cr_assert(!word || has_word(&argv, word), "%s", word);
        free(word);
    }
    outcome_argv_release(&argv);
    setup_close(s);
}

Test(ranks, share_the_threads_evenly)
{
    const struct ranks many = {.backend = "cpu", .transport = "local", .n = 3, .threads = 4};
    const struct ranks few = {.backend = "cpu", .transport = "local", .n = 3, .threads = 2};
    cr_assert(ranks_threads(&many, 0) == 2 && ranks_threads(&many, 1) == 1 &&
              ranks_threads(&many, 2) == 1);
    cr_assert(ranks_threads(&few, 0) == 1 && ranks_threads(&few, 2) == 1);
}

static enum status fail_on_one(void *self, const struct rank *rank)
{
    if (rank->index == *(int *)self)
        return fail(ST_OOM, "rank %d has no room", rank->index);
    return comm_barrier(rank->world); /* in vain */
}

static enum status agree_on_wrong(void *self, const struct rank *rank)
{
    (void)self;
    return comm_agree(rank->world, rank->index == 1 ? fail(ST_WRONG, "not so") : ST_OK);
}

Test(ranks, tell_the_cause_and_not_its_victims)
{
    const struct ranks ranks = {.backend = "cpu", .transport = "local", .n = 4, .threads = 4};
    int bad = 2;
    cr_assert_eq(ranks_each(&ranks, fail_on_one, &bad), ST_OOM);
    cr_assert_str_eq(status_message(), "rank 2 has no room");
    cr_assert_eq(ranks_each(&ranks, agree_on_wrong, NULL), ST_WRONG);
    cr_assert_str_eq(status_message(), "not so");
    bad = 4;
    cr_assert_eq(ranks_each(&ranks, fail_on_one, &bad), ST_OK);
}
