/* SPDX-License-Identifier: Apache-2.0 */
/* The program as a user meets it: commands, statuses, JSON. Cells are as small as they get. */
#include "harness/record/record.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(cli, .init = program_limit);
TestSuite(cli_mpi, .init = program_limit);

#define SMALL "--model=pixart-tiny", "--size=64", "--steps=3", "--repeats=2", "--threads=2"

static void ends(struct program p, int status, const char *in_err)
{
    cr_assert_eq(p.status, status, "status %d, wanted %d: %s", p.status, status, p.err);
    cr_assert(strstr(p.err, in_err), "%s: not in: %s", in_err, p.err);
    program_release(&p);
}

static void json_is(const char *line, const char *path, const char *want)
{
    const char *got = program_json(line, path);
    cr_assert_str_eq(got, want, "%s is %s, wanted %s", path, got, want);
}

Test(cli, helps_everywhere)
{
    static const char *const commands[] = {"list", "plan", "run",  "verify",  "sweep",
                                           "plot", "comm", "info", "ceilings"};
    struct program p = program_run("--help", NULL);
    cr_assert_eq(p.status, 0);
    for (int i = 0; i < 9; i++) {
        struct program one = program_run(commands[i], "--help", NULL);
        cr_assert(strstr(p.out, commands[i]));
        cr_assert(one.status == 0 && strstr(one.out, commands[i]), "%s: %s", commands[i], one.out);
        program_release(&one);
    }
    cr_assert_null(strstr(p.out, "worker"));
    program_release(&p);
    p = program_run("help", "comm", NULL);
    cr_assert(p.status == 0 && strstr(p.out, "ditbench comm [OPTION...]\n"), "%s", p.out);
    program_release(&p);
    p = program_run("--version", NULL);
    cr_assert(p.status == 0 && strncmp(p.out, "ditbench ", 9) == 0);
    program_release(&p);
    p = program_run("run", "--version", NULL);
    cr_assert(p.status == 0 && strncmp(p.out, "ditbench ", 9) == 0);
    program_release(&p);
}

Test(cli, lists_what_there_is)
{
    struct program p = program_run("list", "--json", NULL);
    cr_assert_eq(p.status, 0);
    json_is(p.out, "strategies.0.name", "data");
    json_is(p.out, "strategies.2.exact", "false");
    json_is(p.out, "backends.0.name", "cpu");
    json_is(p.out, "transports.0.name", "local");
    cr_assert(strstr(p.out, "pixart-alpha-1024") && strstr(p.out, "dit-xl-2-256") &&
              strstr(p.out, "dpmsolver++"));
    program_release(&p);
    p = program_run("list", "models", NULL);
    cr_assert(p.status == 0 && strstr(p.out, "pixart-tiny") && !strstr(p.out, "ulysses"));
    cr_assert(strstr(p.out, "0.611 B") && strstr(p.out, "11.901 B") && strstr(p.out, "1.057 B"));
    program_release(&p);
    p = program_run("list", "models", "--json", NULL);
    json_is(p.out, "2.name", "pixart-alpha-1024");
    json_is(p.out, "2.channels", "1152");
    json_is(p.out, "2.tokens", "4096");
    json_is(p.out, "2.patch", "2");
    json_is(p.out, "2.text_tokens", "120");
    json_is(p.out, "2.steps", "20");
    json_is(p.out, "2.size", "1024");
    json_is(p.out, "2.frames", "1");
    program_release(&p);
    p = program_run("info", "--json", NULL);
    json_is(p.out, "features.blas", "true");
    cr_assert_str_neq(program_json(p.out, "libraries.jansson"), "");
    program_release(&p);
}

Test(cli, plans_in_the_fields_of_the_interface)
{
    struct program p =
        program_run("plan", "--json", "--model=pixart-tiny", "--strategy=usp=2,cfg=2", NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    json_is(p.out, "model", "pixart-tiny");
    json_is(p.out, "size", "256x256");
    json_is(p.out, "strategy", "cfg=2,ulysses=2");
    json_is(p.out, "ranks", "4");
    json_is(p.out, "supported", "true");
    json_is(p.out, "reason", "null");
    json_is(p.out, "exact", "true");
    json_is(p.out, "per_rank.3.rank", "3");
    json_is(p.out, "per_rank.3.coords", "{\"cfg\":1,\"ulysses\":1}");
    json_is(p.out, "per_rank.3.layers", "[0,12]");
    json_is(p.out, "per_rank.3.heads", "6");
    json_is(p.out, "per_rank.3.lanes", "[[0,1]]");
    json_is(p.out, "per_rank.3.tokens", "[[128,128]]");
    json_is(p.out, "per_rank.3.patches", "[[[128,128]]]");
    json_is(p.out, "per_rank.3.sends.1.axis", "ulysses");
    json_is(p.out, "per_rank.3.sends.1.op", "all_to_all");
    json_is(p.out, "per_rank.3.sends.1.when", "step");
    long total = atol(program_json(p.out, "per_rank.3.memory_bytes.total"));
    long parts = 0;
    static const char *const kinds[] = {"weights", "activations", "kv_store", "buffers"};
    for (int k = 0; k < 4; k++) {
        char path[60];
        snprintf(path, sizeof path, "per_rank.3.memory_bytes.%s", kinds[k]);
        parts += atol(program_json(p.out, path));
    }
    cr_assert(total > 1000000 && total == parts);
    program_release(&p);
}

/* MB (1e6) that rank `rank` sends in a steady step. */
static double sent(const char *strategy, int rank)
{
    double bytes = 0;
    struct program p = program_run("plan", "--json", "--model=pixart-alpha-1024", "--dtype=bf16",
                                   "--strategy", strategy, NULL);
    cr_assert_eq(p.status, 0, "%s: %s", strategy, p.err);
    for (int i = 0; i < 16; i++) {
        char path[60];
        snprintf(path, sizeof path, "per_rank.%d.sends.%d.when", rank, i);
        if (strcmp(program_json(p.out, path), "step") != 0)
            continue;
        snprintf(path, sizeof path, "per_rank.%d.sends.%d.wire_bytes", rank, i);
        bytes += atof(program_json(p.out, path));
    }
    program_release(&p);
    return bytes * 1e-6;
}

Test(cli, plans_the_published_bytes)
{
    cr_assert_float_eq(sent("ulysses=8", 0), 231.2, 0.05);
    cr_assert_float_eq(sent("ring=8", 0), 924.8, 0.05);
    cr_assert_float_eq(sent("tensor=8", 0), 1849.7, 0.05);
    cr_assert_float_eq(sent("distrifusion=8", 0), 924.8, 0.05);
    cr_assert_float_eq(sent("pipefusion=8", 0), 18.87, 0.005);
}

Test(cli, a_refused_plan_says_why_and_exits_with_3)
{
    struct program p =
        program_run("plan", "--json", "--model=pixart-tiny", "--strategy=ulysses=5", NULL);
    cr_assert_eq(p.status, 3);
    json_is(p.out, "supported", "false");
    json_is(p.out, "per_rank", "[]");
    cr_assert(strstr(program_json(p.out, "reason"), "12"), "%s", p.out);
    program_release(&p);
    ends(program_run("plan", "--model=pixart-tiny", "--strategy=ulysses=2", "--ranks=4", NULL), 3,
         "2 ranks");
    ends(program_run("plan", "--model=pixart-tiny", "--strategy=pipefusion=2,distrifusion=2", NULL),
         3, "pipefusion");
    ends(program_run("plan", "--model=pixart-tiny", "--guidance=1", "--strategy=cfg=2", NULL), 3,
         "guidance");
    p = program_run("plan", "--model=pixart-tiny", "--dtype=fp16", NULL);
    cr_assert_eq(p.status, 0); /* planned, though no CPU computes in it */
    program_release(&p);
}

Test(cli, run_prints_a_record)
{
    struct program p =
        program_run("run", "--json", SMALL, "--strategy=cfg=2,pipefusion=2:patches=4", NULL);
    struct record *record;
    cr_assert_eq(p.status, 0, "%s", p.err);
    cr_assert_eq(record_read(p.out, strlen(p.out), 1, &record), ST_OK, "%s", status_message());
    cr_assert_eq(record->status, ENDING_OK);
    cr_assert_str_eq(record->cell.strategy, "cfg=2,pipefusion=2:patches=4");
    cr_assert_str_eq(record->cell.weights, "synthetic");
    cr_assert(record->cell.ranks == 4 && record->cell.width == 64 && record->cell.steps == 3);
    cr_assert(record->latency_ms.samples.n == 2 && record->step_ms.samples.n == 3);
    cr_assert(record->latency_ms.min <= record->latency_ms.median && record->latency_ms.median > 0);
    double sum =
        record->step_ms.samples.v[0] + record->step_ms.samples.v[1] + record->step_ms.samples.v[2];
    cr_assert_leq(sum, record->latency_ms.max * 1.000001);
    cr_assert_eq(record->memory_bytes.peak.n, 4);
    for (int r = 0; r < 4; r++) {
        const struct record_memory *m = &record->memory_bytes;
        cr_assert_eq(m->peak.v[r], m->predicted.v[r]);
        cr_assert_eq(m->peak.v[r],
                     m->weights.v[r] + m->activations.v[r] + m->kv_store.v[r] + m->buffers.v[r]);
    }
    cr_assert_eq(record->comm_match, RECORD_YES);
    cr_assert_gt(record->comm.n, 0);
    cr_assert_str_eq(record->check.against, "pipefusion=1:patches=4:warmup=1");
    cr_assert(record->check.pass == RECORD_YES && record->check.rel_l2 <= 1e-5);
    cr_assert_str_eq(record->deviation.against, "serial");
    cr_assert(record->deviation.rel_l2 > record->check.rel_l2);
    cr_assert_eq(record->argv.n, 9);
    cr_assert(record->env.load.n == 2 && record->env.load.v[0] >= 0 && record->env.load.v[1] >= 0);
    record_close(record);
    program_release(&p);
}

Test(cli, run_without_a_check_leaves_it_null)
{
    struct program p = program_run("run", "--json", SMALL, "--check=off", NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    json_is(p.out, "check.against", "null");
    json_is(p.out, "deviation.rel_l2", "null");
    json_is(p.out, "status", "ok");
    json_is(p.out, "memory_bytes.library", "[0]");
    program_release(&p);
}

Test(cli, run_records_the_threads_that_run)
{
    struct program p = program_run("run", "--json", "--model=pixart-tiny", "--size=64", "--steps=2",
                                   "--repeats=1", "--strategy=ring=2", "--threads=1", NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    json_is(p.out, "cell.threads", "2");
    cr_assert(strstr(p.err, "not the 1 of --threads"), "%s", p.err);
    program_release(&p);
    p = program_run("run", "--json", SMALL, "--strategy=ring=2", "--threads=2", NULL);
    cr_assert(p.status == 0 && !strstr(p.err, "--threads"), "%s", p.err);
    program_release(&p);
}

Test(cli, run_shows_bytes_and_check)
{
    struct program p = program_run("run", SMALL, "--strategy=ring=2", NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    cr_assert(strstr(p.out, "match") && strstr(p.out, "check against serial") &&
                  strstr(p.out, "t_med"),
              "%s", p.out);
    cr_assert_null(strstr(p.out, "\033"));
    program_release(&p);
}

/* Overwrites the last bytes of every file of one-rank runs, or all of them. */
static int spoil_cache(bool whole)
{
    char command[1000];
    snprintf(command, sizeof command,
             "cd %s && for f in reference-*.safetensors; do %s; done; ls reference-* | wc -l",
             program_folder(),
             whole ? "echo broken >$f"
                   : "printf 'abcd' | dd of=$f bs=1 seek=$(($(stat -c %s $f) - 4)) conv=notrunc "
                     "status=none");
    const char *argv[] = {"/bin/sh", "-c", command, NULL};
    struct program p = program_command(argv);
    int files = atoi(p.out);
    program_release(&p);
    return files;
}

Test(cli, a_spoilt_cache_is_not_believed)
{
    for (int round = 0; round < 4; round++) {
        struct program p = program_run("run", "--json", SMALL, "--strategy=distrifusion=2", NULL);
        cr_assert_eq(p.status, 0, "round %d: %s", round, p.err);
        json_is(p.out, "check.pass", "true");
        json_is(p.out, "check.against", "distrifusion=1:patches=2:warmup=1");
        program_release(&p);
        if (round < 2) /* that run and the serial one; then both are read from the cache */
            cr_assert_eq(spoil_cache(round == 1), 2);
    }
}

Test(cli, run_refuses_before_it_works)
{
    ends(program_run("run", SMALL, "--dtype=bf16", NULL), 3, "--dtype fp32");
    ends(program_run("run", SMALL, "--strategy=tensor=5", NULL), 3, "tensor=5");
    ends(program_run("run", SMALL, "--backend=cuda", NULL), 3, "cpu");
    ends(program_run("run", SMALL, "--transport=nccl", NULL), 3, "local");
    ends(program_run("run", SMALL, "--output=/no/such/folder/x", NULL), 2, "/no/such/folder/x");
    ends(program_run("run", SMALL, "--output=/dev/null", NULL), 2, "/dev/null");
    ends(program_run("run", SMALL, "--output=", NULL), 2, "empty");
    ends(program_run("run", "--model=dit-xl-2-256", "--size=8192", "--requests=8", NULL), 4, "MB");
    struct program p = program_run("run", "--json", SMALL, "--strategy=tensor=5", NULL);
    json_is(p.out, "status", "unsupported");
    program_release(&p);
}

Test(cli, run_times_out)
{
    ends(program_run("run", "--model=dit-xl-2-256", "--check=off", "--timeout=1", NULL), 5,
         "timeout");
    ends(program_run("run", "--model=dit-xl-2-256", "--timeout=1", NULL), 5, "timeout");
    cr_assert_eq(program_count_processes("worker --model=dit-xl-2-256"), 0);
}

Test(cli, closed_streams_are_not_files)
{
    char *output = program_file("closed.safetensors");
    char script[600];
    snprintf(script, sizeof script,
             "exec '%s' run --model=pixart-tiny --size=64 --steps=2 --repeats=1 --output=%s <&- "
             ">&- 2>&-",
             program_path(), output);
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    ends(program_command(argv), 2, "");
    char head[9] = "";
    FILE *file = fopen(output, "r"); /* 8 bytes, the length of the header, and the header */
    cr_assert(file && fread(head, 1, 9, file) == 9 && head[8] == '{' && head[7] == 0);
    fclose(file);
    snprintf(script, sizeof script, "exec '%s' list models <&- 2>&-", program_path());
    struct program p = program_command(argv);
    cr_assert(p.status == 0 && strstr(p.out, "pixart-tiny"), "%s", p.out);
    program_release(&p);
}

Test(cli, broken_output_is_a_failure)
{
    const char *argv[] = {"/bin/sh", "-c", "exec \"$0\" list >/dev/full", program_path(), NULL};
    ends(program_command(argv), 2, "standard output");
}

Test(cli, interrupted_run_leaves_nobody)
{
    const char *argv[] = {
        program_path(), "run", "--model=pixart-tiny", "--steps=77", "--repeats=100",
        "--check=off",  NULL};
    pid_t pid = program_start(argv);
    int status = 0;
    cr_assert(program_wait_for("--frames=1 --steps=77", false));
    kill(pid, SIGINT);
    waitpid(pid, &status, 0);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 130, "%d", status);
    cr_assert_eq(program_count_processes("--steps=77"), 0);
}

/* Under nohup; the worker is a process group of its own, and has its default signals. */
Test(cli, a_run_without_a_terminal_goes_on)
{
    char script[600];
    snprintf(script, sizeof script,
             "trap '' HUP; exec '%s' run --model=pixart-tiny --size=64 --steps=76 --repeats=9 "
             "--check=off",
             program_path());
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    int status = 0;
    pid_t pid = program_start(argv);
    cr_assert(program_wait_for("--frames=1 --steps=76", false));
    kill(pid, SIGHUP);
    waitpid(pid, &status, 0);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", (unsigned)status);
}

Test(cli, killed_run_leaves_nobody)
{
    const char *argv[] = {
        program_path(), "run", "--model=pixart-tiny", "--steps=78", "--repeats=100",
        "--check=off",  NULL};
    pid_t pid = program_start(argv);
    cr_assert(program_wait_for("--frames=1 --steps=78", false));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    cr_assert(program_wait_for("--steps=78", true));
}

Test(cli, a_dead_worker_is_status_5)
{
    const char *argv[] = {
        program_path(), "run", "--model=pixart-tiny", "--steps=79", "--repeats=100",
        "--check=off",  NULL};
    pid_t pid = program_start(argv);
    int status = 0;
    cr_assert(program_wait_for("--frames=1 --steps=79", false));
    cr_assert_eq(program_signal_processes("--frames=1 --steps=79", SIGKILL), 1);
    waitpid(pid, &status, 0);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 5, "%d", status);
}

/* ---- over MPI ---- */

#define HYBRID "--strategy=cfg=2,ulysses=2"

Test(cli_mpi, writes_what_local_writes)
{
    program_needs_mpi();
    char *local = program_file("local.safetensors");
    char *mpi = program_file("mpi.safetensors");
    char out[200];
    snprintf(out, sizeof out, "--output=%s", local);
    struct program p = program_run("run", SMALL, HYBRID, "--threads=4", out, NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    program_release(&p);
    snprintf(out, sizeof out, "--output=%s", mpi);
    const char *argv[] = {"mpirun", "-n",          "4", program_path(), "run", SMALL,
                          HYBRID,   "--threads=4", out, "--json",       NULL};
    p = program_command(argv);
    cr_assert_eq(p.status, 0, "%s", p.err);
    json_is(p.out, "cell.transport", "mpi");
    json_is(p.out, "comm_match", "true");
    json_is(p.out, "check.pass", "true");
    program_release(&p);
    const char *compare[] = {"cmp", local, mpi, NULL};
    p = program_command(compare);
    cr_assert_eq(p.status, 0, "%s", p.out);
    program_release(&p);
}

Test(cli_mpi, run_starts_mpirun_itself)
{
    program_needs_mpi();
    struct program p =
        program_run("run", SMALL, "--transport=mpi", "--strategy=ring=2", "--json", NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    json_is(p.out, "cell.transport", "mpi");
    json_is(p.out, "status", "ok");
    program_release(&p);
}

Test(cli_mpi, ranks_end_with_one_status)
{
    program_needs_mpi();
    const char *refused[] = {
        "mpirun", "-n", "3", program_path(), "run", SMALL, "--strategy=ulysses=2", NULL};
    ends(program_command(refused), 3, "ulysses=2");
    const char *bad[] = {"mpirun",     "-n", "2", program_path(), "run", "--model=pixart-tiny",
                         "--size=250", NULL};
    ends(program_command(bad), 2, "240 and 256");
    const char *local[] = {"mpirun", "-n", "2", program_path(), "run", SMALL, "--transport=local",
                           NULL};
    ends(program_command(local), 2, "mpirun");
    const char *slow[] = {"mpirun",
                          "-n",
                          "2",
                          program_path(),
                          "run",
                          "--model=dit-xl-2-256",
                          "--timeout=1",
                          "--check=off",
                          "--strategy=ulysses=2",
                          NULL};
    ends(program_command(slow), 5, "rank");
}
