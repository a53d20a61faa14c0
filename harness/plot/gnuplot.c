/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the templates, quoting texts, starting gnuplot and reading what it complains about. */
#include "harness/plot/gnuplot.h"

#include "harness/base/self.h"
#include "harness/base/text.h"
#include "harness/plot/finish.h"
#include "harness/plot/plot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- templates ---- */

/* Allocated real path of `folder` when it holds the templates, else NULL. */
static char *templates_in(const char *folder)
{
    char *file = NULL, *found = NULL;
    if (asprintf(&file, "%s/style.gp", folder) < 0)
        return NULL;
    if (access(file, R_OK) == 0)
        found = realpath(folder, NULL);
    free(file);
    return found;
}

enum status plot_gnuplot_share(char **folder)
{
    const char *chosen = getenv("DITBENCH_SHARE");
    char share[PATH_MAX], place[PATH_MAX + 8];
    *folder = NULL;
    if (chosen && *chosen) {
        *folder = templates_in(chosen);
        return *folder ? ST_OK
                       : fail(ST_IO,
                              "plot: DITBENCH_SHARE=%s holds no style.gp; name the folder of "
                              "the *.gp files, or unset it",
                              chosen);
    }
    enum status st = self_share(share);
    if (st)
        return fail_prefix(st,
                           "plot: no templates (DITBENCH_SHARE names the folder of *.gp files)");
    snprintf(place, sizeof place, "%s/plots", share);
    *folder = templates_in(place);
    return *folder ? ST_OK : fail(ST_OOM, "plot: %s: no host memory", place);
}

/* ---- prelude ---- */

/* What a string has for the character that a text begins with, which has `length` bytes; 0: it is
 * none that can be shown. A quote is a string of its own, joined by '.': gnuplot 5.4 misreads '' at
 * a string's start. *after: bytes of "]" before it, for "]]>" may not be in an SVG's text. */
static void put_character(FILE *out, const char *s, int length, int *after)
{
    if (*s == '\'')
        fputs("'.\"'\".'", out);
    else if (*s == '>' && *after >= 2)
        fputs(" >", out);
    else if (length > 0)
        fwrite(s, 1, (size_t)length, out);
    else
        fputs((unsigned char)*s < ' ' || *s == 0x7f ? " " : "\xef\xbf\xbd", out);
    *after = *s == ']' ? *after + 1 : 0;
}

static void put_quoted(FILE *out, const char *text)
{
    int after = 0;
    fputc('\'', out);
    for (const char *s = text; *s;) {
        int length = text_character(s);
        put_character(out, s, length, &after);
        s += length > 0 ? length : 1;
    }
    fputs("'\n", out);
}

void plot_gnuplot_number(FILE *out, const char *name, double value)
{
    fprintf(out, isfinite(value) ? "%s = %.9g\n" : "%s = NaN\n", name, value);
}

void plot_gnuplot_text(FILE *out, const char *name, const char *text)
{
    fprintf(out, "%s = ", name);
    put_quoted(out, text);
}

void plot_gnuplot_array(FILE *out, const char *name, int n)
{
    if (n > 0)
        fprintf(out, "array %s[%d]\n", name, n);
}

void plot_gnuplot_element(FILE *out, const char *name, int i, const char *text)
{
    fprintf(out, "%s[%d] = ", name, i);
    put_quoted(out, text);
}

int plot_gnuplot_folded(FILE *out, const char *array, int n, int most, const char *text,
                        int columns)
{
    for (const char *line = text, *next; *line && n < most; line = next) {
        char copy[2048];
        int bytes = text_fold(line, columns, &next);
        snprintf(copy, sizeof copy, "%.*s", bytes, line);
        plot_gnuplot_element(out, array, ++n, copy);
    }
    return n;
}

double plot_gnuplot_pixels(double width_cm)
{
    return width_cm * 96 / 2.54;
}

int plot_gnuplot_columns(double width_cm, bool title)
{
    double character = title ? 9.2 : 5.9; // pixels of one
    if (width_cm <= 0)
        return title ? 84 : 120;
    return (int)fmax(12, (plot_gnuplot_pixels(width_cm) - 32) / character);
}

/* ---- the program ---- */

enum { LAST_WORDS = 1024 };

/* Reads a pipe to its end and keeps the last LAST_WORDS - 1 bytes, without line breaks at their
 * end. */
static void read_end(int fd, char text[LAST_WORDS])
{
    char piece[512];
    size_t length = 0;
    ssize_t n;
    while ((n = read(fd, piece, sizeof piece)) > 0 || (n < 0 && errno == EINTR)) {
        for (ssize_t i = 0; i < n; i++) {
            if (length == LAST_WORDS - 1)
                memmove(text, text + 1, --length);
            text[length++] = piece[i];
        }
    }
    while (length > 0 && strchr("\n\r ", text[length - 1]))
        length--;
    text[length] = '\0';
}

/* Starts argv in `folder` with its messages going to the pipe `out`. 0, or an errno. */
static int start(const char *folder, char *const *argv, int out, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error)
        return error;
    error = posix_spawn_file_actions_addchdir_np(&actions, folder);
    if (!error)
        error = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", 0, 0);
    if (!error)
        error = posix_spawn_file_actions_adddup2(&actions, out, 1);
    if (!error)
        error = posix_spawn_file_actions_adddup2(&actions, out, 2);
    if (!error)
        error = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

/* Runs a program to its end. 0, or the errno of why it could not be started; *code: as waitpid
 * gives it. */
static int run_program(const char *folder, char *const *argv, char words[LAST_WORDS], int *code)
{
    int fd[2];
    pid_t pid;
    words[0] = '\0';
    if (pipe2(fd, O_CLOEXEC) != 0)
        return errno;
    int error = start(folder, argv, fd[1], &pid);
    close(fd[1]);
    if (!error) {
        read_end(fd[0], words);
        while (waitpid(pid, code, 0) < 0 && errno == EINTR)
            ;
    }
    close(fd[0]);
    return error;
}

static enum status draw(const struct plot_drawing *d, const char *format, bool *missing)
{
    char set_format[32], prelude[PATH_MAX], style[PATH_MAX], chart[PATH_MAX], words[LAST_WORDS];
    snprintf(set_format, sizeof set_format, "format='%s'", format);
    snprintf(prelude, sizeof prelude, "data/%s.gp", d->name);
    snprintf(style, sizeof style, "%s/style.gp", d->share);
    snprintf(chart, sizeof chart, "%s/%s.gp", d->share, d->template_name);
    char program[] = "gnuplot", no_settings[] = "-d", execute[] = "-e";
    char *argv[] = {program, no_settings, execute, set_format, prelude, style, chart, NULL};
    int code = 0, error = run_program(d->folder, argv, words, &code);
    *missing = error == ENOENT;
    if (error == ENOENT)
        return fail(ST_IO, "plot: gnuplot is not installed; apt-get install gnuplot-nox, or make "
                           "deps");
    if (error)
        return fail(ST_IO, "plot: gnuplot cannot be started: %s", strerror(error));
    if (code != 0)
        return fail(ST_IO, "plot: gnuplot could not draw %s/%s.%s with %s:\n%s", d->folder, d->name,
                    format, chart, words);
    return ST_OK;
}

enum status plot_gnuplot_draw(const struct plot_drawing *drawing, unsigned formats, bool *missing)
{
    static const struct {
        unsigned bit;
        const char *name;
        enum status (*finish)(const char *path, double width_cm);
    } format[] = {
        {PLOT_SVG, "svg", plot_finish_svg},
        {PLOT_PNG, "png", plot_finish_png},
        {PLOT_PDF, "pdf", plot_finish_pdf},
    };
    char path[2 * PATH_MAX];
    for (size_t i = 0; i < sizeof format / sizeof format[0]; i++) {
        if (!(formats & format[i].bit))
            continue;
        TRY(draw(drawing, format[i].name, missing));
        snprintf(path, sizeof path, "%s/%s.%s", drawing->folder, drawing->name, format[i].name);
        TRY(format[i].finish(path, drawing->width_cm));
        if (!drawing->quiet)
            printf("%s\n", path);
    }
    return ST_OK;
}
