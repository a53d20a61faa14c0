/* SPDX-License-Identifier: Apache-2.0 */
/* Reading results files, naming their runs, joining rounds. */
#include "harness/report/files.h"

#include "harness/record/file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char *files_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    return strndup(name, dot && dot > name ? (size_t)(dot - name) : strlen(name));
}

void files_close(struct files *f)
{
    for (int i = 0; i < f->n; i++) {
        if (f->rounds)
            record_rounds_release(&f->rounds[i]);
        if (f->list)
            record_list_release(&f->list[i]);
        if (f->run)
            free(f->run[i]);
    }
    free(f->rounds);
    free(f->list);
    free(f->run);
    free(f->record);
    free(f->run_of);
}

static enum status refuse_twice(int n, const char *const *paths)
{
    struct stat a, b;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < i; k++)
            if (stat(paths[i], &a) == 0 && stat(paths[k], &b) == 0 && a.st_dev == b.st_dev &&
                a.st_ino == b.st_ino)
                return fail(ST_INVALID, "%s and %s are one file", paths[k], paths[i]);
    return ST_OK;
}

static enum status name_runs(struct files *f, const char *const *paths)
{
    for (int i = 0; i < f->n; i++) {
        f->run[i] = files_name(paths[i]);
        for (int k = 0; f->run[i] && k < f->n; k++) {
            char *other = k == i ? NULL : files_name(paths[k]);
            if (other && strcmp(other, f->run[i]) == 0) {
                free(f->run[i]);
                f->run[i] = strdup(paths[i]);
            }
            free(other);
        }
        if (!f->run[i])
            return fail(ST_OOM, "the name of %s", paths[i]);
    }
    return ST_OK;
}

static enum status read_all(struct files *f, const char *const *paths)
{
    for (int i = 0; i < f->n; i++) {
        bool torn = false;
        TRY(record_file_read(paths[i], &f->list[i], &torn));
        if (torn)
            fprintf(stderr, "%s: its torn last line is left out\n", paths[i]);
        TRY(record_rounds_join(f->list[i].n, (const struct record *const *)f->list[i].v,
                               &f->rounds[i]));
        f->rows += f->rounds[i].n;
        f->again += f->list[i].again;
    }
    return ST_OK;
}

enum status files_open(int n, const char *const *paths, struct files *f)
{
    *f = (struct files){.n = n};
    f->list = calloc((size_t)n, sizeof *f->list);
    f->rounds = calloc((size_t)n, sizeof *f->rounds);
    f->run = calloc((size_t)n, sizeof *f->run);
    if (!f->list || !f->rounds || !f->run)
        return fail(ST_OOM, "no memory for %d files", n);
    TRY(refuse_twice(n, paths));
    TRY(name_runs(f, paths));
    TRY(read_all(f, paths));
    f->record = calloc((size_t)f->rows + 1, sizeof *f->record);
    f->run_of = calloc((size_t)f->rows + 1, sizeof *f->run_of);
    if (!f->record || !f->run_of)
        return fail(ST_OOM, "no memory for %d records", f->rows);
    for (int i = 0, k = 0; i < n; i++) {
        for (int row = 0; row < f->rounds[i].n; row++, k++) {
            f->record[k] = f->rounds[i].v[row];
            f->run_of[k] = f->run[i];
        }
    }
    return ST_OK;
}

enum status files_sheet(const struct files *files, struct sheet *out)
{
    TRY(sheet_open(files->rows, files->record, files->n > 1 ? files->run_of : NULL, out));
    out->again = files->again;
    return ST_OK;
}
