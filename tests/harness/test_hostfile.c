/* SPDX-License-Identifier: Apache-2.0 */
/* Ranks of this host, by files of hosts; and a forecast of memory that counts no others. */
#include "harness/launch/hostfile.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void begin_test(void)
{
    static const char *const variables[] = {"OMPI_MCA_orte_default_hostfile",
                                            "OMPI_MCA_rmaps_base_mapping_policy",
                                            "SLURM_JOB_NUM_NODES",
                                            "SLURM_NNODES",
                                            "PBS_NODEFILE",
                                            "LSB_MCPU_HOSTS",
                                            "PE_HOSTFILE"};
    program_limit();
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        unsetenv(variables[i]);
}

TestSuite(hostfile, .init = begin_test);
TestSuite(hostfile_mpi, .init = begin_test);

static void shares(const char *text, int n, int begin, int count)
{
    int b = -1;
    int c = -1;
    cr_assert(hostfile_share(text, n, &b, &c), "%s", text);
    cr_assert(b == begin && c == count, "%s: %d from %d", text, c, b);
}

static void is_vague(const char *text, int n)
{
    int b;
    int c;
    cr_assert_not(hostfile_share(text, n, &b, &c), "%s", text);
}

Test(hostfile, slots_are_filled_in_order)
{
    shares("", 4, 0, 4);
    shares("# nothing\n\n", 4, 0, 4);
    shares("localhost\n", 4, 0, 4);
    shares("localhost slots=2\n", 4, 0, 4);
    shares("localhost slots=2\nnode2 slots=2\n", 4, 0, 2);
    shares("node2 max_slots=9 slots=3 # its GPUs\n127.0.0.1 slots=2\n", 4, 3, 1);
    shares("node2 slots=8\nlocalhost slots=2\n", 4, 4, 0);
    shares("localhost slots=1\nnode2 slots=2\nlocalhost slots=1", 4, 0, 2);
}

Test(hostfile, this_host_has_its_name_with_and_without_a_domain)
{
    char name[200];
    char text[500];
    cr_assert_eq(gethostname(name, sizeof name), 0);
    snprintf(text, sizeof text, "other slots=1\n%s slots=1\n", name);
    shares(text, 2, 1, 1);
    snprintf(text, sizeof text, "other slots=1\n%.*s.a.domain slots=1\n", (int)strcspn(name, "."),
             name);
    shares(text, 2, 1, 1);
}

Test(hostfile, what_is_not_said_is_not_known)
{
    is_vague("localhost\nnode2\n", 4);
    is_vague("localhost slots=2\nnode2 slots=x\n", 4);
    is_vague("localhost slots=2\nnode2 slots=1\n", 4); /* more ranks than slots */
    is_vague("node1 slots=2\nnode2 slots=2\n", 4);     /* which of them is this? */
    is_vague("+n0 slots=2\nlocalhost slots=2\n", 4);
    is_vague("localhost max_slots=4\nnode2 slots=4\n", 4);
}

Test(hostfile, variables_say_whether_there_are_other_hosts)
{
    int b;
    int c;
    cr_assert(hostfile_ranks_here(4, &b, &c) && b == 0 && c == 4);
    setenv("SLURM_JOB_NUM_NODES", "1", 1);
    cr_assert(hostfile_ranks_here(4, &b, &c) && c == 4);
    setenv("SLURM_JOB_NUM_NODES", "2", 1);
    cr_assert_not(hostfile_ranks_here(4, &b, &c));
    unsetenv("SLURM_JOB_NUM_NODES");
    setenv("OMPI_MCA_orte_default_hostfile", "/no/such/file", 1);
    cr_assert_not(hostfile_ranks_here(4, &b, &c));
    program_write(program_file("hosts"), "node2 slots=1\nlocalhost slots=3\n");
    setenv("OMPI_MCA_orte_default_hostfile", program_file("hosts"), 1);
    cr_assert(hostfile_ranks_here(4, &b, &c) && b == 1 && c == 3);
    setenv("OMPI_MCA_rmaps_base_mapping_policy", "node", 1);
    cr_assert_not(hostfile_ranks_here(4, &b, &c));
}

/* Sixty-four ranks of which one is here are not refused for the memory of all. No host of these can
 * be reached: the cell fails for that. */
static struct program run_on(const char *hosts)
{
    program_write(program_file("hosts"), hosts);
    setenv("OMPI_MCA_orte_default_hostfile", program_file("hosts"), 1);
    setenv("OMPI_MCA_plm_rsh_agent", "false", 1);
    return program_run("run", "--model=pixart-alpha-1024", "--requests=64", "--strategy=data=64",
                       "--transport=mpi", "--steps=2", "--check=off", "--timeout=20", NULL);
}

Test(hostfile_mpi, memory_is_foreseen_for_the_ranks_of_this_host)
{
    program_needs_mpi();
    struct program p = run_on("localhost slots=64\n");
    cr_assert(p.status == 4 && strstr(p.err, "64 ranks need"), "%d: %s", p.status, p.err);
    program_release(&p);
    p = run_on("localhost slots=1\n192.0.2.1 slots=63\n");
    cr_assert(p.status == 5 && !strstr(p.err, "MB"), "%d: %s", p.status, p.err);
    program_release(&p);
    p = run_on("localhost\n192.0.2.1\n");
    cr_assert(p.status == 5 && strstr(p.err, "is not known"), "%d: %s", p.status, p.err);
    program_release(&p);
}
