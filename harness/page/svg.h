/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An SVG file inside an HTML page. Only what draws is taken over: elements and attributes that are
 * not known to draw, scripts and links among them, are left out with all that is in them; and so
 * are titles, descriptions and dates of the program that drew it, and groups without anything in
 * them. Ids begin anew with the picture's number, so that several pictures do not meet. Colours are
 * variables --cRRGGBB of the page, which knows a light and a dark value of each (theme.h).
 */
#ifndef HARNESS_PAGE_SVG_H
#define HARNESS_PAGE_SVG_H

#include "kernels/base/status.h"

#include <stdint.h>
#include <stdio.h>

enum { SVG_COLOURS = 512 };

/* Colours that pictures use, sorted. Begins as {0}. */
struct svg_colours {
    int n;
    uint32_t v[SVG_COLOURS]; /* 0xRRGGBB */
};

/*
 * Writes the picture as one element <svg>; well-formed XML. number: its own in the page; alt: what
 * it shows, in words. Its size in CSS pixels stands in its attributes width and height. ST_IO;
 * ST_INVALID: no SVG, not well-formed, or too many colours, with the place; ST_OOM. What was
 * written until then is to be thrown away.
 */
enum status svg_inline(FILE *out, const char *path, int number, const char *alt,
                       struct svg_colours *colours);

/* Whether svg_inline can read it. */
enum status svg_check(const char *path);

#endif
