/* SPDX-License-Identifier: Apache-2.0 */
/* Texts by characters: shortened, folded; numbers for people. */
#include "harness/base/text.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void shortens(const char *text, int columns, const char *want)
{
    char buffer[64];
    cr_assert_str_eq(text_shorten(text, columns, sizeof buffer, buffer), want);
}

Test(text, long_ones_lose_their_middle)
{
    shortens("short", 9, "short");
    shortens("exactly_9", 9, "exactly_9");
    shortens("0123456789", 9, "012...789");
    shortens("0123456789", 8, "01...789");
    shortens("é1234567€9", 9, "é12...7€9"); // whole characters
    cr_assert_eq(text_columns("é1€"), 3);
}

Test(text, anybodys_are_one_line_that_can_be_shown)
{
    char buffer[64];
    cr_assert_str_eq(text_shown("a\nb\tc\x1b[31md\x7f \xc3\xa9", false, sizeof buffer, buffer),
                     "a b c\xef\xbf\xbd[31md\xef\xbf\xbd \xc3\xa9");
    cr_assert_str_eq(text_shown("\xe2\x80\xae\xff\xc3", false, sizeof buffer, buffer),
                     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    cr_assert_str_eq(text_shown("a\nb\tc\r", true, sizeof buffer, buffer), "a\nb\tc\xef\xbf\xbd");
    cr_assert_str_eq(text_shown("abc\xc3\xa9", false, 5, buffer), "abc"); /* é has no room */
    cr_assert_str_eq(text_shown("abc\xc3\xa9", false, 6, buffer), "abc\xc3\xa9");
}

static void folds(const char *text, int columns, const char *want)
{
    char all[256] = "";
    for (const char *line = text, *next; *line; line = next) {
        int n = text_fold(line, columns, &next);
        cr_assert(next > line, "no way forward");
        snprintf(all + strlen(all), sizeof all - strlen(all), "%.*s|", n, line);
    }
    cr_assert_str_eq(all, want);
}

Test(text, lines_end_at_blanks_then_commas_then_anywhere)
{
    folds("one two three", 7, "one two|three|");
    folds("one two three", 8, "one two|three|");
    folds("one", 7, "one|");
    folds("", 7, "");
    folds("cfg=2,ring=2", 8, "cfg=2,|ring=2|");
    folds("a/path/of/parts", 8, "a/path/|of/parts|");
    folds("unbroken", 3, "unb|rok|en|");
    folds("ééé é", 3, "ééé|é|");
    folds(" a", 1, " |a|");
}

Test(text, numbers_have_four_digits_or_all_before_the_point)
{
    static const struct {
        double value;
        const char *want;
    } row[] = {{0, "0.000"},      {0.2625, "0.263"},  {1.5, "1.500"},         {12.345, "12.35"},
               {123.45, "123.5"}, {98765.4, "98765"}, {0.000123, "1.23e-04"}, {-2.5, "-2.500"}};
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        char text[TEXT_NUMBER];
        cr_assert_str_eq(text_number(row[i].value, text), row[i].want);
    }
}

/* The quick ways say what printf says. */
Test(text, numbers_are_as_printf_writes_them)
{
    uint64_t random = 1;
    for (int i = 0; i < 200000; i++) {
        char quick[TEXT_NUMBER], slow[64];
        random = random * 6364136223846793005 + 1442695040888963407;
        double value = (double)(random >> 11) / (double)(UINT64_C(1) << 53);
        value *= pow(10, (int)(random % 22) - 8);
        value = i % 3 == 0 ? round(value) : i % 7 == 0 ? round(8 * value) / 8 : value;
        snprintf(slow, sizeof slow, "%.9g", value);
        cr_assert_str_eq(text_digits(value, quick), slow);
        if (value < 1e15) {
            snprintf(slow, sizeof slow, "%.0f", value);
            cr_assert_str_eq(text_count(value, quick), slow);
        }
    }
    static const double edge[] = {0,
                                  -0.0,
                                  1,
                                  10,
                                  99999999.95,
                                  999999999.5,
                                  1e9,
                                  1e-4,
                                  9.9999e-5,
                                  9.99999999949,
                                  9.9999999995,
                                  0.5,
                                  2.5,
                                  1e300,
                                  INFINITY,
                                  -3.25};
    for (size_t i = 0; i < sizeof edge / sizeof edge[0]; i++) {
        char quick[TEXT_NUMBER], slow[64];
        snprintf(slow, sizeof slow, "%.9g", edge[i]);
        cr_assert_str_eq(text_digits(edge[i], quick), slow);
    }
}

static void word_is(const char *word, const char *want)
{
    char buffer[64] = "";
    FILE *out = fmemopen(buffer, sizeof buffer, "w");
    cr_assert_not_null(out);
    text_put_word(out, word);
    fclose(out);
    cr_expect_str_eq(buffer, want);
}

Test(text, a_word_of_a_command_line_is_quoted_where_it_must_be)
{
    word_is("results/a.jsonl", "results/a.jsonl");
    word_is("a b", "'a b'");
    word_is("it's", "'it'\\''s'");
    word_is("", "''");
    word_is("$HOME", "'$HOME'");
}
