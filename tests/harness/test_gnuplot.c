/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of anybody as gnuplot's strings: what they are in a picture. */
#include "harness/plot/gnuplot.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void is_written(const char *text, const char *want)
{
    char *written = NULL;
    size_t size;
    FILE *out = open_memstream(&written, &size);
    cr_assert_not_null(out);
    plot_gnuplot_text(out, "t", text);
    fclose(out);
    cr_assert_str_eq(written, want);
    free(written);
}

Test(gnuplot, a_text_is_quoted)
{
    is_written("ring=2, 1 × A", "t = 'ring=2, 1 × A'\n");
    is_written("it's", "t = 'it'.\"'\".'s'\n");
    is_written("a\nb\x1b[31m\x7f", "t = 'a b [31m '\n");
}

/* gnuplot writes what it gets into an SVG: bytes that are no UTF-8, U+FFFE, U+FFFF and the end of
 * a CDATA section make it one that no reader takes. */
Test(gnuplot, a_text_leaves_an_svg_well_formed)
{
    is_written("a\xc3", "t = 'a\xef\xbf\xbd'\n");
    is_written("\xe2\x82 b", "t = '\xef\xbf\xbd\xef\xbf\xbd b'\n");
    is_written("\xef\xbf\xbf\xef\xbf\xbe", "t = '\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                                           "\xef\xbf\xbd\xef\xbf\xbd'\n");
    is_written("]]>]]]>", "t = ']] >]]] >'\n");
    is_written("a > b]>", "t = 'a > b]>'\n");
}

/* By which it reads as another. */
Test(gnuplot, a_text_does_not_turn)
{
    is_written("x\xe2\x80\xaez", "t = 'x\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz'\n");
}
