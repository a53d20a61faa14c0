/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints in folders made by hand: which files are taken, what is refused, what they are told
 * apart by. */
#include "models/checkpoint.h"
#include "models/dit_config.h"
#include "models/weights.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *identity(struct weights *w)
{
    const char *text;

    cr_assert_eq(weights_identity(w, &text), ST_OK, "%s", status_text());
    return text;
}

static char root[64];

static void make_root(void)
{
    strcpy(root, "/tmp/ditbench-weights-XXXXXX");
    cr_assert(mkdtemp(root));
}

static void remove_root(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -r %s", root);
    cr_assert_eq(system(command), 0);
}

static void put_text(const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", root, name);
    FILE *to = fopen(path, "w");
    cr_assert(to && fputs(text, to) >= 0 && fclose(to) == 0);
}

/* A file with two tensors of two elements, or with one. */
static void put_tensors(const char *name, const char *one, const char *two, float first)
{
    char path[256];
    float data[2] = {first, first + 1};
    struct safetensors_item items[2] = {{one, 1, {2}, data}, {two, 1, {2}, data}};

    snprintf(path, sizeof(path), "%s/%s", root, name);
    cr_assert_eq(safetensors_write(path, two ? 2 : 1, items, 0, NULL), ST_OK, "%s", status_text());
}

static void put_tensor(const char *name, const char *tensor, float first)
{
    put_tensors(name, tensor, NULL, first);
}

static void drop(const char *name)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", root, name);
    cr_assert_eq(unlink(path), 0);
}

/* Both elements of a tensor. */
static enum status fill(struct weights *w, const char *tensor, float data[2])
{
    int64_t shape[1] = {2};
    struct tensor out = tensor_of(data, NULL, DTYPE_F32, 1, shape);

    return weights_fill(w, tensor, 1, shape, &(struct weights_slice){0, 1, 0, 2}, NULL, &out);
}

static void opens(const char *tensor, float first)
{
    float data[2];
    struct weights *w;

    cr_assert_eq(weights_open_safetensors(root, &w), ST_OK, "%s", status_text());
    cr_assert_eq(fill(w, tensor, data), ST_OK, "%s", status_text());
    cr_assert(data[0] == first && data[1] == first + 1);
    weights_close(w);
}

static void refused(const char *reason)
{
    struct weights *w;

    cr_assert_eq(weights_open_safetensors(root, &w), ST_INVALID);
    cr_assert(strstr(status_message(), reason), "says: %s\n  wanted: %s", status_message(), reason);
    cr_assert(strstr(status_message(), root), "no folder in: %s", status_message());
}

#define STEM  "diffusion_pytorch_model"
#define INDEX STEM ".safetensors.index.json"

/* What may not be looked at is not what is missing: a folder that leads back to itself, and one
 * whose owner lets nobody in. */
Test(checkpoint, what_cannot_be_looked_at_is_said, .init = make_root, .fini = remove_root)
{
    struct dit_config config;
    struct weights *w;
    char folder[100];
    char inner[300];
    snprintf(inner, sizeof inner, "%s/transformer", root);
    cr_assert_eq(symlink("transformer", inner), 0);
    cr_assert_eq(dit_config_load(root, &config, folder, sizeof folder), ST_IO);
    cr_assert(strstr(status_message(), strerror(ELOOP)), "%s", status_message());
    cr_assert_eq(weights_open_safetensors(inner, &w), ST_IO);
    cr_assert(strstr(status_message(), strerror(ELOOP)), "%s", status_message());
    drop("transformer");
    cr_assert_eq(chmod(root, 0), 0);
    if (geteuid() == 0)
        cr_assert_eq(seteuid(65534), 0);
    cr_assert_eq(dit_config_load(root, &config, folder, sizeof folder), ST_IO);
    cr_assert(strstr(status_message(), strerror(EACCES)), "%s", status_message());
    cr_assert_eq(weights_open_safetensors(root, &w), ST_IO);
    cr_assert(strstr(status_message(), strerror(EACCES)), "%s", status_message());
    if (getuid() == 0)
        cr_assert_eq(seteuid(0), 0);
    chmod(root, 0700);
}

Test(checkpoint, the_right_file_of_a_folder, .init = make_root, .fini = remove_root)
{
    refused("holds neither");
    put_text(STEM ".bin", "");
    refused("safe_serialization=True");
    put_tensor(STEM ".fp16.safetensors", "x", 1);
    opens("x", 1);
    put_tensor(STEM ".bf16.safetensors", "x", 2);
    refused("several variants");
    put_tensor(STEM ".safetensors", "x", 3);
    opens("x", 3);
    put_tensor(STEM "-00001-of-00002.safetensors", "x", 4);
    put_tensor(STEM "-00002-of-00002.safetensors", "y", 5);
    opens("x", 3);
    put_text(INDEX,
             "{\"metadata\":{},\"weight_map\":{\"x\":\"" STEM "-00001-of-00002.safetensors\","
             "\"y\":\"" STEM "-00002-of-00002.safetensors\"}}");
    opens("x", 4);
    opens("y", 5);
    drop(INDEX);
    drop(STEM ".safetensors");
    drop(STEM ".bf16.safetensors");
    drop(STEM ".fp16.safetensors");
    refused("holds"); /* shards without their index */
}

Test(checkpoint, an_index_that_lies, .init = make_root, .fini = remove_root)
{
    put_tensor("a.safetensors", "x", 1);
    put_tensor("b.safetensors", "y", 1);
    put_text(INDEX, "{");
    refused("not valid JSON");
    put_text(INDEX, "{\"weight_map\":[]}");
    refused("weight_map is not an object");
    put_text(INDEX, "{\"weight_map\":{}}");
    refused("weight_map");
    put_text(INDEX, "{\"weight_map\":{\"x\":7}}");
    refused("\"x\" is not in a .safetensors file of this folder");
    put_text(INDEX, "{\"weight_map\":{\"x\":\"../a.safetensors\"}}");
    refused("of this folder");
    put_text(INDEX, "{\"weight_map\":{\"x\":\"/etc/a.safetensors\"}}");
    refused("of this folder");
    put_text(INDEX, "{\"weight_map\":{\"x\":\"a.safetensors\",\"x\":\"b.safetensors\"}}");
    refused("duplicate");
    put_text(INDEX, "{\"weight_map\":{\"z\":\"a.safetensors\"}}");
    refused("a.safetensors: tensor \"z\" is missing");
    put_tensor("b.safetensors", "x", 2);
    put_text(INDEX, "{\"weight_map\":{\"x\":\"a.safetensors\"}}");
    opens("x", 1);
    put_text(INDEX, "{\"weight_map\":{\"y\":\"b.safetensors\",\"x\":\"a.safetensors\"}}");
    put_tensors("b.safetensors", "x", "y", 2);
    refused("b.safetensors: holds tensor \"x\", which " INDEX " has in a.safetensors");
    put_tensor("c.safetensors", "q", 2);
    put_text(INDEX, "{\"weight_map\":{\"q\":\"c.safetensors\",\"x\":\"a.safetensors\"}}");
    opens("x", 1);
    put_text("c.safetensors", "no safetensors at all");
    refused("c.safetensors: claims a header");
}

Test(checkpoint, the_identity_is_that_of_the_contents, .init = make_root, .fini = remove_root)
{
    char before[32];
    struct weights *w;

    put_tensor(STEM ".safetensors", "x", 1);
    put_text("config.json", "{}");
    cr_assert_eq(weights_open_safetensors(root, &w), ST_OK);
    snprintf(before, sizeof(before), "%s", identity(w));
    cr_assert_str_eq(identity(w), before);
    weights_close(w);
    for (int round = 0; round < 3; round++) {
        put_tensor(STEM ".safetensors", round == 1 ? "y" : "x", round == 0 ? 2 : 1);
        put_text("config.json", round == 2 ? "{ }" : "{}");
        cr_assert_eq(weights_open_safetensors(root, &w), ST_OK);
        cr_assert_str_neq(identity(w), before, "round %d", round);
        weights_close(w);
    }
    put_text("config.json", "{}");
    cr_assert_eq(weights_open_safetensors(root, &w), ST_OK);
    cr_assert_str_eq(identity(w), before);
    weights_close(w);
}

/* A checkpoint that somebody cuts off does not end the process (a mapping of it would). */
Test(checkpoint, a_file_that_is_cut_off_while_it_is_open, .init = make_root, .fini = remove_root)
{
    char path[256];
    float data[2];
    const char *text;
    struct weights *w;

    put_tensor(STEM ".safetensors", "x", 1);
    cr_assert_eq(weights_open_safetensors(root, &w), ST_OK);
    snprintf(path, sizeof(path), "%s/" STEM ".safetensors", root);
    cr_assert_eq(truncate(path, 8), 0);
    cr_assert_eq(weights_identity(w, &text), ST_IO);
    cr_assert(strstr(status_message(), path), "%s", status_message());
    cr_assert_eq(fill(w, "x", data), ST_IO);
    cr_assert(strstr(status_message(), path), "%s", status_message());
    weights_close(w);
}

/* The stamps are those of the files that are open, whoever lies under their names by now. */
Test(checkpoint, stamps_are_of_what_was_opened, .init = make_root, .fini = remove_root)
{
    char other[256];
    struct weights *w;
    struct file_stamp now;

    put_tensor("a.safetensors", "x", 1);
    put_text(INDEX, "{\"weight_map\":{\"x\":\"a.safetensors\"}}");
    put_text("config.json", "{}");
    cr_assert_eq(weights_open_safetensors(root, &w), ST_OK, "%s", status_text());
    snprintf(other, sizeof(other), "%s/a.safetensors", root);
    int seen = 0;
    for (int i = 0; weights_path_at(w, i); i++) {
        const struct file_stamp *stamp = weights_stamp_at(w, i);

        cr_assert_eq(file_look(weights_path_at(w, i), &now), ST_OK);
        cr_assert(file_same(&now, stamp), "%s", weights_path_at(w, i));
        seen += stamp->inode != 0;
    }
    cr_assert_eq(seen, 3);
    put_tensor("a.safetensors", "x", 2); /* replaces the file */
    for (int i = 0; weights_path_at(w, i); i++) {
        cr_assert_eq(file_look(weights_path_at(w, i), &now), ST_OK);
        cr_assert_eq(file_same(&now, weights_stamp_at(w, i)),
                     strcmp(weights_path_at(w, i), other) != 0);
    }
    weights_close(w);
}

/* Nobody is at the other end of a FIFO, so whoever waits for it never comes back. */
Test(checkpoint, files_that_are_no_files, .init = make_root, .fini = remove_root, .timeout = 20)
{
    static const char *const name[] = {"config.json", INDEX, STEM ".safetensors"};

    put_tensor("a.safetensors", "x", 1);
    for (int i = 0; i < 3; i++) {
        char path[256];

        if (i != 1)
            put_tensor(STEM ".safetensors", "x", 1);
        snprintf(path, sizeof(path), "%s/%s", root, name[i]);
        if (i == 2)
            unlink(path);
        cr_assert_eq(mkfifo(path, 0600), 0, "%s", path);
        refused("is a FIFO, wanted a regular file");
        cr_assert_eq(unlink(path), 0);
        cr_assert_eq(mkdir(path, 0700), 0);
        refused("is a directory");
        cr_assert_eq(rmdir(path), 0);
    }
}
