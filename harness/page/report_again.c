/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that make the rows of a file again, by the builds and with the words that the rows
 * name. Not the section around them. */
#include "harness/base/text.h"
#include "harness/page/report_part.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- builds ---- */

/* The commit that a row was built from, as git takes it; NULL: it is not known. */
static const char *commit_of(const struct record *r)
{
    const char *commit = r->env.commit;
    return commit && *commit && commit[strspn(commit, "0123456789abcdef")] == '\0' ? commit : NULL;
}

static bool same_commit(const struct record *a, const struct record *b)
{
    const char *x = commit_of(a), *y = commit_of(b);
    return strcmp(x ? x : "", y ? y : "") == 0;
}

/* Whether a row before row i of file f is of its commit. */
static bool built_before(const struct files *files, int f, int i)
{
    const struct record *r = files->list[f].v[i];
    for (int g = 0; g <= f; g++)
        for (int k = 0; k < (g < f ? files->list[g].n : i); k++)
            if (same_commit(files->list[g].v[k], r))
                return true;
    return false;
}

int report_count_unbuilt(const struct files *files, int *rows)
{
    int n = 0;
    *rows = 0;
    for (int f = 0; f < files->n; f++)
        for (int i = 0; i < files->list[f].n; i++) {
            n += !commit_of(files->list[f].v[i]);
            ++*rows;
        }
    return n;
}

void report_put_builds(FILE *out, const struct files *files)
{
    for (int f = 0; f < files->n; f++)
        for (int i = 0; i < files->list[f].n; i++) {
            const struct record *r = files->list[f].v[i];
            if (!commit_of(r) || built_before(files, f, i))
                continue;
            fprintf(out, "git worktree add ../ditbench-%s %s && make -C ../ditbench-%s%s\n",
                    r->env.commit, r->env.commit, r->env.commit,
                    r->env.dirty == RECORD_YES ? "   # and local changes that are not in the commit"
                                               : "");
        }
    int rows;
    if (report_count_unbuilt(files, &rows) > 0)
        fputs("make\n", out);
}

/* ---- a command in the tree of its build ---- */

/* A command begins in the tree that its rows were built from, where the files that it names are as
 * they were, and writes its rows back to where the reader is. */
struct call {
    FILE *out;
    const struct record_list *rows; /* of the file */
    const char *again;              /* name of the new file */
};

static void begin(const struct call *c, const struct record *r)
{
    if (commit_of(r))
        fprintf(c->out, "(cd ../ditbench-%s && ", commit_of(r));
}

static void put_again(const struct call *c, const struct record *r, const char *option)
{
    fprintf(c->out, " %s %s", option, commit_of(r) ? "\"$OLDPWD\"/" : "");
    text_put_word(c->out, c->again);
}

static void end(const struct call *c, const struct record *r)
{
    fputs(commit_of(r) ? ")" : "", c->out);
}

/* The recorded words from the k-th on, but for option `skipped` with its value. */
static void put_words(FILE *out, const struct record_texts *argv, int k, const char *skipped)
{
    size_t n = skipped ? strlen(skipped) : 0;
    for (; k < argv->n; k++) {
        const char *word = argv->v[k];
        char end = n > 0 && strncmp(word, skipped, n) == 0 ? word[n] : 'x';
        if (end == '=')
            continue;
        if (end == '\0') {
            k++;
            continue;
        }
        fputc(' ', out);
        text_put_word(out, word);
    }
}

static bool has_word(const struct record_texts *argv, const char *word)
{
    for (int i = 0; i < argv->n; i++)
        if (strcmp(argv->v[i], word) == 0)
            return true;
    return false;
}

/* Whether the row is of that command of ditbench. */
static bool is_command(const struct record *r, const char *command)
{
    return r->argv.n > 1 && strcmp(r->argv.v[1], command) == 0;
}

/* `sweep` and `reproduce`: all words but where rows went. Without words: the sweep of the name. */
static void put_sweep(const struct call *c, const struct record *r)
{
    begin(c, r);
    fputs("build/ditbench", c->out);
    if (r->argv.n > 2) {
        put_words(c->out, &r->argv, 1, "--results");
    } else {
        fputs(" sweep ", c->out);
        text_put_word(c->out, r->experiment);
    }
    put_again(c, r, "--results");
    end(c, r);
    fputc('\n', c->out);
}

/* `run` tells its row on standard output. */
static void put_run(const struct call *c, const struct record *r)
{
    begin(c, r);
    fputs("build/ditbench", c->out);
    put_words(c->out, &r->argv, 1, NULL);
    fputs(has_word(&r->argv, "--json") ? "" : " --json", c->out);
    end(c, r);
    fputs(" >>", c->out);
    text_put_word(c->out, c->again);
    fputc('\n', c->out);
}

/* ---- other programs ---- */

/* Whether the row tells how experiments/peers/peers.py was called. */
static bool tells_call(const struct record *r)
{
    static const char name[] = "peers.py";
    size_t n = r->argv.n > 0 ? strlen(r->argv.v[0]) : 0;
    return n >= sizeof name - 1 && strcmp(r->argv.v[0] + n - (sizeof name - 1), name) == 0;
}

/* The script passes over cells that are in its file, whatever their build: of a second build it
 * has to measure them again. */
static void put_anew(const struct call *c, const struct record *r)
{
    int first = 0;
    while (!sheet_peer(c->rows->v[first]))
        first++;
    if (!same_commit(c->rows->v[first], r) && !has_word(&r->argv, "--again"))
        fputs(" --again", c->out);
}

static void put_call(const struct call *c, const struct record *r)
{
    begin(c, r);
    fputs("experiments/peers/peers.py", c->out);
    put_words(c->out, &r->argv, 1, "--out");
    put_anew(c, r);
    put_again(c, r, "--out");
    end(c, r);
    fputc('\n', c->out);
}

/* A row of another program that does not tell its call, of the commit of `like`. */
static bool is_untold(const struct record *r, const struct record *like)
{
    return sheet_peer(r) && !tells_call(r) && same_commit(r, like);
}

/* What a row says of an option, into a text of REPORT_TEXT bytes. */
typedef void value_of(const struct record *r, char *text);

static void side_of(const struct record *r, char *text)
{
    snprintf(text, REPORT_TEXT, ",%.400s", r->cell.backend);
}

static void spec_of(const struct record *r, char *text)
{
    snprintf(text, REPORT_TEXT, "%.400s;", r->cell.strategy); // its ';' keeps "cfg=2,ring=2" one
}

static void cell_of(const struct record *r, char *text)
{
    snprintf(text, REPORT_TEXT, "%.400s:%d,", r->cell.model, r->cell.width);
}

/* Of the untold rows of r's commit each value once, behind `first`. */
static void put_values(const struct call *c, const struct record *r, const char *first,
                       value_of *value)
{
    char all[4 * REPORT_TEXT], own[REPORT_TEXT], other[REPORT_TEXT];
    size_t n = (size_t)snprintf(all, sizeof all, "%s", first);
    for (int i = 0; i < c->rows->n; i++) {
        bool again = !is_untold(c->rows->v[i], r);
        value(c->rows->v[i], own);
        for (int k = 0; k < i && !again; k++) {
            value(c->rows->v[k], other);
            again = is_untold(c->rows->v[k], r) && strcmp(own, other) == 0;
        }
        if (!again && n + strlen(own) < sizeof all)
            n += (size_t)snprintf(all + n, sizeof all - n, "%s", own);
    }
    if (all[n - 1] == ',')
        all[n - 1] = '\0';
    text_put_word(c->out, all);
}

/* What rows without their call tell of it, by this tree's script: builds may be older than it. */
static void put_untold(const struct call *c, const struct record *r)
{
    int rounds = 0, loops = 1;
    for (int i = 0; i < c->rows->n; i++) {
        const struct record *other = c->rows->v[i];
        if (!is_untold(other, r))
            continue;
        if (rounds == 0 && other != r) // the first of them has told it
            return;
        rounds = other->cell.round + 1 > rounds ? other->cell.round + 1 : rounds;
        loops = other->cell.repeats > loops ? other->cell.repeats : loops;
    }
    fputs(
        "# How the script was called these rows do not tell: sides, cells, strategies, rounds and "
        "loops are theirs, other options are not known\nexperiments/peers/peers.py --out ",
        c->out);
    text_put_word(c->out, c->again);
    fprintf(c->out, " --ditbench %s%s%sbuild/ditbench --sides ", commit_of(r) ? "../ditbench-" : "",
            commit_of(r) ? commit_of(r) : "", commit_of(r) ? "/" : "");
    put_values(c, r, "ditbench", side_of);
    fputs(" --cells ", c->out);
    put_values(c, r, "", cell_of);
    fputs(" --specs ", c->out);
    put_values(c, r, "", spec_of);
    fprintf(c->out, " --rounds %d --loops %d --seconds 86400", rounds, loops);
    put_anew(c, r);
    fputc('\n', c->out);
}

/* Whether other programs' rows of the same commit stand beside it: their script ran it too. */
static bool has_peers(const struct call *c, const struct record *r)
{
    for (int i = 0; i < c->rows->n; i++)
        if (sheet_peer(c->rows->v[i]) && same_commit(c->rows->v[i], r))
            return true;
    return false;
}

/* ---- a file ---- */

static void put_row(const struct call *c, const struct record *r)
{
    if (sheet_peer(r) && tells_call(r))
        put_call(c, r);
    else if (sheet_peer(r))
        put_untold(c, r);
    else if (!is_command(r, "sweep") && !is_command(r, "reproduce") && has_peers(c, r))
        return;
    else if (is_command(r, "run"))
        put_run(c, r);
    else if ((r->experiment && *r->experiment) || r->argv.n > 2)
        put_sweep(c, r);
}

enum status report_put_again(FILE *out, const struct record_list *rows, const char *again)
{
    int n = 0;
    char **said = calloc((size_t)rows->n + 1, sizeof *said); // [n] each command once
    bool room = said != NULL;
    for (int i = 0; i < rows->n && room; i++) {
        size_t size;
        bool known = false;
        FILE *one = open_memstream(&said[n], &size);
        if (one)
            put_row(&(struct call){one, rows, again}, rows->v[i]);
        room = one && fclose(one) == 0;
        for (int k = 0; k < n && room && !known; k++)
            known = strcmp(said[k], said[n]) == 0;
        if (room && !known)
            fputs(said[n++], out);
        else
            free(said[n]);
    }
    for (int k = 0; k < n; k++)
        free(said[k]);
    free(said);
    return room ? ST_OK : fail(ST_OOM, "report: no memory for commands");
}
