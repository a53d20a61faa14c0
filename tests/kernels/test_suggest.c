/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": which word is near. */
#include "kernels/base/suggest.h"

#include <criterion/criterion.h>

Test(suggest, finds_the_nearest_word)
{
    static const char *const words[] = {"size", "steps", "seed", "strategy", NULL};
    cr_assert_str_eq(suggest_word("sizee", words), "size");
    cr_assert_str_eq(suggest_word("stpes", words), "steps");
    cr_assert_str_eq(suggest_word("sede", words), "seed");
    cr_assert_null(suggest_word("threads", words));
    cr_assert_null(
        suggest_word("a very long word that is nobody's neighbour, not even by chance", words));
}

Test(suggest, finds_the_word_that_holds_another)
{
    static const char *const words[] = {"all_reduce", "all_gather", "all_to_all", NULL};
    cr_assert_str_eq(suggest_word("gather", words), "all_gather");
    cr_assert_null(suggest_word("all_", words));
    cr_assert_null(suggest_word("to", words));
}

Test(suggest, does_not_guess_from_two_letters)
{
    static const char *const words[] = {"cpu", "ok", NULL};
    cr_assert_null(suggest_word("gpu", words));
    cr_assert_null(suggest_word("foo", words));
    cr_assert_str_eq(suggest_word("cpi", words), "cpu");
}

Test(suggest, does_not_mind_case)
{
    static const char *const words[] = {"flux.1-dev", "flux.1-schnell", NULL};
    cr_assert_str_eq(suggest_word("FLUX.1-dev", words), "flux.1-dev");
}

Test(suggest, hints_or_is_silent)
{
    static const char *const words[] = {"local", "mpi", NULL};
    char hint[SUGGEST_HINT];
    cr_assert_str_eq(suggest_hint("locl", words, hint), " (did you mean 'local'?)");
    cr_assert_str_eq(suggest_hint("infiniband", words, hint), "");
}
