/* SPDX-License-Identifier: Apache-2.0 */
/* Edits pictures as bytes: an SVG's first attributes, a chunk more in a PNG, a date in a PDF. */
#include "harness/plot/finish.h"

#include "kernels/base/file.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* ---- files ---- */

enum { MOST_BYTES = 256 << 20 }; /* of a chart */

/* Writes `head` bytes of a file, a piece that is put in, and what came from `rest` on. */
static enum status write_whole(const char *path, const char *data, size_t size, size_t head,
                               const void *piece, size_t piece_size, size_t rest)
{
    FILE *out = fopen(path, "we");
    bool written = out && fwrite(data, 1, head, out) == head &&
                   fwrite(piece, 1, piece_size, out) == piece_size &&
                   fwrite(data + rest, 1, size - rest, out) == size - rest;
    if (out && fclose(out) != 0)
        written = false;
    return written ? ST_OK : fail(ST_IO, "%s: cannot be written: %s", path, strerror(errno));
}

/* ---- SVG ---- */

enum status plot_finish_svg(const char *path, double width_cm)
{
    char *data, piece[96];
    size_t size;
    int width, height, end = 0;
    if (width_cm <= 0)
        return ST_OK;
    TRY(file_read_text(path, MOST_BYTES, &data, &size, NULL));
    enum status st = ST_OK;
    const char *at = strstr(data, "<svg");
    const char *from = at ? strstr(at, "width=") : NULL;
    if (from && sscanf(from, "width=\"%d\" height=\"%d\"%n", &width, &height, &end) == 2 &&
        end > 0 && width > 0) {
        int n = snprintf(piece, sizeof piece, "width=\"%gcm\" height=\"%.5gcm\"", width_cm,
                         width_cm * height / width);
        size_t head = (size_t)(from - data);
        st = write_whole(path, data, size, head, piece, (size_t)n, head + (size_t)end);
    }
    free(data);
    return st;
}

/* ---- PNG ---- */

static void put_big_endian(unsigned char *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (unsigned char)(value >> (24 - 8 * i));
}

enum status plot_finish_png(const char *path, double width_cm)
{
    enum { HEADER = 33, WIDTH = 16 }; // signature and IHDR; where the width is
    unsigned char chunk[21] = {0, 0, 0, 9, 'p', 'H', 'Y', 's'};
    char *data;
    size_t size;
    TRY(file_read_text(path, MOST_BYTES, &data, &size, NULL));
    enum status st = ST_OK;
    if (size > HEADER) {
        double per_metre = 2 * 96 / 0.0254, width = 0;
        for (int i = 0; i < 4; i++)
            width = 256 * width + (unsigned char)data[WIDTH + i];
        if (width_cm > 0)
            per_metre = width / width_cm * 100;
        put_big_endian(chunk + 8, (uint32_t)lround(per_metre));
        put_big_endian(chunk + 12, (uint32_t)lround(per_metre));
        chunk[16] = 1;                                                   // the unit is the metre
        put_big_endian(chunk + 17, (uint32_t)crc32_z(0, chunk + 4, 13)); // ISO/IEC 15948, annex D
        st = write_whole(path, data, size, HEADER, chunk, sizeof chunk, HEADER);
    }
    free(data);
    return st;
}

/* ---- PDF ---- */

enum status plot_finish_pdf(const char *path, double width_cm)
{
    static const char key[] = "/CreationDate (D:", date[] = "20000101000000";
    char *data;
    size_t size;
    (void)width_cm;
    TRY(file_read_text(path, MOST_BYTES, &data, &size, NULL));
    enum status st = ST_OK;
    char *at = memmem(data, size, key, sizeof key - 1);
    if (at && (size_t)(at - data) + sizeof key + sizeof date < size) {
        size_t head = (size_t)(at - data) + sizeof key - 1;
        st = write_whole(path, data, size, head, date, sizeof date - 1, head + sizeof date - 1);
    }
    free(data);
    return st;
}
