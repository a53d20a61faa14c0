/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every reference file of golden/ on one GPU, by the code behind `ditbench verify`, in three
 * dtypes and one process. The folder: DITBENCH_GOLDEN, else the one of the sources.
 */
#include "tests/cuda/gpu.h"

#include "harness/check/verify.h"
#include "kernels/backend.h"

#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILES_MAX = 64 };

/* NAME.KIND.safetensors beside the checkpoint folder NAME. */
struct reference_file {
    char model[CELL_MODEL];
    char path[PATH_MAX];
    const char *name; /* in path */
};

static const char *golden_folder(void)
{
    const char *folder = getenv("DITBENCH_GOLDEN");
    return folder && *folder ? folder : DITBENCH_SOURCE_DIR "/tests/golden";
}

static bool is_reference(const char *folder, const char *name, struct reference_file *out)
{
    static const char *const kinds[] = {".forward.safetensors", ".sample.safetensors"};
    struct stat info;
    for (int k = 0; k < 2; k++) {
        const char *end = strstr(name, kinds[k]);
        if (!end || strcmp(end, kinds[k]) != 0)
            continue;
        int used =
            snprintf(out->model, sizeof out->model, "%s/%.*s", folder, (int)(end - name), name);
        CHECK(used < (int)sizeof out->model, "%s: its path is too long for a cell", name);
        snprintf(out->path, sizeof out->path, "%s/%s", folder, name);
        out->name = strrchr(out->path, '/') + 1;
        return stat(out->model, &info) == 0 && S_ISDIR(info.st_mode);
    }
    return false;
}

static int by_name(const void *a, const void *b)
{
    const struct reference_file *x = a;
    const struct reference_file *y = b;
    return strcmp(x->path, y->path);
}

static int find_files(const char *folder, struct reference_file file[FILES_MAX])
{
    int n = 0;
    DIR *listing = opendir(folder);
    if (!listing)
        return 0;
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;) {
        CHECK(n < FILES_MAX, "%s: more than %d references", folder, FILES_MAX);
        n += is_reference(folder, entry->d_name, &file[n]);
    }
    closedir(listing);
    qsort(file, (size_t)n, sizeof *file, by_name);
    for (int i = 0; i < n; i++) // the sort has moved what the names pointed to
        file[i].name = strrchr(file[i].path, '/') + 1;
    return n;
}

/* verify_run prints the distance and the verdict behind the file's name. */
static enum status verify_one(const struct reference_file *file, enum dtype dtype, double *distance)
{
    struct model model;
    struct verify_file read;
    struct cell cell;
    *distance = INFINITY;
    cell_init(&cell);
    snprintf(cell.model, sizeof cell.model, "%s", file->model);
    snprintf(cell.backend, sizeof cell.backend, "%s", GPU_BACKEND);
    snprintf(cell.dtype, sizeof cell.dtype, "%s", dtype_name(dtype));
    strcpy(cell.transport, "local");
    cell.threads = 1;
    TRY(model_load(cell.model, NULL, &model));
    enum status st = verify_file_read(file->path, &model, &read);
    if (st == ST_OK) {
        struct verify verify = {.cell = &cell, .file = &read, .tolerance = NAN};
        printf("     %s %s ", dtype_name(dtype), file->name);
        st = verify_run(&verify);
        *distance = verify.rel_l2;
    }
    verify_file_release(&read);
    return st;
}

/* Number of files that are not as they should be. */
static int verify_all(const struct reference_file *file, int n, enum dtype dtype)
{
    double worst = 0;
    double distance;
    int bad = 0;
    const char *name = "none";
    for (int i = 0; i < n; i++) {
        if (verify_one(&file[i], dtype, &distance) != ST_OK) {
            bad++;
            printf("\n     %s %s: FAILED: %s\n", dtype_name(dtype), file[i].name, status_text());
            status_clear();
        }
        if (!(distance <= worst)) {
            worst = distance;
            name = file[i].name;
        }
    }
    printf("     golden, %s: %d references, %d bad, worst relative L2 %.3g (%s)\n",
           dtype_name(dtype), n, bad, worst, name);
    return bad;
}

/* A device stays open meanwhile, so that libraries are not loaded again for each file. */
static void test_references(void)
{
    static struct reference_file file[FILES_MAX];
    const struct device_options options = {.threads = 1};
    const struct backend_ops *ops = backend_find(GPU_BACKEND);
    struct device *dev;
    int bad = 0;
    int n = find_files(golden_folder(), file);
    if (n == 0) {
        gpu_skip("%s: no reference files; set DITBENCH_GOLDEN to their folder", golden_folder());
        return;
    }
    OK(device_open(ops, &options, &dev));
    for (int d = 0; d < 3; d++)
        if (ops->supports(gpu_dtype(d)))
            bad += verify_all(file, n, gpu_dtype(d));
    device_close(dev);
    CHECK(bad == 0, "%d of the references are not met", bad);
}

const struct gpu_test tests_golden[] = {
    {"golden/references", test_references},
    {NULL, NULL},
};
