/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host whose network goes while a cell runs on it: two network namespaces play two hosts, and the
 * daemon of the second is nobody's child here, so that only its ranks themselves can end them.
 */
#include "harness/launch/watchdog.h"
#include "kernels/base/clock.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(cut_off_mpi, .init = program_limit);

enum { TIMEOUT_S = 3, SLACK_S = 10 /* for a host with more to do */ };

/* Of the two ranks, for the cell has a number of steps that no other has. */
#define RANKS "--frames=1 --steps=753"

/* Runs in namespaces of its own, in a folder of its own; $1: the program. The agent stands for ssh:
 * it hands the daemon's command to a shell that host b started, and stays. */
static const char script[] =
    "cd \"$2\" && echo >begun\n"
    "give_up() { echo \"$1\" >skip; kill -9 $b; exit 77; }\n"
    "hostname hosta && ip link set lo up || give_up 'no network namespace can be set up'\n"
    "mkfifo jobs || exit 1\n"
    "unshare -nupf --kill-child sh -c 'hostname hostb && echo >b\n"
    "  while read -r line <jobs; do setsid sh -c \"$line\" & done' &\n"
    "b=$!\n"
    "until [ -e b ]; do kill -0 $b || give_up 'no second namespace'; sleep 0.05; done\n"
    "ip link add va type veth peer name vb netns $b || give_up 'no pair of virtual links'\n"
    "ip addr add 10.97.0.1/24 dev va && ip link set va up || exit 1\n"
    "nsenter -t $b -n sh -c 'ip link set lo up && ip addr add 10.97.0.2/24 dev vb && "
    "ip link set vb up' || exit 1\n"
    "printf '10.97.0.1 slots=1\\n10.97.0.2 slots=1\\n' >hosts\n"
    "printf '#!/bin/sh\\nshift\\necho \"$*\" >%s/jobs\\nexec sleep 600\\n' \"$2\" >agent\n"
    "chmod +x agent\n"
    "export OMPI_MCA_orte_default_hostfile=\"$2/hosts\" OMPI_MCA_plm_rsh_agent=\"$2/agent\"\n"
    "(until [ -e cut ]; do sleep 0.05; done; ip link set va down; touch down) &\n"
    "\"$1\" run --json --model=pixart-tiny --size=64 --transport=mpi --strategy=ring=2 "
    "--steps=753 --repeats=1000 --check=off --timeout=3 >out 2>err\n"
    "echo $? >code\n"
    "exec sleep 600\n";

static bool await_file(const char *folder, const char *name, double seconds)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    for (double end = clock_seconds() + seconds; clock_seconds() < end; usleep(20000))
        if (access(path, F_OK) == 0)
            return true;
    return false;
}

static char *read_in(const char *folder, const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return program_read(path);
}

/* Why host a is not there, or NULL where it is this test's fault. */
static const char *why_not(const char *folder)
{
    static char reason[200];
    char *begun = read_in(folder, "begun");
    char *said = read_in(folder, "skip");
    snprintf(reason, sizeof reason, "%.150s", said ? said : "no namespaces: unshare failed");
    bool excused = said || !begun;
    free(begun);
    free(said);
    return excused ? reason : NULL;
}

/* Until two ranks are in their loops, one on each host. */
static pid_t start(const char *folder)
{
    int status = 0;
    const char *argv[] = {"unshare",
                          geteuid() == 0 ? "-nu" : "-Urnu",
                          "sh",
                          "-c",
                          script,
                          "script",
                          program_path(),
                          folder,
                          NULL};
    pid_t pid = program_start(argv);
    for (int i = 0; i < 1000 && program_count_processes(RANKS) < 3; i++) { /* mpirun is the third */
        usleep(20000);
        if (waitpid(pid, &status, WNOHANG) == 0)
            continue;
        kill(-pid, SIGKILL); /* what it left */
        const char *reason = why_not(folder);
        if (reason)
            cr_skip_test("%s", reason);
        cr_assert_fail("the hosts ended with status %x", (unsigned)status);
    }
    usleep(1000000);
    return pid;
}

Test(cut_off_mpi, no_rank_outlives_its_time)
{
    program_needs_mpi();
    const char *folder = program_folder();
    pid_t pid = start(folder);
    program_write(program_file("cut"), "");
    cr_assert(await_file(folder, "down", 5));
    double cut = clock_seconds();
    bool ended = await_file(folder, "code", TIMEOUT_S + SLACK_S);
    bool gone = false;
    while (!gone && clock_seconds() - cut < TIMEOUT_S + WATCHDOG_GRACE_S + SLACK_S) {
        gone = program_count_processes(RANKS) == 0;
        usleep(50000);
    }
    char *code = read_in(folder, "code");
    char *out = read_in(folder, "out");
    kill(-pid, SIGKILL); /* and with it all that is on host b */
    waitpid(pid, NULL, 0);
    char *err = read_in(folder, "err");
    cr_assert(ended && out && strcmp(code, "5\n") == 0, "%s%s", code, err);
    const char *status = program_json(out, "status");
    cr_assert(strcmp(status, "timeout") == 0 || strcmp(status, "error") == 0, "%s", out);
    cr_assert(gone, "a rank is alive %g s after its network", clock_seconds() - cut);
    free(code);
    free(out);
    free(err);
}
