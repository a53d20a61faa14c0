/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of a log, sorted by who said them. */
#include "harness/launch/log.h"

#include "harness/launch/mpirun.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TAIL_LINES = 5, TAIL_BYTES = 1 << 16, RULER = 20, MPIRUN_TEXT = 400 };

/* The last bytes of the file, 0-terminated, allocated; NULL: none. */
static char *read_tail(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = fd < 0 ? NULL : malloc(TAIL_BYTES + 1);
    if (text) {
        off_t end = lseek(fd, 0, SEEK_END);
        ssize_t n = pread(fd, text, TAIL_BYTES, end > TAIL_BYTES ? end - TAIL_BYTES : 0);
        for (ssize_t i = 0; i < n; i++)
            if (text[i] == '\0')
                text[i] = ' ';
        text[n > 0 ? n : 0] = '\0';
    }
    if (fd >= 0)
        close(fd);
    return text;
}

static bool is_blank(const char *line)
{
    return line[strspn(line, " \t\r-=")] == '\0';
}

/* Open MPI puts its messages between rulers. */
static bool is_ruler(const char *line)
{
    return strspn(line, "-") >= RULER && is_blank(line);
}

/* "[host:1234] ...": its libraries, stack traces among them. */
static bool is_trace(const char *line)
{
    size_t end = strcspn(line, "]");
    const char *colon = line[0] == '[' && line[end] ? memrchr(line, ':', end) : NULL;
    return colon && colon + 1 + strspn(colon + 1, "0123456789") == line + end;
}

/* What it says after every end that is not a good one. */
static bool is_epilogue(const char *line)
{
    return strncmp(line, "Primary job ", 12) == 0 ||
           strncmp(line, "mpirun detected that one or more", 32) == 0;
}

/* "3 total processes failed to start" */
static bool is_no_start(const char *line)
{
    return strstr(line, " total process") && strstr(line, " failed to start");
}

struct gist {
    const char *line[TAIL_LINES]; /* the last of our own */
    int n;
    char mpirun[MPIRUN_TEXT]; /* the first paragraph between rulers that says something */
    bool taken;               /* it is whole; one that ends with a colon goes on */
};

static void take_own(struct gist *g, const char *line)
{
    if (g->n == TAIL_LINES)
        memmove(g->line, g->line + 1, (TAIL_LINES - 1) * sizeof *g->line);
    g->line[g->n < TAIL_LINES ? g->n++ : TAIL_LINES - 1] = line;
}

static void take_mpirun(struct gist *g, const char *line)
{
    size_t used = strlen(g->mpirun);
    snprintf(g->mpirun + used, sizeof g->mpirun - used, "%s%s", used ? " " : "",
             line + strspn(line, " \t"));
}

static void end_paragraph(struct gist *g)
{
    size_t n = strlen(g->mpirun);
    g->taken |= n > 0 && g->mpirun[n - 1] != ':';
}

/* Cuts the text into lines. */
static void sort_lines(char *text, struct gist *g)
{
    bool between = false;
    bool epilogue = false;
    for (char *line = text, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        if (is_ruler(line)) {
            between = !between;
            epilogue = false;
            end_paragraph(g);
        } else if (between && is_blank(line)) {
            end_paragraph(g);
        } else if (between) {
            epilogue |= is_epilogue(line);
            if (!g->taken && !epilogue)
                take_mpirun(g, line);
        } else if (!is_blank(line) && !is_trace(line) && !is_no_start(line)) {
            take_own(g, line);
        }
    }
}

char *log_gist(const char *path, char *out, size_t size)
{
    struct gist g = {.n = 0};
    char *text = read_tail(path);
    size_t used = 0;
    out[0] = '\0';
    if (!text)
        return out;
    const char *hint = mpirun_hint(text);
    sort_lines(text, &g);
    if (g.n == 0)
        used = (size_t)snprintf(out, size, "%s", g.mpirun);
    for (int i = 0; i < g.n && used + 1 < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%.300s", i ? " | " : "", g.line[i]);
    free(text);
    for (char *c = out; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = ' ';
    used = strlen(out);
    snprintf(out + used, size - used, "%s", hint);
    return out;
}

bool log_tells_no_start(const char *path)
{
    char *text = read_tail(path);
    bool tells = text && is_no_start(text);
    free(text);
    return tells;
}
