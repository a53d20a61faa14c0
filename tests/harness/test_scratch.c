/* SPDX-License-Identifier: Apache-2.0 */
/* Folders whose owner was killed: found and removed, and no others. */
#include "harness/launch/scratch.h"
#include "harness/launch/segments.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void begin(void)
{
    program_limit();
    setenv("TMPDIR", program_folder(), 1);
}

TestSuite(scratch, .init = begin);
TestSuite(scratch_mpi, .init = begin);

static bool exists(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

/* Files that match, relative to this test's folder unless absolute; the first one's path. */
static int count(const char *pattern, char *first, size_t size)
{
    glob_t found;
    char whole[300];
    snprintf(whole, sizeof whole, pattern[0] == '/' ? "%.0s%s" : "%s/%s", program_folder(),
             pattern);
    int n = glob(whole, 0, NULL, &found) == 0 ? (int)found.gl_pathc : 0;
    if (n > 0 && first)
        snprintf(first, size, "%s", found.gl_pathv[0]);
    globfree(&found);
    return n;
}

Test(scratch, is_made_and_removed_with_all_in_it)
{
    struct scratch s;
    char path[PATH_MAX];
    cr_assert_eq(scratch_open("ranks", &s), ST_OK, "%s", status_message());
    strcpy(path, s.path);
    cr_assert_eq(strncmp(path, program_file("ditbench-ranks-"), strlen(path) - 6), 0, "%s", path);
    snprintf(path, sizeof path, "%.1000s/deep", s.path);
    cr_assert_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%.1000s/deep/file", s.path);
    program_write(path, "x");
    strcpy(path, s.path);
    scratch_remove_orphans(); /* its owner lives */
    cr_assert(exists(path));
    scratch_close(&s);
    cr_assert_not(exists(path));
    scratch_close(&s);
}

Test(scratch, goes_when_its_owner_is_dead)
{
    int ready[2];
    char c;
    cr_assert_eq(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct scratch s;
        _exit(scratch_open("mpi", &s) || write(ready[1], "x", 1) != 1 ? 1 : (pause(), 1));
    }
    cr_assert_eq(read(ready[0], &c, 1), 1);
    scratch_remove_orphans();
    cr_assert_eq(count("ditbench-mpi-*", NULL, 0), 1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    scratch_remove_orphans();
    cr_assert_eq(count("ditbench-*", NULL, 0), 0);
}

Test(scratch, goes_even_if_it_was_not_ready_yet)
{
    cr_assert_eq(mkdir(program_file("ditbench-new-abcdef"), 0700), 0);
    cr_assert_eq(mkdir(program_file("ditbench-new-locked"), 0700), 0);
    program_write(program_file("ditbench-new-locked/owner"), "");
    cr_assert_eq(mkdir(program_file("ditbench-new-full"), 0700), 0);
    program_write(program_file("ditbench-new-full/file"), "");
    scratch_remove_orphans();
    cr_assert_eq(count("ditbench-new-*", NULL, 0), 1); /* nothing says whose the last one is */
}

Test(scratch, what_is_not_proven_to_be_ours_stays)
{
    static const char *const folders[] = {"ditbench-mpi-nobody", "ditbench-other-1", "ompi.host.0",
                                          "ditbench-ranks-link"};
    for (int i = 0; i < 4; i++)
        cr_assert_eq(mkdir(program_file(folders[i]), 0700), 0);
    program_write(program_file("ditbench-other-1/owner"), "");
    program_write(program_file("theirs"), "");
    cr_assert_eq(symlink(program_file("theirs"), program_file("ditbench-ranks-link/owner")), 0);
    program_write(program_file("ditbench-mpi-file"), "");
    scratch_remove_orphans();
    for (int i = 0; i < 4; i++)
        cr_assert(exists(program_file(folders[i])), "%s", folders[i]);
    cr_assert(exists(program_file("ditbench-mpi-file")));
}

/* Jobs 0x7e570001 and 0x7e580001 of nobody here. */
Test(scratch, segments_go_with_their_session)
{
    const char *own = "/dev/shm/vader_segment.a.host.0.7e570001.3";
    const char *other = "/dev/shm/vader_segment.a.host.0.7e580001.3";
    char *folder = program_file("session");
    cr_assert_eq(mkdir(folder, 0700), 0);
    cr_assert_eq(mkdir(program_file("session/ompi.a.0"), 0700), 0);
    cr_assert_eq(mkdir(program_file("session/ompi.a.0/pid.7"), 0700), 0);
    program_write(program_file("session/ompi.a.0/pid.7/contact.txt"), "2119630848.0;tcp://x\n7\n");
    program_write(own, "x");
    program_write(other, "x");
    segments_remove(folder);
    bool gone = !exists(own);
    bool stayed = exists(other);
    unlink(own);
    unlink(other);
    cr_assert(gone && stayed);
}

/* Its sessions and its shared memory, whose names hold the job: found here as the program does. */
Test(scratch_mpi, a_killed_driver_leaves_nothing_to_the_next)
{
    program_needs_mpi();
    char contact[300];
    char segments[100];
    const char *argv[] = {program_path(),      "run",          "--model=pixart-tiny",
                          "--steps=431",       "--repeats=99", "--transport=mpi",
                          "--strategy=ring=2", "--check=off",  NULL};
    pid_t pid = program_start(argv);
    cr_assert(program_wait_for("--frames=1 --steps=431", false));
    for (int i = 0; i < 500 && count("ditbench-mpi-*/ompi.*/pid.*/contact.txt", contact, 300) == 0;
         i++)
        usleep(20000);
    char *text = program_read(contact);
    snprintf(segments, sizeof segments, "/dev/shm/*.%lx.*", strtoul(text, NULL, 10) + 1);
    free(text);
    for (int i = 0; i < 500 && count(segments, NULL, 0) < 2; i++)
        usleep(20000);
    cr_expect_eq(count(segments, NULL, 0), 2, "%s", segments);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    cr_assert(program_wait_for("--steps=431", true));
    struct program p = program_run("run", "--model=pixart-tiny", "--size=64", "--steps=2",
                                   "--repeats=1", "--check=off", NULL);
    cr_assert_eq(p.status, 0, "%s", p.err);
    program_release(&p);
    cr_assert_eq(count("ditbench-mpi-*", NULL, 0), 0);
    cr_assert_eq(count(segments, NULL, 0), 0, "%s", segments);
}
