/* SPDX-License-Identifier: Apache-2.0 */
/* safetensors: exact elements, and a refusal with its reason for every way in which a header can
 * lie. */
#include "models/safetensors.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { IMAGE_SIZE = 4096 };

/* A file in memory: the header's length, the header, `data_size` bytes 0, 1, 2, ... Returns its
 * size. */
static size_t build(const char *header, size_t data_size, unsigned char image[IMAGE_SIZE])
{
    size_t length = strlen(header);

    cr_assert_leq(8 + length + data_size, IMAGE_SIZE);
    memset(image, 0, 8);
    image[0] = (unsigned char)(length & 0xff);
    image[1] = (unsigned char)(length >> 8);
    memcpy(image + 8, header, length);
    for (size_t i = 0; i < data_size; i++)
        image[8 + length + i] = (unsigned char)i;
    return 8 + length + data_size;
}

/* A copy of exactly `size` bytes, so that a sanitizer sees a read past the end. */
static enum status open_exact(const unsigned char *image, size_t size, struct safetensors **out)
{
    unsigned char *copy = malloc(size ? size : 1);

    memcpy(copy, image, size);
    enum status st = safetensors_open_memory("test.safetensors", copy, size, out);

    if (st == ST_OK) // the caller reads it: keep the bytes
        return st;
    free(copy);
    return st;
}

static struct safetensors *open_header(const char *header, size_t data_size,
                                       unsigned char image[IMAGE_SIZE])
{
    struct safetensors *file = NULL;
    size_t size = build(header, data_size, image);

    cr_assert_eq(safetensors_open_memory("test.safetensors", image, size, &file), ST_OK, "%s",
                 status_message());
    return file;
}

static void refused(const char *header, size_t data_size, const char *reason)
{
    unsigned char image[IMAGE_SIZE];
    struct safetensors *file = NULL;
    size_t size = build(header, data_size, image);

    cr_assert_eq(open_exact(image, size, &file), ST_INVALID, "accepted: %s", header);
    cr_assert(strstr(status_message(), reason), "%s\n  says: %s\n  wanted: %s", header,
              status_message(), reason);
    cr_assert(strstr(status_message(), "test.safetensors"), "no file in: %s", status_message());
}

#define TWO                                                                                        \
    "{\"__metadata__\":{\"format\":\"pt\"},\"b\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_"       \
    "offsets\":[8,32]},"                                                                           \
    "\"a\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[0,8]}}"

Test(safetensors, entries_are_as_the_header_says)
{
    unsigned char image[IMAGE_SIZE];
    struct safetensors *file = open_header(TWO, 32, image);

    cr_assert_eq(safetensors_count(file), 2);
    cr_assert_str_eq(safetensors_path(file), "test.safetensors");
    cr_assert_str_eq(safetensors_meta(file, "format"), "pt");
    cr_assert_null(safetensors_meta(file, "nothing"));
    cr_assert_null(safetensors_find(file, "c"));
    cr_assert_null(safetensors_find(file, "__metadata__"));
    const struct safetensors_entry *a = safetensors_find(file, "a");
    const struct safetensors_entry *b = safetensors_find(file, "b");
    cr_assert_eq(a, safetensors_at(file, 0));
    cr_assert_eq(b, safetensors_at(file, 1));
    cr_assert(a->type == SAFETENSORS_F16 && a->ndim == 1 && a->dim[0] == 4 && a->bytes == 8);
    cr_assert(b->type == SAFETENSORS_F32 && b->ndim == 2 && b->dim[0] == 2 && b->dim[1] == 3 &&
              b->bytes == 24);
    unsigned char first;
    cr_assert_eq(safetensors_bytes(file, a, 0, 1, &first), ST_OK);
    cr_assert_eq(first, 0);
    cr_assert_eq(safetensors_bytes(file, b, 0, 1, &first), ST_OK);
    cr_assert_eq(first, 8);
    safetensors_close(file);
}

Test(safetensors, empty_tensors_scalars_and_empty_files_are_legal)
{
    unsigned char image[IMAGE_SIZE];
    float value = 7;
    struct safetensors *file = open_header("{}", 0, image);

    cr_assert_eq(safetensors_count(file), 0);
    safetensors_close(file);
    file = open_header(
        "{\"z\":{\"dtype\":\"F32\",\"shape\":[0,5],\"data_offsets\":[0,0]},"
        "\"s\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[0,2]},"
        "\"y\":{\"dtype\":\"I64\",\"shape\":[9223372036854775807,3,0],\"data_offsets\":[2,2]}}   ",
        2, image);
    cr_assert_eq(safetensors_find(file, "z")->bytes, 0);
    cr_assert_eq(safetensors_find(file, "y")->bytes, 0);
    cr_assert_eq(safetensors_floats(file, safetensors_find(file, "z"), 0, 0, &value), ST_OK);
    cr_assert_eq(value, 7);
    cr_assert_eq(safetensors_floats(file, safetensors_find(file, "s"), 0, 1, &value), ST_OK);
    cr_assert_eq(value, ldexpf(1, -125)); // bytes 00 01: the exponent field is 2
    safetensors_close(file);
}

Test(safetensors, a_file_cut_off_anywhere_is_refused)
{
    unsigned char image[IMAGE_SIZE];
    size_t size = build(TWO, 32, image);

    for (size_t n = 0; n < size; n++) {
        struct safetensors *file = NULL;
        cr_assert_eq(open_exact(image, n, &file), ST_INVALID, "%zu of %zu bytes are accepted", n,
                     size);
    }
}

Test(safetensors, header_lengths_that_cannot_be)
{
    static const struct {
        unsigned char length[8];
        const char *reason;
    } cases[] = {
        {{3}, "2 follow"},
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, "18446744073709551615"},
        {{0, 0, 0, 0, 0, 0, 0, 0x80}, "at most 100000000"},
        {{1, 0xe1, 0xf5, 5}, "100000001 bytes, at most 100000000"},
        {{0, 0xe1, 0xf5, 5}, "cut off"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned char image[10] = {0, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
        struct safetensors *file = NULL;

        memcpy(image, cases[i].length, 8);
        cr_assert_eq(open_exact(image, sizeof(image), &file), ST_INVALID);
        cr_assert(strstr(status_message(), cases[i].reason), "%s", status_message());
    }
}

#define ONE(type, shape, offsets)                                                                  \
    "{\"t\":{\"dtype\":" type ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

Test(safetensors, headers_that_lie)
{
    refused("", 0, "not valid JSON");
    refused("{", 0, "not valid JSON");
    refused("[]", 0, "wanted an object");
    refused("{} {}", 0, "not valid JSON");
    refused("{\"t\":1}", 0, "\"t\": is not an object");
    refused("{\"__metadata__\":[]}", 0, "__metadata__");
    refused("{\"__metadata__\":{\"steps\":20}}", 0, "\"steps\"");
    refused("{\"a\\u0000b\":{}}", 0, "not valid JSON");
    refused("{\"a\\u001b[2J\":{}}", 0, "control character 27");
    refused("{\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
            "\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
            8, "duplicate");
    refused(ONE("\"F33\"", "[1]", "[0,4]"), 4, "dtype is F33");
    refused(ONE("32", "[1]", "[0,4]"), 4, "dtype is not a text");
    refused("{\"t\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype");
    refused("{\"t\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "shape");
    refused("{\"t\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "data_offsets");
    refused(ONE("\"F32\"", "4", "[0,4]"), 4, "shape");
    refused(ONE("\"F32\"", "[-1]", "[0,4]"), 4, "dimension 0");
    refused(ONE("\"F32\"", "[1,1.0]", "[0,4]"), 4, "dimension 1");
    refused(ONE("\"F32\"", "[\"1\"]", "[0,4]"), 4, "dimension 0");
    refused(ONE("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "9 dimensions, at most 8");
    refused(ONE("\"F32\"", "[4611686018427387904,2]", "[0,0]"), 0, "more than 2^64");
    refused(ONE("\"F32\"", "[4294967296,4294967296]", "[0,4]"), 4, "more than 2^64");
    refused(ONE("\"F32\"", "[99999999999999999999]", "[0,4]"), 4, "not valid JSON");
    refused(ONE("\"F32\"", "[1]", "[0,4,8]"), 8, "pair of whole numbers");
    refused(ONE("\"F32\"", "[1]", "[0,4.0]"), 4, "pair of whole numbers");
    refused(ONE("\"F32\"", "[1]", "[-4,0]"), 4, "[-4, 0] are not in order");
    refused(ONE("\"F32\"", "[1]", "[4,0]"), 4, "[4, 0] are not in order");
    refused(ONE("\"F32\"", "[1]", "[0,9223372036854775807]"), 4, "leave the 4 bytes");
    refused(ONE("\"F32\"", "[2]", "[0,8]"), 4, "[0, 8] leave the 4 bytes");
    refused(ONE("\"F32\"", "[2]", "[0,4]"), 4, "hold 4 bytes, its dtype and shape want 8");
    refused(ONE("\"F16\"", "[2]", "[0,8]"), 8, "want 4");
    refused(ONE("\"F32\"", "[1]", "[4,8]"), 8, "a gap");
    refused(ONE("\"F32\"", "[1]", "[0,4]"), 6, "end at byte 4 of 6");
    refused("{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
            "\"u\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
            12, "\"u\": begins at byte 4 of the data, inside of tensor \"t\", which ends at 8");
    refused("{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
            "\"e\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[4,4]}}",
            8, "\"e\": begins at byte 4");
}

/* The value of a half by its definition: Python's struct module and IEEE 754 agree on it. */
static double half_value(unsigned bits)
{
    int exponent = (int)(bits >> 10 & 31);
    double mantissa = bits & 1023;
    double value = exponent ? ldexp(1 + mantissa / 1024, exponent - 15) : ldexp(mantissa, -24);

    if (exponent == 31)
        value = mantissa != 0 ? NAN : INFINITY;
    return bits >> 15 ? -value : value;
}

Test(safetensors, every_half_and_bfloat_is_exact)
{
    enum { COUNT = 65536 };
    char header[200];
    struct safetensors *file = NULL;
    int length = snprintf(header, sizeof(header),
                          "{\"b\":{\"dtype\":\"BF16\",\"shape\":[65536],\"data_offsets\":[0,%d]},"
                          "\"h\":{\"dtype\":\"F16\",\"shape\":[256,256],\"data_offsets\":[%d,%d]}}",
                          2 * COUNT, 2 * COUNT, 4 * COUNT);
    unsigned char *image = calloc(1, 8 + (size_t)length + 4 * COUNT);
    float *out = malloc(COUNT * sizeof(*out));

    image[0] = (unsigned char)length;
    memcpy(image + 8, header, (size_t)length);
    for (unsigned i = 0; i < 2 * COUNT; i++) { // at whatever alignment the header's length gives
        image[8 + length + 2 * i] = (unsigned char)(i & 0xff);
        image[8 + length + 2 * i + 1] = (unsigned char)(i >> 8 & 0xff);
    }
    cr_assert_eq(safetensors_open_memory("halves", image, 8 + (size_t)length + 4 * COUNT, &file),
                 ST_OK);
    cr_assert_eq(safetensors_floats(file, safetensors_find(file, "h"), 0, COUNT, out), ST_OK);
    for (unsigned i = 0; i < COUNT; i++) {
        double want = half_value(i);
        cr_assert(isnan(want) ? isnan(out[i]) : (double)out[i] == want,
                  "half %04x is %g, wanted %g", i, (double)out[i], want);
        cr_assert_eq(signbit(out[i]) != 0, i >> 15 != 0);
    }
    cr_assert_eq(safetensors_floats(file, safetensors_find(file, "b"), 1, COUNT - 1, out), ST_OK);
    for (unsigned i = 1; i < COUNT; i++) {
        unsigned bits = i << 16;
        cr_assert_eq(memcmp(&bits, &out[i - 1], 4), 0, "bfloat %04x", i);
    }
    safetensors_close(file);
    free(image);
    free(out);
}

Test(safetensors, integers_become_floats_and_other_types_do_not)
{
    unsigned char image[IMAGE_SIZE];
    float out[3];
    size_t size = build("{\"i\":{\"dtype\":\"I64\",\"shape\":[3],\"data_offsets\":[0,24]},"
                        "\"u\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[24,25]}}",
                        25, image);
    int64_t values[3] = {1000, -1, 0};
    struct safetensors *file = NULL;

    memcpy(image + size - 25, values, sizeof(values));
    cr_assert_eq(safetensors_open_memory("i", image, size, &file), ST_OK);
    cr_assert_eq(safetensors_floats(file, safetensors_find(file, "i"), 0, 3, out), ST_OK);
    cr_assert(out[0] == 1000 && out[1] == -1 && out[2] == 0);
    cr_assert_eq(safetensors_floats(file, safetensors_find(file, "u"), 0, 1, out), ST_INVALID);
    cr_assert_str_eq(status_message(), "i: tensor \"u\" is U8, wanted F32, F16, BF16 or I64");
    safetensors_close(file);
}

static uint64_t file_size(const char *path)
{
    struct stat info;

    cr_assert_eq(stat(path, &info), 0);
    return (uint64_t)info.st_size;
}

/* And what is cut off while it is open is an error, not the end. */
Test(safetensors, what_is_written_is_read_back)
{
    char folder[] = "/tmp/ditbench-safetensors-XXXXXX";
    char path[64];
    const float data[6] = {1, -2.5f, 3e-39f, INFINITY, 0, 1e30f};
    const char *const meta[2][2] = {{"format", "ditbench-reference-1"},
                                    {"a \"quoted\" key", "\xc3\xa4\n"}};
    const struct safetensors_item items[3] = {
        {"latent", 2, {2, 3}, data}, {"none", 2, {4, 0}, NULL}, {"s", 0, {0}, data + 1}};
    struct safetensors *file = NULL;
    float out[6];

    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/out.safetensors", folder);
    for (int round = 0; round < 2; round++) // the second time over a file that is there
        cr_assert_eq(safetensors_write(path, 3, items, 2, meta), ST_OK, "%s", status_message());
    cr_assert_eq(safetensors_open(path, &file), ST_OK, "%s", status_message());
    cr_assert_eq(safetensors_count(file), 3);
    cr_assert_str_eq(safetensors_meta(file, meta[1][0]), meta[1][1]);
    cr_assert_eq(safetensors_floats(file, safetensors_find(file, "latent"), 0, 6, out), ST_OK);
    cr_assert_eq(memcmp(out, data, sizeof(data)), 0);
    cr_assert_eq(safetensors_find(file, "latent")->ndim, 2);
    cr_assert_eq(safetensors_find(file, "s")->ndim, 0);
    cr_assert_eq(safetensors_find(file, "latent")->first % 8, 0);
    cr_assert_eq(safetensors_stamp(file)->size, file_size(path));
    cr_assert_eq(truncate(path, (off_t)file_size(path) - 8), 0);
    cr_assert_eq(safetensors_floats(file, safetensors_find(file, "s"), 0, 1, out), ST_IO);
    cr_assert(strstr(status_message(), path), "%s", status_message());
    uint64_t hash = 0;
    cr_assert_eq(safetensors_hash(file, &hash), ST_IO);
    safetensors_close(file);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(rmdir(folder), 0, "a temporary file was left");
}

Test(safetensors, paths_that_are_no_files)
{
    const struct safetensors_item item = {"x", 1, {0}, NULL};
    struct safetensors *file = NULL;

    cr_assert_eq(safetensors_open("/nowhere/x.safetensors", &file), ST_IO);
    cr_assert(strstr(status_message(), "/nowhere/x.safetensors: cannot be opened: No such file"),
              "%s", status_message());
    cr_assert_eq(safetensors_open("/tmp", &file), ST_INVALID);
    cr_assert_eq(safetensors_write("/nowhere/x.safetensors", 1, &item, 0, NULL), ST_IO);
    cr_assert(strstr(status_message(), "No such file"), "%s", status_message());
}
