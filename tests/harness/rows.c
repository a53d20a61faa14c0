/* SPDX-License-Identifier: Apache-2.0 */
/* Sample records, and folders to put them in. */
#include "tests/harness/rows.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void set_id(struct record *r)
{
    BUG_ON(record_identify(r) != ST_OK, "%s", status_message());
}

static struct record *new_row(const char *strategy, int ranks)
{
    struct record *r;
    BUG_ON(record_open(&r) != ST_OK, "%s", status_message());
    r->experiment = "demo";
    r->time = "2030-01-02T03:04:05Z";
    record_add_text(r, &r->argv, "ditbench");
    r->cell = (struct record_cell){
        .model = "pixart-tiny",
        .weights = "synthetic",
        .width = 256,
        .height = 256,
        .frames = 1,
        .steps = 20,
        .guidance = 4.5,
        .requests = 1,
        .dtype = "fp32",
        .backend = "cpu",
        .transport = "local",
        .strategy = record_text(r, strategy),
        .ranks = ranks,
        .seed = 1,
        .warmup_loops = 1,
        .repeats = 5,
        .threads = 2,
        .exchange = "auto",
        .graph = RECORD_YES,
    };
    r->env.host = "here";
    r->env.os = "Linux";
    r->env.cpu = "A CPU";
    r->env.cores = 2;
    r->env.compiler = "gcc";
    r->env.flags = "-O2";
    r->env.commit = "0123456789ab";
    r->env.dirty = RECORD_NO;
    record_add_pair(r, &r->env.libraries, "jansson", "2.14");
    set_id(r);
    return r;
}

struct record *rows_ok(const char *strategy, int ranks, double median)
{
    struct record *r = new_row(strategy, ranks);
    double loops[] = {median, 1.05 * median, 0.97 * median, 1.025 * median, 0.995 * median};
    double steps[20];
    uint64_t peak[64], weights[64], rest[64] = {0};
    BUG_ON(ranks > 64, "%d ranks", ranks);
    for (int i = 0; i < 20; i++)
        steps[i] = median / 20;
    r->status = ENDING_OK;
    record_set_numbers(r, &r->latency_ms.samples, 5, loops);
    record_set_numbers(r, &r->step_ms.samples, 20, steps);
    record_summarise(r);
    r->latency_ms.slowest_rank = ranks - 1;
    for (int i = 0; i < ranks; i++) {
        peak[i] = 4000 + (uint64_t)i;
        weights[i] = 3000;
    }
    record_set_counts(r, &r->memory_bytes.peak, ranks, peak);
    record_set_counts(r, &r->memory_bytes.predicted, ranks, peak);
    record_set_counts(r, &r->memory_bytes.weights, ranks, weights);
    record_set_counts(r, &r->memory_bytes.activations, ranks, rest);
    record_set_counts(r, &r->memory_bytes.kv_store, ranks, rest);
    record_set_counts(r, &r->memory_bytes.buffers, ranks, rest);
    record_set_counts(r, &r->memory_bytes.library, ranks, rest);
    for (int i = 0; i < ranks && ranks > 1; i++)
        record_add_comm(r, &(struct record_comm){.rank = i,
                                                 .axis = "ring",
                                                 .op = "send",
                                                 .when = "step",
                                                 .calls = 20,
                                                 .api_bytes = 1000,
                                                 .wire_bytes = 1000,
                                                 .predicted_wire_bytes = 1000});
    r->check = (struct record_check){"serial", 3e-7, 1e-6, 1e-5, RECORD_YES};
    r->deviation = (struct record_deviation){"serial", 3e-7, 1e-6, 120.5};
    record_judge(r);
    return r;
}

struct record *rows_failed(const char *strategy, int ranks, enum ending status, const char *reason)
{
    struct record *r = new_row(strategy, ranks);
    r->status = status;
    r->reason = record_text(r, reason);
    return r;
}

void rows_set_gpus(struct record *record, const char *transport, int gpus)
{
    const struct record_gpu gpu = {.name = "A GPU", .driver = "1"};
    record->cell.backend = "cuda";
    record->cell.transport = record_text(record, transport);
    record->env.gpus = (struct record_gpus){0};
    for (int i = 0; i < gpus; i++)
        record_add_gpu(record, &gpu);
    set_id(record);
}

void rows_set_size(struct record *record, int width, int height)
{
    record->cell.width = width;
    record->cell.height = height;
    set_id(record);
}

void rows_set_model(struct record *record, const char *model)
{
    record->cell.model = record_text(record, model);
    set_id(record);
}

char *rows_write(const char *folder, const char *name, int n, struct record *const *records)
{
    char *path = NULL;
    BUG_ON(asprintf(&path, "%s/%s", folder, name) < 0, "no memory");
    FILE *out = fopen(path, "a");
    BUG_ON(!out, "%s", path);
    for (int i = 0; i < n; i++) {
        char *line;
        size_t size;
        set_id(records[i]);
        BUG_ON(record_write(records[i], &line, &size) != ST_OK, "%s", status_message());
        fwrite(line, 1, size, out);
        free(line);
    }
    fclose(out);
    return path;
}

char *rows_folder(void)
{
    char *folder = strdup("/tmp/ditbench-test-XXXXXX");
    BUG_ON(!folder || !mkdtemp(folder), "no folder under /tmp");
    return folder;
}

static void remove_all(const char *folder)
{
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char *path = NULL;
        struct stat is;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        BUG_ON(asprintf(&path, "%s/%s", folder, entry->d_name) < 0, "no memory");
        if (lstat(path, &is) == 0 && S_ISDIR(is.st_mode))
            remove_all(path);
        else
            unlink(path);
        free(path);
    }
    if (dir)
        closedir(dir);
    rmdir(folder);
}

void rows_folder_remove(char *folder)
{
    remove_all(folder);
    free(folder);
}

char *rows_file_text(const char *folder, const char *name, size_t *size)
{
    char *path = NULL, *text = NULL;
    struct stat is;
    BUG_ON(asprintf(&path, "%s/%s", folder, name) < 0, "no memory");
    FILE *in = fopen(path, "rb");
    if (in && fstat(fileno(in), &is) == 0 && (text = calloc(1, (size_t)is.st_size + 1)))
        *size = fread(text, 1, (size_t)is.st_size, in);
    if (in)
        fclose(in);
    free(path);
    return text;
}
