/* SPDX-License-Identifier: Apache-2.0 */
/* The last failure: sentences, traces, threads and bugs. */
#include "kernels/base/status.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

Test(status, sentence_of_the_last_failure)
{
    cr_assert_str_eq(status_message(), "");
    cr_assert_eq(fail(ST_IO, "%s: %d bytes", "a.json", 7), ST_IO);
    cr_assert_str_eq(status_message(), "a.json: 7 bytes");
    cr_assert_eq(fail(ST_OOM, "second"), ST_OOM);
    cr_assert_str_eq(status_message(), "second");
    status_clear();
    cr_assert_str_eq(status_message(), "");
    cr_assert_str_eq(status_text(), "");
}

Test(status, the_old_sentence_may_be_part_of_the_new)
{
    fail(ST_IO, "inner");
    fail(ST_IO, "outer: %s, again %s", status_message(), status_message());
    cr_assert_str_eq(status_message(), "outer: inner, again inner");
    cr_assert_eq(fail_prefix(ST_COMM, "rank %d", 3), ST_COMM);
    cr_assert_str_eq(status_message(), "rank 3: outer: inner, again inner");
    fail_prefix(ST_COMM, "%s", status_message());
    cr_assert_str_eq(status_message(),
                     "rank 3: outer: inner, again inner: rank 3: outer: inner, again inner");
}

static int passed;

static enum status innermost(bool good)
{
    return good ? ST_OK : fail(ST_INVALID, "the cause");
}

static enum status middle(bool good)
{
    TRY(innermost(good));
    passed++;
    return ST_OK;
}

static enum status outermost(bool good)
{
    TRY(middle(good));
    passed++;
    return ST_OK;
}

Test(status, try_leaves_at_once_and_traces)
{
    cr_assert_eq(outermost(true), ST_OK);
    cr_assert_eq(passed, 2);
    cr_assert_eq(outermost(false), ST_INVALID);
    cr_assert_eq(passed, 2);
    const char *text = status_text();
    cr_assert_eq(strncmp(text, "the cause\n  in middle (", 23), 0, "%s", text);
    const char *second = strstr(text, "\n  in outermost (");
    cr_assert_not_null(second);
    cr_assert_not_null(strstr(second, "test_status.c:"));
    cr_assert_neq(text[strlen(text) - 1], '\n');
    cr_assert_str_eq(status_message(), "the cause");
    fail(ST_IO, "another");
    cr_assert_str_eq(status_text(), "another");
}

Test(status, too_long_a_sentence_is_cut_and_says_so)
{
    char *text = malloc(10001);
    memset(text, 'x', 10000);
    text[10000] = '\0';
    fail(ST_IO, "%s", text);
    const char *kept = status_message();
    cr_assert_eq(strlen(kept), 4095);
    cr_assert_str_eq(kept + 4092, "...");
    fail_prefix(ST_IO, "file");
    cr_assert_eq(strncmp(status_message(), "file: xxx", 9), 0);
    cr_assert_eq(strlen(status_message()), 4095);
    fail_prefix(ST_IO, "%s", text);
    cr_assert_eq(strlen(status_message()), 4095);
    free(text);
}

static enum status descend(int depth)
{
    if (depth == 0)
        return fail(ST_DEVICE, "bottom");
    TRY(descend(depth - 1));
    return ST_OK;
}

Test(status, a_deep_trace_keeps_its_innermost_lines)
{
    cr_assert_eq(descend(1000), ST_DEVICE);
    cr_assert_eq(strncmp(status_text(), "bottom\n  in descend (", 21), 0);
    cr_assert_lt(strlen(status_text()), 4096 + 2048);
}

static void *other_thread(void *arg)
{
    bool empty = status_message()[0] == '\0';
    fail(ST_COMM, "of the other thread");
    return empty ? NULL : arg;
}

Test(status, each_thread_has_its_own)
{
    fail(ST_IO, "mine");
    pthread_t id;
    void *result;
    cr_assert_eq(pthread_create(&id, NULL, other_thread, &passed), 0);
    pthread_join(id, &result);
    cr_assert_null(result);
    cr_assert_str_eq(status_message(), "mine");
}

Test(status, every_status_has_a_name)
{
    cr_assert_str_eq(status_name(ST_OK), "ok");
    cr_assert_str_eq(status_name(ST_OOM), "oom");
    cr_assert_str_eq(status_name(ST_UNSUPPORTED), "unsupported");
    for (int a = ST_OK; a <= ST_INTERRUPTED; a++)
        for (int b = ST_OK; b < a; b++)
            cr_assert_str_neq(status_name((enum status)a), status_name((enum status)b));
}

Test(status, bug_aborts, .signal = SIGABRT)
{
    int rows = 3;
    BUG_ON(rows == 3, "%d rows", rows);
}

Test(status, bug_does_nothing_when_all_is_well)
{
    BUG_ON(passed < 0, "never");
}

Test(status, fail_with_ok_is_a_bug, .signal = SIGABRT)
{
    fail(ST_OK, "contradiction");
}
