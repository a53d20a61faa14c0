/* SPDX-License-Identifier: Apache-2.0 */
/* The progress line: its words by width, and how it moves on a terminal and is silent elsewhere. */
#include "harness/report/progress.h"
#include "tests/harness/program.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(progress, .init = program_limit);

static const struct progress middle = {
    .total = 60,
    .done = 13,
    .skipped = 3,
    .start = 1000,
    .worked = 20, /* ten cells of two seconds */
    .cell_start = 1020,
    .part_start = 1021,
    .part = 0.25,
    .phase = "measure",
    .step = 30,
    .steps = 120,
    .cell = "pixart-tiny 256x256 ulysses=2",
};

Test(progress, tells_cells_time_and_step)
{
    char line[400];
    /* 0.5 s of measuring are a quarter: 1.5 s to go, then 46 cells of 2 s */
    cr_assert_str_eq(progress_line(&middle, 1021.5, 200, line, sizeof line),
                     "[####................] 13/60  0:22 elapsed, 1:34 left  measure step 30/120  "
                     "pixart-tiny 256x256 ulysses=2");
    cr_assert_str_eq(progress_line(&middle, 1021.5, 39, line, sizeof line),
                     "13/60  0:22, 1:34 left  measure step 30");
}

Test(progress, a_lone_cell_has_no_number)
{
    struct progress p = middle;
    char line[400];
    p.total = 1;
    p.done = p.skipped = 0;
    p.worked = p.part = 0;
    cr_assert_str_eq(progress_line(&p, 1090, 100, line, sizeof line),
                     "[....................] 1:30 elapsed, ? left  measure step 30/120  "
                     "pixart-tiny 256x256 ulysses=2");
}

Test(progress, cuts_no_character)
{
    struct progress p = middle;
    char line[400];
    strcpy(p.cell, "\xc3\xa4\xc3\xa4\xc3\xa4");
    progress_line(&p, 1021.5, 47, line, sizeof line);
    cr_assert_eq(strlen(line), 47, "%s", line);
    progress_line(&p, 1021.5, 48, line, sizeof line);
    cr_assert_eq(strlen(line), 47, "%s", line);
}

/* ---- on a terminal ---- */

/* The program on a terminal of so many columns; all that it wrote there. Caller frees. */
static char *on_terminal(const char *const *argv, int columns, const char *term,
                         const char *no_colour)
{
    char *text = NULL;
    size_t size = 0;
    char piece[4096];
    ssize_t n;
    struct winsize window = {.ws_row = 24, .ws_col = (unsigned short)columns};
    int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    cr_assert(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
    ioctl(terminal, TIOCSWINSZ, &window);
    program_folder();
    pid_t pid = fork();
    if (pid == 0) {
        int end = open(ptsname(terminal), O_RDWR | O_NOCTTY);
        setsid();
        setenv("TERM", term, 1);
        setenv("NO_COLOR", no_colour, 1);
        setenv("DITBENCH_CACHE", program_folder(), 1);
        setenv("TMPDIR", program_folder(), 1);
        dup2(end, 0);
        dup2(end, 1);
        dup2(end, 2);
        execv(argv[0], (char *const *)argv);
        _exit(127);
    }
    FILE *copy = open_memstream(&text, &size);
    int status;
    do { /* a read fails once nobody has the other end */
        n = read(terminal, piece, sizeof piece);
        if (n > 0)
            fwrite(piece, 1, (size_t)n, copy);
    } while (n > 0 || (n < 0 && errno == EINTR));
    fclose(copy);
    close(terminal);
    waitpid(pid, &status, 0);
    return text;
}

/* One step takes longer than the test: nothing but the clock moves. */
Test(progress, moves_every_second_in_one_long_step)
{
    const char *argv[] = {program_path(), "run",         "--model=dit-xl-2-256", "--size=1024",
                          "--check=off",  "--timeout=4", "--threads=1",          NULL};
    char *text = on_terminal(argv, 80, "xterm", "");
    for (int second = 1; second <= 3; second++) {
        char want[30];
        snprintf(want, sizeof want, "0:%02d elapsed", second);
        cr_expect(strstr(text, want), "%s: not in: %s", want, text);
    }
    free(text);
}

#define TINY                                                                                       \
    "name: bar\nmodels: [pixart-tiny]\nsizes: [64]\nsteps: [2]\nrepeats: 1\nwarmup_loops: 0\n"     \
    "threads: 1\nstrategies: [serial, cfg=2, \"ulysses=5\"]\n"

static char *sweep_on(int columns, const char *term, const char *no_colour)
{
    char *file = program_file("bar.yaml");
    char *rows = program_file("bar.jsonl");
    const char *argv[] = {program_path(), "sweep", file, "--results", rows, NULL};
    program_write(file, TINY);
    unlink(rows);
    return on_terminal(argv, columns, term, no_colour);
}

Test(progress, has_colours_and_a_bar_on_a_terminal)
{
    char *text = sweep_on(100, "xterm", "");
    cr_assert(strstr(text, "\033[32mok\033[0m"), "%s", text);
    cr_assert(strstr(text, "\033[31munsupported\033[0m"), "%s", text);
    cr_assert(strstr(text, "[...................."), "%s", text);
    free(text);
    text = sweep_on(100, "xterm", "1");
    cr_assert_null(strstr(text, "\033[3"), "%s", text);
    cr_assert(strstr(text, "[...................."), "%s", text);
    free(text);
    text = sweep_on(100, "dumb", "");
    cr_assert_null(strchr(text, '\033'), "%s", text);
    free(text);
}

/* Between carriage returns, what is drawn fits. */
Test(progress, fits_a_narrow_terminal)
{
    char *text = sweep_on(40, "xterm", "");
    int lines = 0;
    for (char *line = strtok(text, "\r\n"); line; line = strtok(NULL, "\r\n")) {
        char *end = strstr(line, "\033[K");
        if (!end || end == line)
            continue;
        lines++;
        cr_assert_leq(end - line, 39, "%s", line);
    }
    cr_assert_gt(lines, 0);
    free(text);
}

Test(progress, is_plain_lines_elsewhere)
{
    char *file = program_file("plain.yaml");
    program_write(file, TINY);
    struct program p = program_run("sweep", file, "--results", program_file("plain.jsonl"), NULL);
    cr_assert_null(strchr(p.err, '\033'), "%s", p.err);
    cr_assert_null(strchr(p.err, '\r'), "%s", p.err);
    cr_assert(strstr(p.err, "[1/3] ok ") && strstr(p.err, "[3/3] unsupported "), "%s", p.err);
    program_release(&p);
}
