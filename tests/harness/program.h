/* SPDX-License-Identifier: Apache-2.0 */
/* Runs build/ditbench as a user would, and keeps what it said. */
#ifndef TESTS_HARNESS_PROGRAM_H
#define TESTS_HARNESS_PROGRAM_H

#include <stdbool.h>
#include <sys/types.h>

enum { PROGRAM_ARGS = 40 };

struct program {
    int status; /* exit status, or 128 + signal */
    char *out, *err;
};

/* $DITBENCH_PROGRAM, else the one of this build. */
const char *program_path(void);

/* Words after the program's name, ended by NULL; waits. The cache is a folder of this test process.
 */
struct program program_run(const char *first, ...);
/* The same for a whole command line: argv[0] is found in PATH. */
struct program program_command(const char *const *argv);
void program_release(struct program *program);

/* Starts one in a group of its own and returns its process; its output goes to /dev/null. */
pid_t program_start(const char *const *argv);

/* "key": value of a line of JSON as text (strings without quotes), or "" ; valid until the next
 * call. */
const char *program_json(const char *line, const char *path);

/* A folder for this test process, made on first use. */
const char *program_folder(void);
char *program_file(const char *name); /* a path in it, valid for the next 15 calls */

void program_write(const char *path, const char *text);
char *program_read(const char *path); /* caller frees; NULL: no such file */

/* A suite's .init: the test dies after five minutes, and what it started with it. (Criterion's own
 * .timeout leaks.) */
void program_limit(void);

/* Skips the test where the build has no MPI. What Open MPI leaks is not looked at from here on. */
void program_needs_mpi(void);

/* Processes whose command line holds `text`; not this one. */
int program_count_processes(const char *text);

/* Sends signal `number` (0: none) to every other process whose command line holds `text`; how many.
 */
int program_signal_processes(const char *text, int number);

/* Waits until there is one (or, with `gone`, none left), at most 40 s; false: in vain. */
bool program_wait_for(const char *text, bool gone);

#endif
