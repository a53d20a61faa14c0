/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures by libpng, row by row. Its errors jump; none of them leaves this file. */
#include "harness/image/png.h"

#include "harness/image/finite.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <png.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file on its way. */
struct encoder {
    FILE *to;
    png_structp png;
    png_infop info;
    unsigned char *row; /* [width, channels] */
    char reason[200];   /* why it went wrong */
};

/* ---- what libpng calls ---- */

static void stop(png_structp png, png_const_charp message)
{
    struct encoder *e = png_get_error_ptr(png);
    snprintf(e->reason, sizeof e->reason, "%s", message);
    png_longjmp(png, 1);
}

/* Warnings are about texts that other programs could not show. */
static void ignore(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void put(png_structp png, png_bytep bytes, size_t n)
{
    struct encoder *e = png_get_io_ptr(png);
    if (fwrite(bytes, 1, n, e->to) != n)
        png_error(png, strerror(errno));
}

/* Closing does it. */
static void flush(png_structp png)
{
    (void)png;
}

/* ---- pixels and texts ---- */

static enum status check_finite(const char *path, const struct png_picture *p)
{
    size_t width = (size_t)p->width, plane = (size_t)p->height * width;
    size_t n = plane * (size_t)p->channels, first;
    size_t faults = finite_faults(n, p->pixels, &first);
    if (faults == 0)
        return ST_OK;
    return fail(ST_WRONG,
                "%s: not written: %zu of the picture's %zu values are NaN or infinite, the first "
                "in channel %zu, row %zu, column %zu",
                path, faults, n, first / plane, first % plane / width, first % width);
}

static unsigned char level_of(float x)
{
    double level = 127.5 * ((double)x + 1.0);
    return (unsigned char)lrint(fmin(fmax(level, 0.0), 255.0));
}

/* Row y, channels last. */
static void fill_row(const struct png_picture *p, int y, unsigned char *row)
{
    size_t width = (size_t)p->width, channels = (size_t)p->channels;
    for (size_t c = 0; c < channels; c++) {
        const float *from = p->pixels + (c * (size_t)p->height + (size_t)y) * width;
        for (size_t x = 0; x < width; x++)
            row[x * channels + c] = level_of(from[x]);
    }
}

/* tEXt is Latin-1, iTXt UTF-8. Names of files may be neither; tEXt holds any bytes. */
static int chunk_of(const char *value)
{
    bool ascii = true;
    for (const char *c = value; *c; c++)
        ascii = ascii && (unsigned char)*c < 0x80;
    json_t *utf8 = ascii ? NULL : json_string(value);
    int chunk = utf8 ? PNG_ITXT_COMPRESSION_NONE : PNG_TEXT_COMPRESSION_NONE;
    json_decref(utf8);
    return chunk;
}

/* libpng copies both. */
static void set_text(struct encoder *e, const char *keyword, const char *value)
{
    png_text text = {.compression = chunk_of(value),
                     .key = (png_charp)keyword,
                     .text = (png_charp)value,
                     .text_length = strlen(value)};
    png_set_text(e->png, e->info, &text, 1);
}

/* ---- the file ---- */

static enum status encoder_init(struct encoder *e, const char *path, const struct png_picture *p)
{
    size_t bytes = (size_t)p->width * (size_t)p->channels;
    e->row = malloc(bytes);
    e->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, e, stop, ignore);
    e->info = e->png ? png_create_info_struct(e->png) : NULL;
    if (!e->row || !e->info)
        return fail(ST_OOM, "%s: no host memory to write it with (a row has %zu bytes)", path,
                    bytes);
    png_set_write_fn(e->png, e, put, flush);
    // A fifth of the default level's time on a noisy picture, for a tenth more bytes.
    png_set_compression_level(e->png, 3);
    png_set_user_limits(e->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    return ST_OK;
}

static void encoder_release(struct encoder *e)
{
    png_destroy_write_struct(&e->png, &e->info);
    free(e->row);
}

/* False: reason says why. */
static bool encode(struct encoder *e, const struct png_picture *p)
{
    if (setjmp(png_jmpbuf(e->png)) != 0)
        return false;
    png_set_IHDR(e->png, e->info, (png_uint_32)p->width, (png_uint_32)p->height, 8,
                 p->channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    set_text(e, "Software", "ditbench");
    for (int i = 0; i < p->n_texts; i++)
        if (p->text[i][1])
            set_text(e, p->text[i][0], p->text[i][1]);
    png_write_info(e->png, e->info);
    for (int y = 0; y < p->height; y++) {
        fill_row(p, y, e->row);
        png_write_row(e->png, e->row);
    }
    png_write_end(e->png, NULL);
    return true;
}

/* The whole of `temporary`; left in part where it fails. */
static enum status write_file(const char *path, const char *temporary, const struct png_picture *p)
{
    struct encoder e = {.to = fopen(temporary, "wbe")};
    if (!e.to)
        return fail(ST_IO, "%s: cannot be created: %s", temporary, strerror(errno));
    enum status st = encoder_init(&e, path, p);
    if (st == ST_OK && !encode(&e, p))
        st = fail(ST_IO, "%s: cannot be written: %s", path, e.reason);
    encoder_release(&e);
    if (fclose(e.to) != 0 && st == ST_OK)
        st = fail(ST_IO, "%s: cannot be written: %s", path, strerror(errno));
    return st;
}

enum status png_write(const char *path, const struct png_picture *p)
{
    char *temporary;
    BUG_ON((p->channels != 1 && p->channels != 3) || p->height < 1 || p->width < 1,
           "%s: a picture of %d channels, %d x %d pixels", path, p->channels, p->width, p->height);
    for (int i = 0; i < p->n_texts; i++)
        BUG_ON(strlen(p->text[i][0]) - 1 >= 79, "%s: keyword \"%s\"", path, p->text[i][0]);
    TRY(check_finite(path, p));
    if (asprintf(&temporary, "%s.%ld.tmp", path, (long)getpid()) < 0)
        return fail(ST_OOM, "%s: memory for a file's name", path);
    enum status st = write_file(path, temporary, p);
    if (st == ST_OK && rename(temporary, path) != 0)
        st = fail(ST_IO, "%s: cannot be written: %s", path, strerror(errno));
    if (st != ST_OK)
        unlink(temporary);
    free(temporary);
    return st;
}
