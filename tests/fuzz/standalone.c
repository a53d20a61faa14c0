/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A main for fuzz targets where libFuzzer is not at hand: runs the inputs of the folders named,
 * then simple mutations of them until the time is up. Not guided by coverage. It understands the
 * options of libFuzzer that tests/tools/fuzz.sh uses.
 */
#include "kernels/base/clock.h"
#include "kernels/base/rng.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_INPUTS = 4096, MAX_SIZE = 1 << 20, MAX_EDITS = 8, TIME_LIMIT = 10, LEAK_CHECK = 10000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __lsan_do_recoverable_leak_check(void) __attribute__((weak)); /* of the leak sanitizer */

struct input {
    uint8_t *data;
    size_t size;
};

static struct input corpus[MAX_INPUTS];
static int n_inputs;
static uint64_t draws;

static char artifact[4096] = "crash-input"; /* where the input that crashed is left */
static struct input current;                /* what is being tried */

static uint64_t draw(uint64_t below)
{
    const uint32_t key[2] = {2024, 7};
    const uint32_t counter[4] = {(uint32_t)draws, (uint32_t)(draws >> 32), 0, 0};
    uint32_t word[4];
    rng_philox(key, counter, word);
    draws++;
    return (((uint64_t)word[0] << 32) | word[1]) % below;
}

static void load_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f || n_inputs == MAX_INPUTS)
        exit(2);
    uint8_t *data = malloc(MAX_SIZE);
    if (!data)
        exit(2);
    size_t size = fread(data, 1, MAX_SIZE, f);
    fclose(f);
    uint8_t *fit = realloc(data, size ? size : 1);
    corpus[n_inputs++] = (struct input){fit ? fit : data, size};
}

static void load_folder(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder)
        return;
    for (struct dirent *e = readdir(folder); e; e = readdir(folder)) {
        char file[4096];
        struct stat about;
        snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
        if (stat(file, &about) == 0 && S_ISREG(about.st_mode))
            load_file(file);
    }
    closedir(folder);
}

/* A sanitizer's abort (abort_on_error=1), one of our own, or an input that took over TIME_LIMIT
 * seconds. */
static void on_signal(int number)
{
    int f = open(artifact, O_CREAT | O_TRUNC | O_WRONLY, 0644);
    if (f >= 0 && write(f, current.data, current.size) == (ssize_t)current.size)
        close(f);
    _exit(128 + number);
}

/* Runs a copy of exactly `size` bytes, so that the sanitizer sees a read past the end. */
static void try_input(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        exit(2);
    memcpy(copy, data, size);
    current = (struct input){copy, size};
    alarm(TIME_LIMIT);
    LLVMFuzzerTestOneInput(copy, size);
    alarm(0);
    free(copy);
}

/* One edit of `data`, whose room is MAX_SIZE; returns the new size. */
static size_t edit(uint8_t *data, size_t size)
{
    static const uint8_t marks[] = {0,   1,   0x7f, 0x80, 0xff, '"', '{',  '}',
                                    '[', ']', ',',  ':',  '-',  '9', '\n', ' '};
    size_t at = size ? draw(size) : 0;
    size_t length = size ? 1 + draw(size - at < 64 ? size - at : 64) : 0;
    switch (draw(6)) {
    case 0: /* flip a bit */
        if (size)
            data[at] ^= (uint8_t)(1u << draw(8));
        return size;
    case 1: /* set a byte that parsers care about */
        if (size)
            data[at] = marks[draw(sizeof(marks))];
        return size;
    case 2: /* cut the end off */
        return at;
    case 3: /* remove a part */
        memmove(data + at, data + at + length, size - at - length);
        return size - length;
    case 4: /* repeat a part */
        if (size + length > MAX_SIZE)
            return size;
        memmove(data + at + length, data + at, size - at);
        return size + length;
    }
    /* put a piece of another input in */
    const struct input *other = &corpus[draw((uint64_t)n_inputs)];
    size_t from = other->size ? draw(other->size) : 0;
    size_t most = other->size - from < MAX_SIZE - at ? other->size - from : MAX_SIZE - at;
    memcpy(data + at, other->data + from, most);
    return at + most > size ? at + most : size;
}

/* Early, since the sanitizer's report at the end would take hours for a leak in every run. */
static void stop_at_leak(void)
{
    if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
        _exit(23);
}

int main(int argc, char **argv)
{
    double limit = 30.0;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-max_total_time=", 16) == 0)
            limit = atof(argv[i] + 16);
        else if (strncmp(argv[i], "-artifact_prefix=", 17) == 0)
            snprintf(artifact, sizeof(artifact), "%sinput", argv[i] + 17);
        else if (argv[i][0] != '-')
            load_folder(argv[i]);
    }
    uint8_t *data = malloc(MAX_SIZE);
    if (!data)
        return 2;
    if (n_inputs == 0)
        corpus[n_inputs++] = (struct input){calloc(1, 64), 64};
    signal(SIGABRT, on_signal);
    signal(SIGALRM, on_signal);
    double end = clock_seconds() + limit;
    uint64_t runs = 0;
    for (int i = 0; i < n_inputs; i++, runs++)
        try_input(corpus[i].data, corpus[i].size);
    stop_at_leak();
    for (; clock_seconds() < end; runs++) {
        if (runs % LEAK_CHECK == 0)
            stop_at_leak();
        const struct input *start = &corpus[draw((uint64_t)n_inputs)];
        size_t size = start->size;
        memcpy(data, start->data, size);
        for (uint64_t edits = 1 + draw(MAX_EDITS); edits > 0; edits--)
            size = edit(data, size);
        try_input(data, size);
    }
    printf("stat::number_of_executed_units: %llu\n", (unsigned long long)runs);
    free(data);
    for (int i = 0; i < n_inputs; i++)
        free(corpus[i].data);
    return 0;
}
