/* SPDX-License-Identifier: Apache-2.0 */
/* Files of comma-separated values, written. They are read by harness/profile/csv.c. */
#include "harness/base/csv_out.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum status csv_out_open(const char *path, const char *titles, FILE **out)
{
    *out = fopen(path, "we");
    if (!*out)
        return fail(ST_IO, "%s: cannot be created: %s", path, strerror(errno));
    fprintf(*out, "%s\n", titles);
    return ST_OK;
}

enum status csv_out_close(FILE *out, const char *path)
{
    bool broken = ferror(out) != 0 || fflush(out) != 0;
    int error = errno;
    if (fclose(out) != 0 && !broken) {
        broken = true;
        error = errno;
    }
    return broken ? fail(ST_IO, "%s: cannot be written: %s", path, strerror(error)) : ST_OK;
}

void csv_out_text(FILE *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}
