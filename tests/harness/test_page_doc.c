/* SPDX-License-Identifier: Apache-2.0 */
/* Documents as HTML and as Markdown: exact bytes of a small one, texts of enemies, pictures. */
#include "harness/page/doc.h"
#include "harness/page/html.h"
#include "harness/page/markdown.h"
#include "harness/page/style.h"
#include "harness/page/svg.h"
#include "harness/page/theme.h"
#include "tests/harness/program.h"
#include "tests/harness/wellformed.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(page_doc, .init = program_limit);

static const enum doc_align two[] = {DOC_LEFT, DOC_RIGHT};

static struct doc *small(void)
{
    struct doc *doc = doc_open();
    doc_heading(doc, 1, "A %s", "title");
    doc_text(doc, "Costs `a|b` & 1 < 2_3.");
    doc_heading(doc, 2, "One");
    doc_item(doc, "first");
    doc_item(doc, "%d. second", 2);
    doc_table(doc, 2, two);
    doc_caption(doc, "What `x` is");
    doc_cell(doc, "name");
    doc_cell(doc, "ms");
    doc_cell(doc, "`p|q`");
    doc_cell(doc, "%d", 7);
    doc_fold(doc, "More of <it>");
    doc_code(doc, "a \"b\"\n```\n");
    doc_unfold(doc);
    return doc;
}

static char *written(struct doc *doc, bool html)
{
    const char *path = program_file(html ? "small.html" : "small.md");
    enum status st = html ? html_write(doc, path) : markdown_write(doc, path);
    cr_assert_eq(st, ST_OK, "%s", status_message());
    doc_close(doc);
    return program_read(path);
}

Test(page_doc, html_of_a_small_document)
{
    char *page = written(small(), true);
    const char *body = strstr(page, "<body>");
    cr_assert_null(wellformed(page), "%s", wellformed(page));
    cr_assert_not_null(strstr(page, "<title>A title</title>"));
    cr_assert_not_null(strstr(page, "<meta name=\"viewport\""));
    cr_assert_not_null(strstr(page, " lang=\"en\">"));
    cr_assert_str_eq(body,
                     "<body>\n<main>\n<h1>A title</h1>\n"
                     "<p>Costs <code>a|b</code> &amp; 1 &lt; 2_3.</p>\n"
                     "<nav aria-label=\"Contents\">\n<ul>\n<li><a href=\"#s1\">One</a></li>\n"
                     "</ul>\n</nav>\n<h2 id=\"s1\">One</h2>\n"
                     "<ul>\n<li>first</li>\n<li>2. second</li>\n</ul>\n"
                     "<div class=\"table\" role=\"region\" tabindex=\"0\" aria-label=\"What x "
                     "is\">\n<table>\n<caption><span>What <code>x</code> is</span></caption>\n"
                     "<thead>\n<tr><th scope=\"col\">name</th><th scope=\"col\" "
                     "class=\"r\">ms</th></tr>\n</thead>\n<tbody>\n<tr><th "
                     "scope=\"row\"><code>p|q</code></th><td class=\"r\">7</td></tr>\n"
                     "</tbody>\n</table>\n</div>\n"
                     "<details>\n<summary>More of &lt;it&gt;</summary>\n"
                     "<pre tabindex=\"0\"><code>a &quot;b&quot;\n```\n</code></pre>\n"
                     "</details>\n</main>\n</body>\n</html>\n");
    free(page);
}

Test(page_doc, markdown_of_a_small_document)
{
    char *page = written(small(), false);
    cr_assert_str_eq(page, "# A title\n\n"
                           "Costs `a|b` \\& 1 \\< 2_3.\n\n"
                           "## One\n\n"
                           "- first\n- 2\\. second\n\n"
                           "What `x` is\n\n"
                           "| name | ms |\n| --- | ---: |\n| `p\\|q` | 7 |\n\n"
                           "<details>\n<summary>More of &lt;it&gt;</summary>\n\n"
                           "````\na \"b\"\n```\n````\n\n"
                           "</details>\n");
    free(page);
}

/* ---- texts of anybody ---- */

Test(page_doc, texts_mean_themselves)
{
    static const char enemy[] =
        "</p><script>alert(\"1\")</script> & ' \x01\x7f\xff\xc3(\xed\xa0\x80\n<b>`x";
    static const char shown[] =
        "&lt;/p&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39; "
        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd "
        "&lt;b&gt;`x";
    struct doc *doc = doc_open();
    doc_heading(doc, 1, "%s", enemy);
    doc_text(doc, "%s", enemy);
    doc_item(doc, "%s", enemy);
    doc_table(doc, 1, two);
    doc_caption(doc, "%s", enemy);
    doc_cell(doc, "%s", enemy);
    doc_cell(doc, "%s", enemy);
    doc_fold(doc, "%s", enemy);
    doc_unfold(doc);
    doc_code(doc, enemy);
    cr_assert_eq(markdown_write(doc, program_file("enemy.md")), ST_OK);
    char *page = written(doc, true);
    cr_assert_null(wellformed(page), "%s", wellformed(page));
    cr_assert_null(strstr(page, "<script"));
    cr_assert_eq(wellformed_count(page, shown), 9, "%s", strstr(page, "<body>"));
    free(page);
    page = program_read(program_file("enemy.md"));
    char *code = strstr(page, "\n```\n");
    cr_assert_not_null(code);
    *code = '\0'; // within a block of code it may stand
    cr_assert_eq(wellformed_count(page, "<script"), wellformed_count(page, "\\<script"), "%s",
                 page);
    free(page);
}

/* Marks that turn the direction of a line would make it read as another. */
Test(page_doc, marks_of_direction_are_no_text)
{
    struct doc *doc = doc_open();
    doc_text(doc, "%s", "a\u202eb\u2066c\u200fd\u061ce \u00d7");
    char *page = written(doc, true);
    static const char x[] = "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd";
    char want[100];
    snprintf(want, sizeof want, "<p>a%sb%sc%sd%.6se \u00d7</p>", x, x, x, x);
    cr_assert_not_null(strstr(page, want), "%s", page);
    free(page);
}

Test(page_doc, an_empty_document_is_a_page)
{
    char *page = written(doc_open(), true);
    cr_assert_null(wellformed(page), "%s", wellformed(page));
    free(page);
}

Test(page_doc, a_place_that_cannot_be_written_is_named)
{
    struct doc *doc = doc_open();
    cr_assert_eq(html_write(doc, "/proc/none/page.html"), ST_IO);
    cr_assert_not_null(strstr(status_message(), "/proc/none"), "%s", status_message());
    doc_close(doc);
}

/* ---- pictures ---- */

#define SVG(inside)                                                                                \
    "<?xml version=\"1.0\"?>\n<svg width=\"10\" height=\"20\" viewBox=\"0 0 10 20\" "              \
    "xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\">\n"         \
    "<title>Gnuplot</title>\n<desc>Produced by GNUPLOT 5.4 patchlevel 4 </desc>\n" inside          \
    "</svg>\n"

static char *inlined(const char *svg, struct svg_colours *colours)
{
    char *text = NULL;
    size_t size = 0;
    program_write(program_file("a.svg"), svg);
    FILE *out = open_memstream(&text, &size);
    enum status st = svg_inline(out, program_file("a.svg"), 3, "what \"it\" shows", colours);
    fclose(out);
    cr_assert_eq(st, ST_OK, "%s", status_message());
    return text;
}

Test(page_doc, a_picture_takes_the_pages_colours_and_ids_of_its_own)
{
    struct svg_colours colours = {0};
    char *text = inlined(SVG("<g id=\"plot_1\" fill=\"none\">\n</g>\n"
                             "<defs><path id='p' d='M0,0'/></defs>\n"
                             "<g fill='rgb( 32, 32,32)' stroke='#ABC'><g>\n</g>"
                             "<text>a &lt; b</text><use xlink:href='#p' color='black'/></g>\n"
                             "<rect fill = 'url(#p)' style='fill-opacity:0.5; stroke:white'/>\n"),
                         &colours);
    cr_assert_str_eq(text, "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" "
                           "aria-label=\"what &quot;it&quot; shows\" width=\"10\" height=\"20\" "
                           "viewBox=\"0 0 10 20\"><defs><path id=\"f3-p\" d=\"M0,0\"/></defs>"
                           "<g fill=\"var(--c202020)\" stroke=\"var(--caabbcc)\"><text>a &lt; "
                           "b</text><use href=\"#f3-p\" color=\"var(--c000000)\"/></g><rect "
                           "fill=\"url(#f3-p)\" fill-opacity=\"0.5\" "
                           "stroke=\"var(--cffffff)\"/></svg>");
    cr_assert_eq(colours.n, 4);
    cr_assert(colours.v[0] == 0 && colours.v[3] == 0xffffff);
    free(text);
}

Test(page_doc, a_picture_brings_nothing_that_runs_or_loads)
{
    struct svg_colours colours = {0};
    char *text =
        inlined(SVG("<script>alert(1)</script><g onclick='x()'><path d='M1' onload=\"y()\"/></g>"
                    "<image href='http://x/'/><use href='http://x/#a'/><foreignObject><p>z</p>"
                    "</foreignObject><style>*{}</style><a href='javascript:1'><text>t</text></a>"
                    "<rect fill='url(http://x/)'/><!-- c -->"),
                &colours);
    cr_assert_null(strstr(text, "script"), "%s", text);
    cr_assert_null(strstr(text, "http://x"), "%s", text);
    cr_assert_null(strstr(text, "on"), "%s", text);
    cr_assert_not_null(strstr(text, "<g><path d=\"M1\"/></g><use/><a><text>t</text></a><rect/>"),
                       "%s", text);
    free(text);
}

Test(page_doc, what_is_no_picture_is_refused_with_its_place)
{
    static const char *const bad[] = {"",
                                      "<html/>",
                                      "<svg>\n<g></svg>",
                                      "<svg>\n<g a=1/></svg>",
                                      "<svg><text>&nbsp;</text></svg>",
                                      "<svg><g",
                                      "<svg/><svg/>",
                                      "<svg a='<'/>"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        program_write(program_file("bad.svg"), bad[i]);
        cr_assert_eq(svg_check(program_file("bad.svg")), ST_INVALID, "%s", bad[i]);
        cr_assert_not_null(strstr(status_message(), "bad.svg: line "), "%s", status_message());
    }
    struct doc *doc = doc_open();
    doc_figure(doc, program_file("bad.svg"), "x", NULL);
    cr_assert_eq(html_write(doc, program_file("bad.html")), ST_INVALID);
    cr_assert_null(program_read(program_file("bad.html")));
    doc_close(doc);
}

Test(page_doc, a_table_of_texts_fits_the_page)
{
    static const enum doc_align align[1] = {DOC_LEFT};
    struct doc *doc = doc_open();
    doc_table(doc, 1, align);
    doc_fit(doc);
    doc_cell(doc, "a");
    doc_table(doc, 1, align);
    doc_cell(doc, "b");
    char *page = written(doc, true);
    cr_assert_null(wellformed(page), "%s", wellformed(page));
    cr_assert_eq(wellformed_count(page, "<table class=\"fit\">"), 1);
    cr_assert_eq(wellformed_count(page, "<table>"), 1);
    free(page);
}

Test(page_doc, two_pictures_do_not_meet)
{
    program_write(program_file("b.svg"), SVG("<defs><path id='p' d='M0,0'/></defs>"
                                             "<use xlink:href='#p' color='#d55e00'/>"));
    struct doc *doc = doc_open();
    doc_figure(doc, program_file("b.svg"), "one", "Caption");
    doc_figure(doc, program_file("b.svg"), "two", NULL);
    doc_figure_narrow(doc, program_file("b.svg"));
    char *page = written(doc, true);
    cr_assert_null(wellformed(page), "%s", wellformed(page));
    cr_assert_eq(wellformed_count(page, "id=\"f1-p\""), 1);
    cr_assert_eq(wellformed_count(page, "id=\"f2-p\""), 1);
    cr_assert_eq(wellformed_count(page, "href=\"#f3-p\""), 1);
    cr_assert_eq(wellformed_count(page, "--cd55e00:#"), 2, "a light and a dark value");
    cr_assert_not_null(strstr(page, "<figcaption>Caption</figcaption>"));
    free(page);
}

Test(page_doc, markdown_names_pictures_from_its_folder)
{
    program_write(program_file("c d.svg"), SVG(""));
    struct doc *doc = doc_open();
    doc_figure(doc, program_file("c d.svg"), "a [b]", NULL);
    cr_assert_eq(markdown_write(doc, program_file("deep/er/x.md")), ST_OK, "%s", status_message());
    doc_close(doc);
    char *page = program_read(program_file("deep/er/x.md"));
    cr_assert_str_eq(page, "![a \\[b\\]](../../c%20d.svg)\n");
    free(page);
}

/* ---- colours ---- */

Test(page_doc, texts_of_both_themes_have_contrast)
{
    unsigned paper, ink, soft, panel, link;
    const char *at = style_sheet;
    for (int theme = 0; theme < 2; theme++) {
        at = strstr(at, "--paper:#");
        cr_assert_not_null(at);
        cr_assert_eq(sscanf(at, "--paper:#%x;--ink:#%x;--soft:#%x;", &paper, &ink, &soft), 3);
        cr_assert_eq(sscanf(strstr(at, "--panel:"), "--panel:#%x;--link:#%x", &panel, &link), 2);
        cr_assert_geq(theme_contrast(soft, paper), 4.5);
        cr_assert_geq(theme_contrast(ink, panel), 4.5);
        cr_assert_geq(theme_contrast(link, paper), 4.5);
        cr_assert_eq(paper, theme ? THEME_DARK_PAPER : THEME_PAPER);
        at++;
    }
    cr_assert_null(strpbrk(style_sheet, "<&"));
    cr_assert_null(strstr(style_sheet, "url("));
}

Test(page_doc, colours_of_charts_are_seen_on_both_grounds)
{
    /* plots/style.gp: families, spare ones, in turn, text, kinds, shares */
    static const unsigned colour[] = {
        0x6e6e6e, 0x009e73, 0x8f7a00, 0xc2609a, 0xd55e00, 0x6a51a3, 0x2e96d9, 0xc27d00,
        0x00568f, 0x882255, 0x1a1a1a, 0x332288, 0x2a8c7c, 0x7d7d26, 0xaa4499, 0x117733,
        0xb3003c, 0x00796b, 0x5e35b1, 0xa15c00, 0x1565c0, 0x9c27b0, 0x4e6b00, 0x202020,
        0x26456e, 0x5b8fc7, 0x9c8f1c, 0x8f6a8f, 0x3f6ea5, 0xefb73e, 0x606060};
    for (size_t i = 0; i < sizeof colour / sizeof colour[0]; i++)
        cr_assert_geq(theme_contrast(theme_dark(colour[i]), THEME_DARK_PAPER), 3, "#%06x -> #%06x",
                      colour[i], (unsigned)theme_dark(colour[i]));
    cr_assert_geq(theme_contrast(theme_dark(0x202020), THEME_DARK_PAPER), 10);
    cr_assert_geq(theme_contrast(theme_dark(0x6e6e6e), THEME_DARK_PAPER), 4.5);
    cr_assert_leq(theme_contrast(theme_dark(0xe3e3e3), THEME_DARK_PAPER), 2, "a grid stays faint");
    cr_assert_float_eq(theme_contrast(0, 0xffffff), 21, 1e-9);
}
