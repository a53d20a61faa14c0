/* SPDX-License-Identifier: Apache-2.0 */
/* Records: the exact line, equality after a round trip, refusal of everything that is no record. */
#include "harness/base/exit_code.h"
#include "harness/record/record.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *line_of(const struct record *r)
{
    char *line;
    size_t size;
    cr_assert_eq(record_write(r, &line, &size), ST_OK, "%s", status_text());
    cr_assert_eq(strlen(line), size);
    return line;
}

static struct record *read_line(const char *line)
{
    struct record *r;
    cr_assert_eq(record_read(line, strlen(line), 1, &r), ST_OK, "%s", status_text());
    return r;
}

/* ---- writing ---- */

static const char empty_line[] =
    "{\"schema\": \"ditbench-record-1\", \"id\": \"\", \"experiment\": null, \"time\": null, "
    "\"argv\": [], \"cell\": {\"model\": \"\", \"weights\": \"\", \"width\": 0, \"height\": 0, "
    "\"frames\": 0, \"steps\": 0, \"guidance\": null, \"requests\": 0, \"dtype\": \"\", "
    "\"backend\": \"\", \"transport\": \"\", \"strategy\": \"\", \"ranks\": 0, \"seed\": 0, "
    "\"warmup_loops\": 0, \"repeats\": 0, \"threads\": 0, \"exchange\": \"auto\", "
    "\"graph\": true, \"stop\": null, \"round\": 0}, \"flags\": [], \"status\": \"error\", "
    "\"reason\": null, \"latency_ms\": {\"samples\": [], \"median\": null, \"p10\": null, "
    "\"p90\": null, \"min\": null, \"max\": null, \"slowest_rank\": null}, \"step_ms\": "
    "{\"samples\": [], \"median\": null, \"p10\": null, \"p90\": null}, \"decode_ms\": null, "
    "\"memory_bytes\": "
    "{\"peak\": [], \"predicted\": [], \"weights\": [], \"activations\": [], \"kv_store\": [], "
    "\"buffers\": [], \"library\": []}, \"comm\": [], \"comm_match\": null, \"check\": "
    "{\"against\": null, \"rel_l2\": null, \"max_abs\": null, \"tolerance\": null, \"pass\": "
    "null}, \"deviation\": {\"against\": null, \"rel_l2\": null, \"max_abs\": null, \"psnr_db\": "
    "null}, \"recipe\": null, \"cohort\": null, \"env\": {\"host\": null, \"os\": null, \"cpu\": "
    "null, \"cores\": 0, \"load\": [], \"compiler\": "
    "null, \"flags\": null, \"commit\": null, \"dirty\": null, \"libraries\": {}, \"gpus\": [], "
    "\"interconnect\": [], \"p2p\": [], \"nvls\": {\"enabled\": null, \"supported\": null}, "
    "\"exchange\": null, "
    "\"variables\": {}}, \"machine\": {\"period_ms\": null, \"samples\": null, \"gpus\": [], "
    "\"cpu\": {\"governor\": null, \"mhz\": {\"before\": null, \"median\": null, \"min\": null, "
    "\"max\": null, \"after\": null}}}}\n";

Test(record, nothing_is_left_out)
{
    struct record *r;
    cr_assert_eq(record_open(&r), ST_OK);
    char *line = line_of(r);
    cr_assert_str_eq(line, empty_line);
    free(line);
    record_close(r);
}

Test(record, what_was_written_reads_back_equal)
{
    struct record *r = rows_ok("cfg=2,ring=2", 4, 100);
    r->reason = "just so";
    r->cell.seed = INT64_MAX;
    r->env.dirty = RECORD_YES;
    record_add_gpu(r, &(struct record_gpu){.name = "a", .uuid = "b", .nvlink = "18 links"});
    record_add_pair(r, &r->env.variables, "OMP_NUM_THREADS", "2");
    char *line = line_of(r);
    struct record *copy = read_line(line);
    char *again = line_of(copy);
    cr_assert_str_eq(line, again);
    cr_assert_eq(copy->cell.seed, INT64_MAX);
    cr_assert_eq(copy->comm.n, 4);
    cr_assert_eq(copy->comm.v[3].rank, 3);
    cr_assert_eq(copy->memory_bytes.peak.v[3], 4003);
    cr_assert_eq(copy->comm_match, RECORD_YES);
    cr_assert_null(copy->env.gpus.v[0].pcie);
    free(line);
    free(again);
    record_close(r);
    record_close(copy);
}

/* A median that its loops do not have is not believed. */
Test(record, statistics_are_those_of_the_samples)
{
    static const double lie[] = {NAN, 0, -1.42, 1e300};
    const double loops[] = {10, 30, 20};
    for (int i = 0; i < 4; i++) {
        struct record *r, *read;
        char *line;
        size_t size;
        cr_assert_eq(record_open(&r), ST_OK);
        record_set_numbers(r, &r->latency_ms.samples, 3, loops);
        record_summarise(r);
        cr_assert_eq(record_identify(r), ST_OK);
        r->latency_ms.median = r->latency_ms.max = lie[i];
        cr_assert_eq(record_write(r, &line, &size), ST_OK);
        cr_assert_eq(record_read(line, size, 1, &read), ST_OK, "%s", status_message());
        cr_assert(read->latency_ms.median == 20 && read->latency_ms.max == 30);
        record_close(read);
        record_close(r);
        free(line);
    }
}

Test(record, doubles_keep_every_bit)
{
    const double values[] = {
        0.1,     1.0 / 3, 4.5, 1e-5, 123456789.123456789, DBL_MAX, DBL_MIN, 4.9406565e-324,
        -0.0625, -0.0,    20};
    enum { N = sizeof values / sizeof values[0] };
    struct record *r = rows_ok("serial", 1, 1);
    record_set_numbers(r, &r->step_ms.samples, N, values);
    char *line = line_of(r);
    cr_assert_not_null(strstr(line, "[0.1, 0.333333333333333"), "shortest digits");
    cr_assert_not_null(strstr(line, "4.5, 1e-05"), "shortest digits");
    struct record *copy = read_line(line);
    cr_assert_eq(copy->step_ms.samples.n, N);
    cr_assert_eq(memcmp(copy->step_ms.samples.v, values, sizeof values), 0);
    free(line);
    record_close(r);
    record_close(copy);
}

Test(record, what_json_cannot_say_is_null)
{
    struct record *r = rows_ok("serial", 1, 1);
    r->deviation.psnr_db = INFINITY;
    r->check.rel_l2 = NAN;
    char *line = line_of(r);
    cr_assert_not_null(strstr(line, "\"psnr_db\": null"));
    cr_assert_not_null(strstr(line, "\"rel_l2\": null, \"max_abs\": 1e-06"));
    struct record *copy = read_line(line);
    cr_assert(isnan(copy->deviation.psnr_db) && isnan(copy->check.rel_l2));
    free(line);
    record_close(r);
    record_close(copy);
}

Test(record, any_text_becomes_valid_json)
{
    struct record *r = rows_ok("serial", 1, 1);
    r->reason = "\"a\\b\"\n\t\x01\x7f é€😀 \xff\xc0\x80\xed\xa0\x80\xf5\xe2\x82";
    char *line = line_of(r);
    cr_assert_null(strchr(line, '\x01'));
    cr_assert_eq(strchr(line, '\n'), line + strlen(line) - 1, "one line");
    struct record *copy = read_line(line);
    cr_assert_str_eq(copy->reason, "\"a\\b\"\n\t\x01\x7f é€😀 ?????????");
    free(line);
    record_close(r);
    record_close(copy);
}

Test(record, an_integer_above_json_is_refused)
{
    struct record *r = rows_ok("serial", 1, 1);
    char *line, id[RECORD_ID_SIZE];
    size_t size;
    r->cell.seed = (uint64_t)INT64_MAX + 1;
    cr_assert_eq(record_write(r, &line, &size), ST_INVALID);
    cr_assert_not_null(strstr(status_message(), "seed"));
    cr_assert_null(line);
    cr_assert_eq(record_cell_id(&r->cell, id), ST_INVALID);
    record_close(r);
}

/* A text that found no memory must not become a null in a file. */
Test(record, lack_of_memory_is_remembered)
{
    struct record *r = rows_ok("serial", 1, 1);
    char *line;
    size_t size;
    cr_assert_null(record_array(r, SIZE_MAX / 4, 16));
    cr_assert_eq(record_write(r, &line, &size), ST_OOM);
    record_close(r);
}

/* ---- growing ---- */

Test(record, lists_grow_after_reading_too)
{
    struct record *r = rows_ok("ring=3", 3, 1); // 3 lines of traffic: no power of two
    char *line = line_of(r);
    struct record *copy = read_line(line);
    for (int i = 3; i < 20; i++)
        record_add_comm(copy,
                        &(struct record_comm){.rank = i, .axis = "a", .op = "b", .when = "c"});
    cr_assert_eq(copy->comm.n, 20);
    for (int i = 0; i < 20; i++)
        cr_assert_eq(copy->comm.v[i].rank, i);
    cr_assert_str_eq(copy->comm.v[2].axis, "ring");
    free(line);
    record_close(r);
    record_close(copy);
}

/* ---- judging and identity ---- */

Test(record, a_failed_check_is_wrong)
{
    struct record *r = rows_ok("ring=2", 2, 1);
    cr_assert_eq(r->status, ENDING_OK);
    cr_assert_eq(r->comm_match, RECORD_YES);
    r->check.pass = RECORD_NO;
    r->check.rel_l2 = 0.25;
    record_judge(r);
    cr_assert_eq(r->status, ENDING_WRONG);
    cr_assert_str_eq(r->reason, "relative error 0.25 against serial is not within 1e-05");
    record_close(r);
}

Test(record, bytes_that_differ_are_wrong)
{
    struct record *r = rows_ok("ring=2", 2, 1);
    r->comm.v[1].wire_bytes = 999;
    record_judge(r);
    cr_assert_eq(r->status, ENDING_WRONG);
    cr_assert_eq(r->comm_match, RECORD_NO);
    cr_assert_str_eq(r->reason,
                     "rank 1, ring send (step): 999 bytes left the rank, the plan says 1000");
    record_close(r);
}

Test(record, failures_are_not_judged)
{
    struct record *r = rows_failed("ring=2", 2, ENDING_OOM, "full");
    record_judge(r);
    cr_assert_eq(r->status, ENDING_OOM);
    cr_assert_eq(r->comm_match, RECORD_UNKNOWN);
    cr_assert_str_eq(r->reason, "full");
    record_close(r);
}

/* ---- rows of older builds ---- */

/* Takes what later builds added out of a line. */
static void cut(char *line, const char *from, const char *to)
{
    char *at = strstr(line, from);
    cr_assert_not_null(at, "%s", from);
    char *end = strstr(at, to);
    cr_assert_not_null(end, "%s", to);
    memmove(at, end, strlen(end) + 1);
}

Test(record, rows_of_older_builds_are_completed)
{
    const double noisy[] = {100, 100, 100, 126, 126};
    struct record *r = rows_ok("ring=2", 2, 100);
    record_set_numbers(r, &r->latency_ms.samples, 5, noisy);
    record_summarise(r);
    record_judge(r);
    char *whole = line_of(r);
    char *old = line_of(r);
    cut(old, ", \"exchange\"", "}, \"flags\"");
    cut(old, "\"flags\": [\"noisy\"]", "\"status\"");
    cut(old, "\"recipe\"", "\"env\"");
    cut(old, "\"load\"", "\"compiler\"");
    memcpy(strstr(old, r->id), "0123456789abcdef", 16); // of a hash that knew less
    struct record *copy = read_line(old);
    char *again = line_of(copy);
    cr_assert_str_eq(again, whole);
    free(whole);
    free(old);
    free(again);
    record_close(r);
    record_close(copy);
}

/* ---- statuses ---- */

Test(record, statuses_have_names_and_only_interrupted_is_not_final)
{
    for (int i = 0; i < ENDINGS; i++) {
        enum ending found;
        const char *name = ending_name((enum ending)i);
        cr_assert(ending_find(name, &found) && (int)found == i, "%s", name);
        cr_assert_eq(ending_final((enum ending)i), i != ENDING_INTERRUPTED);
    }
    enum ending none;
    cr_assert_not(ending_find("fine", &none));
}

Test(record, outcomes_map_to_statuses_and_exit_codes)
{
    static const struct {
        enum status st;
        enum ending record;
        int code;
    } table[] = {
        {ST_OK, ENDING_OK, 0},
        {ST_WRONG, ENDING_WRONG, 1},
        {ST_INVALID, ENDING_ERROR, 2},
        {ST_IO, ENDING_ERROR, 2},
        {ST_UNSUPPORTED, ENDING_UNSUPPORTED, 3},
        {ST_OOM, ENDING_OOM, 4},
        {ST_COMM, ENDING_ERROR, 5},
        {ST_DEVICE, ENDING_ERROR, 5},
        {ST_TIMEOUT, ENDING_TIMEOUT, 5},
        {ST_INTERRUPTED, ENDING_INTERRUPTED, 130},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        cr_assert_eq(ending_of(table[i].st), table[i].record);
        cr_assert_eq(exit_code_of(table[i].st), table[i].code);
    }
}

/* ---- reading ---- */

Test(record, keys_of_a_later_build_are_skipped)
{
    struct record *r = rows_ok("serial", 1, 12.5);
    char *line = line_of(r), *longer;
    cr_assert_gt(asprintf(&longer, "{\"new\": [1, {\"x\": null}], %s", line + 1), 0);
    struct record *copy = read_line(longer);
    cr_assert_eq(copy->latency_ms.median, 12.5);
    free(line);
    free(longer);
    record_close(r);
    record_close(copy);
}

/* A part of a good line, what it is replaced by, and what the message must say. */
struct damage {
    char found[48], put[48], message[160];
};

ParameterizedTestParameters(record, damaged_lines_are_refused)
{
    static struct damage table[] = {
        {"{\"schema\"", "[\"schema\"", "line 7: not JSON"},
        {"\"ditbench-record-1\"", "\"other-2\"",
         "line 7: schema: found \"other-2\", wanted \"ditbench-record-1\""},
        {"\"schema\": \"ditbench-record-1\", ", "", "line 7: schema: found no text"},
        {"\"width\": 256", "\"width\": -1",
         "line 7: cell.width: found -1, wanted an integer from 0 to 2147483647"},
        {"\"width\": 256", "\"width\": 2147483648", "line 7: cell.width: found 2147483648"},
        {"\"width\": 256", "\"width\": 2.5", "line 7: cell.width: found a fraction"},
        {"\"width\": 256", "\"width\": \"wide\"", "line 7: cell.width: found \"wide\""},
        {"\"width\": 256", "\"width\": null", "line 7: cell.width: found null"},
        {"\"width\": 256, ", "", "line 7: cell.width: missing"},
        {"\"width\": 256", "\"height\": 256", "line 7: not JSON: duplicate object key"},
        {"\"width\": 256", "\"width\": 99999999999999999999", "line 7: not JSON"},
        {"\"seed\": 1", "\"seed\": -1", "line 7: cell.seed: found -1"},
        {"\"guidance\": 4.5", "\"guidance\": true",
         "line 7: cell.guidance: found a truth value, wanted a number or null"},
        {"\"status\": \"ok\"", "\"status\": \"fine\"",
         "line 7: status: found \"fine\", wanted ok,"},
        {"\"status\": \"ok\"", "\"status\": 1", "line 7: status: found 1, wanted ok,"},
        {"\"comm_match\": true", "\"comm_match\": 1",
         "line 7: comm_match: found 1, wanted true, false or null"},
        {"\"argv\": [\"ditbench\"]", "\"argv\": [\"a\", 2]",
         "line 7: argv[1]: found 2, wanted a text"},
        {"\"argv\": [\"ditbench\"]", "\"argv\": {}", "line 7: argv: found an object"},
        {"\"peak\": [4000, 4001]", "\"peak\": [4000, -1]",
         "line 7: memory_bytes.peak[1]: found -1"},
        {"\"rank\": 1", "\"rank\": []", "line 7: comm[1].rank: found an array"},
        {"\"jansson\": \"2.14\"", "\"jansson\": 2",
         "line 7: env.libraries.jansson: found 2, wanted a text"},
        {"\"libraries\": {\"jansson\": \"2.14\"}", "\"libraries\": []",
         "line 7: env.libraries: found an array, wanted an object of texts"},
        {"\"gpus\": []", "\"gpus\": [1]", "line 7: env.gpus[0]: found 1, wanted an object"},
        {"\"host\": \"here\"", "\"host\": \"\\u0000\"", "line 7: not JSON"},
        {"\"host\": \"here\"", "\"host\": \"\xff\"", "line 7: not JSON"},
        {"\"after\": null}}}}", "\"after\": null}}}", "line 7: not JSON"},
        {"\"after\": null}}}}", "\"after\": null}}}} 1", "line 7: not JSON"},
        {"\"period_ms\": null", "\"period_ms\": -3", "line 7: machine.period_ms: found -3"},
        {"\"machine\": {", "\"machine\": {\"samples\": 1, ", "line 7: not JSON: duplicate"},
        {"\"governor\": null", "\"gouverneur\": null",
         "line 7: machine.cpu.governor: missing; a record holds every key"},
        {"\"id\": \"", "\"id\": \"x", "line 7: id: found \"x"},
    };
    return cr_make_param_array(struct damage, table, sizeof table / sizeof table[0]);
}

ParameterizedTest(struct damage *damage, record, damaged_lines_are_refused)
{
    struct record *r = rows_ok("ring=2", 2, 10), *copy;
    char *line = line_of(r), *bad;
    char *at = strstr(line, damage->found);
    cr_assert_not_null(at, "%s is not in %s", damage->found, line);
    cr_assert_gt(
        asprintf(&bad, "%.*s%s%s", (int)(at - line), line, damage->put, at + strlen(damage->found)),
        0);
    cr_assert_eq(record_read(bad, strlen(bad), 7, &copy), ST_INVALID);
    cr_assert_null(copy);
    cr_assert_eq(strncmp(status_message(), damage->message, strlen(damage->message)), 0, "%s",
                 status_message());
    free(line);
    free(bad);
    record_close(r);
}

/* Every way to cut a line short is an error, and none a crash. */
Test(record, no_part_of_a_line_is_a_record)
{
    struct record *r = rows_ok("ring=2", 2, 10), *copy;
    char *line = line_of(r);
    size_t size = strlen(line) - 1; // without '\n'
    for (size_t part = 0; part < size; part++)
        cr_assert_eq(record_read(line, part, 1, &copy), ST_INVALID, "%zu bytes", part);
    cr_assert_eq(record_read(line, size, 1, &copy), ST_OK);
    record_close(copy);
    free(line);
    record_close(r);
}

Test(record, deep_nesting_is_refused)
{
    enum { DEPTH = 100000 };
    struct record *r;
    char *line = malloc(DEPTH);
    cr_assert_not_null(line);
    memset(line, '[', DEPTH);
    cr_assert_eq(record_read(line, DEPTH, 1, &r), ST_INVALID);
    free(line);
}
