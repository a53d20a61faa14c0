/* SPDX-License-Identifier: Apache-2.0 */
/* Which variable names the cache folder. */
#include "kernels/base/cache.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static void is(const char *want)
{
    char buffer[40];
    cr_assert_str_eq(cache_folder(buffer, sizeof buffer), want);
}

Test(cache, the_first_variable_that_is_set_counts)
{
    setenv("DITBENCH_CACHE", "/own", 1);
    setenv("XDG_CACHE_HOME", "/shared", 1);
    setenv("HOME", "/home/me", 1);
    is("/own");
    setenv("DITBENCH_CACHE", "", 1);
    is("/shared/ditbench");
    unsetenv("XDG_CACHE_HOME");
    is("/home/me/.cache/ditbench");
    unsetenv("HOME");
    is("");
}

Test(cache, a_name_that_is_too_long_is_none)
{
    unsetenv("DITBENCH_CACHE");
    unsetenv("XDG_CACHE_HOME");
    setenv("HOME", "/home/somebody-with-a-long-name", 1);
    is("");
}
