/* SPDX-License-Identifier: Apache-2.0 */
/* Strict reading of numbers that a user typed. Not a general scanner. */
#include "harness/base/number.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 60 }; /* characters of a bad text that a message repeats */

enum status number_whole(const char *what, const char *text, int64_t min, int64_t max, int64_t *out)
{
    const char *digits = text[0] == '-' ? text + 1 : text;
    bool plain = digits[0] != '\0' && strspn(digits, "0123456789") == strlen(digits);
    errno = 0;
    long long value = plain ? strtoll(text, NULL, 10) : 0;
    if (!plain || errno || value < min || value > max)
        return fail(ST_INVALID,
                    "%s: found '%.*s', wanted a whole number from %" PRId64 " to %" PRId64, what,
                    SHOWN, text, min, max);
    *out = value;
    return ST_OK;
}

enum status number_int(const char *what, const char *text, int min, int max, int *out)
{
    int64_t value;
    enum status st = number_whole(what, text, min, max, &value);
    if (st == ST_OK)
        *out = (int)value;
    return st;
}

enum status number_bytes(const char *what, const char *text, int64_t min, int64_t max, int64_t *out)
{
    static const char units[] = "KMG";
    size_t n = strspn(text, "0123456789");
    const char *unit = text[n] ? strchr(units, toupper((unsigned char)text[n])) : NULL;
    int shift = unit ? 10 * (int)(unit - units + 1) : 0;
    bool plain = n > 0 && (text[n] == '\0' || (unit && text[n + 1] == '\0'));
    errno = 0;
    long long value = plain ? strtoll(text, NULL, 10) : 0;
    if (!plain || errno || value > max >> shift || value << shift < min)
        return fail(ST_INVALID,
                    "%s: found '%.*s', wanted bytes from %" PRId64 " to %" PRId64
                    ", such as 4096, 64K, 4M or 1G (K = 1024)",
                    what, SHOWN, text, min, max);
    *out = (int64_t)value << shift;
    return ST_OK;
}

enum status number_real(const char *what, const char *text, double min, double max, double *out)
{
    bool plain = text[0] != '\0' && strspn(text, "0123456789.eE+-") == strlen(text);
    char *end = NULL;
    double value = plain ? strtod(text, &end) : NAN;
    if (!plain || *end != '\0' || !isfinite(value) || value < min || value > max)
        return fail(ST_INVALID, "%s: found '%.*s', wanted a number from %g to %g", what, SHOWN,
                    text, min, max);
    *out = value;
    return ST_OK;
}
