/* SPDX-License-Identifier: Apache-2.0 */
/* Spools written by hand: one clock of all ranks, and what is said of one that breaks off. */
#include "harness/profile/recording_cut.h"
#include "harness/profile/spool.h"
#include "harness/profile/spool_read.h"

#include <criterion/criterion.h>
#include <string.h>

/* ---- a file by hand: one process, one rank, in stream 1 ---- */

struct book {
    unsigned char bytes[1 << 14];
    size_t size;
    uint32_t texts[2]; /* of streams 0 and 1 */
};

static void put(struct book *book, unsigned stream, struct spool_record record)
{
    record.stream = stream;
    book->size += spool_encode(&record, book->bytes + book->size);
}

static uint32_t text(struct book *book, unsigned stream, const char *v)
{
    struct spool_record record = {.type = SPOOL_TEXT};
    record.text.id = ++book->texts[stream];
    record.text.letters = (uint32_t)strlen(v);
    record.text.v = v;
    put(book, stream, record);
    return record.text.id;
}

static void range_opens(struct book *book, enum trace_kind kind, const char *name, int index,
                        int64_t at)
{
    struct spool_record record = {.type = SPOOL_OPEN};
    record.range = (struct spool_range){
        .begin = at, .kind = kind, .name = text(book, 1, name), .index = index, .peer = -1};
    put(book, 1, record);
}

static void range_closes(struct book *book, int64_t at)
{
    struct spool_record record = {.type = SPOOL_CLOSE, .close = at};
    put(book, 1, record);
}

/* Rank `rank` of 2, on a host whose clock reads `offset` less than rank 0's. */
static void process_begins(struct book *book, int rank, int steps, const char *host, int64_t epoch,
                           int64_t offset)
{
    memset(book, 0, sizeof *book);
    spool_put_head(book->bytes);
    book->size = SPOOL_HEAD;
    struct spool_record record = {.type = SPOOL_PROCESS};
    record.process = (struct spool_process){.ranks = 2,
                                            .steps = (uint32_t)steps,
                                            .on_host = 1,
                                            .schedule_axis = -1,
                                            .axes = 1,
                                            .axis_size = {2},
                                            .axis_name = {text(book, 0, "ring")},
                                            .host = text(book, 0, host),
                                            .epoch = epoch};
    put(book, 0, record);
    record = (struct spool_record){.type = SPOOL_RANK};
    record.rank = (struct spool_rank){.rank = (uint32_t)rank, .thread = 7};
    put(book, 1, record);
    record = (struct spool_record){.type = SPOOL_CLOCK};
    record.clock.offset = offset;
    put(book, 1, record);
}

/* Steps of 100 ns from `at`, with an operation each. */
static void steps_pass(struct book *book, int first, int n, int64_t at)
{
    for (int i = first; i < first + n; i++, at += 100) {
        range_opens(book, TRACE_STEP, "step", i, at);
        range_opens(book, TRACE_OP, "linear", -1, at + 10);
        range_closes(book, at + 90);
        range_closes(book, at + 100);
    }
}

static void process_ends(struct book *book, int64_t at)
{
    range_closes(book, at);
    put(book, 1, (struct spool_record){.type = SPOOL_LOOP, .loop_ms = 1});
    put(book, 0, (struct spool_record){.type = SPOOL_FINISH});
}

static struct recording *read_both(const struct book *zero, const struct book *one,
                                   struct spool_told *told)
{
    struct recording *recording;
    const struct spool_file file[] = {{"process-0.spool", zero->bytes, zero->size},
                                      {"process-1.spool", one->bytes, one->size}};
    cr_assert_eq(spool_read_bytes(2, file, &recording, told), ST_OK, "%s", status_text());
    return recording;
}

static struct book zero, one;

/* ---- one clock ---- */

/* Rank 1 comes to its loop at 4000 of rank 0's clock, rank 0 at 5000: 4000 is time 0. */
Test(spool_read, time_0_is_where_the_first_rank_began)
{
    struct spool_told told;
    process_begins(&zero, 0, 1, "a", 1000000, 0);
    range_opens(&zero, TRACE_LOOP, "loop", -1, 5000);
    steps_pass(&zero, 0, 1, 5000);
    process_ends(&zero, 5200);
    process_begins(&one, 1, 1, "b", 7000000, 3000);
    range_opens(&one, TRACE_LOOP, "loop", -1, 1000);
    steps_pass(&one, 0, 1, 1000);
    process_ends(&one, 2300);
    struct recording *r = read_both(&zero, &one, &told);
    cr_expect_eq(r->epoch, 1000000 + 4000);
    cr_expect_eq(r->rank[0].begin, 1000);
    cr_expect_eq(r->rank[1].begin, 0);
    cr_expect_eq(r->rank[1].end, 1300);
    cr_expect_eq(r->rank[1].item[0].begin, 10);
    cr_expect_str_eq(told.incomplete, "");
    recording_close(r);
}

/* Rank 1 died in its warm-up. */
Test(spool_read, a_rank_without_a_loop_has_no_time_before_0)
{
    struct spool_told told;
    process_begins(&zero, 0, 1, "a", 1000000, 0);
    range_opens(&zero, TRACE_LOOP, "loop", -1, 5000);
    steps_pass(&zero, 0, 1, 5000);
    process_ends(&zero, 5200);
    process_begins(&one, 1, 1, "b", 1000000, 0);
    range_opens(&one, TRACE_GRAPH, "capture", -1, 3000);
    struct recording *r = read_both(&zero, &one, &told);
    cr_expect_eq(r->rank[0].begin, 0);
    cr_expect(r->rank[1].begin == 0 && r->rank[1].end == 0);
    recording_close(r);
}

/* ---- what breaks off ---- */

/* Rank 0 is in step 3 when it dies, rank 1 in step 2. */
Test(spool_read, whole_steps_are_those_that_all_ranks_ended)
{
    struct spool_told told;
    process_begins(&zero, 0, 9, "a", 1000000, 0);
    range_opens(&zero, TRACE_LOOP, "loop", -1, 5000);
    steps_pass(&zero, 0, 3, 5000);
    range_opens(&zero, TRACE_STEP, "step", 3, 5300);
    range_opens(&zero, TRACE_OP, "linear", -1, 5310);
    process_begins(&one, 1, 9, "b", 1000000, 0);
    range_opens(&one, TRACE_LOOP, "loop", -1, 5000);
    steps_pass(&one, 0, 2, 5000);
    range_opens(&one, TRACE_STEP, "step", 2, 5200);
    range_opens(&one, TRACE_OP, "linear", -1, 5210);
    struct recording *r = read_both(&zero, &one, &told);
    cr_expect_eq(recording_cut_whole(r), 2);
    recording_close(r);
    process_begins(&one, 1, 9, "b", 1000000, 0); /* and never came to its loop */
    range_opens(&one, TRACE_GRAPH, "capture", -1, 3000);
    r = read_both(&zero, &one, &told);
    cr_expect_eq(recording_cut_whole(r), 0);
    recording_close(r);
}

/* Rank 1's loop came to its end, rank 0's file lacks the last record. */
Test(spool_read, a_loop_that_ended_has_all_its_steps)
{
    struct spool_told told;
    process_begins(&zero, 0, 2, "a", 1000000, 0);
    range_opens(&zero, TRACE_LOOP, "loop", -1, 5000);
    steps_pass(&zero, 0, 2, 5000);
    process_begins(&one, 1, 2, "b", 1000000, 0);
    range_opens(&one, TRACE_LOOP, "loop", -1, 5000);
    steps_pass(&one, 0, 2, 5000);
    process_ends(&one, 5300);
    struct recording *r = read_both(&zero, &one, &told);
    cr_expect_eq(recording_cut_whole(r), 1, "whether step 1 of rank 0 was over is not known");
    process_begins(&zero, 0, 2, "a", 1000000, 0);
    range_opens(&zero, TRACE_LOOP, "loop", -1, 5000);
    steps_pass(&zero, 0, 2, 5000);
    process_ends(&zero, 5300);
    recording_close(r);
    r = read_both(&zero, &one, &told);
    cr_expect_eq(recording_cut_whole(r), 2);
    recording_close(r);
}

/* The file is read and gone when this is said: ranks and hosts stay. */
Test(spool_read, what_is_missing_is_said_by_rank_and_host)
{
    struct spool_told told;
    process_begins(&zero, 0, 1, "node7", 1000000, 0);
    range_opens(&zero, TRACE_LOOP, "loop", -1, 5000);
    steps_pass(&zero, 0, 1, 5000);
    process_begins(&one, 1, 1, "node8", 1000000, 0);
    range_opens(&one, TRACE_LOOP, "loop", -1, 5000);
    steps_pass(&one, 0, 1, 5000);
    process_ends(&one, 5300);
    struct recording *r = read_both(&zero, &one, &told);
    cr_expect_str_eq(told.incomplete, "the loop of rank 0 on node7 did not come to its end");
    recording_close(r);
    zero.size -= 3;
    r = read_both(&zero, &one, &told);
    cr_expect_str_eq(told.incomplete, "the record of rank 0 on node7 breaks off: its process died, "
                                      "or the disk was full");
    recording_close(r);
}

/* CRC-32 tells every burst of at most 32 bits, so no damage of a byte is left to chance: a hash of
 * 16 bits let one of 65536 pass, and this tries a million. */
Test(spool_read, no_change_of_one_bit_passes)
{
    unsigned char bytes[SPOOL_MOST];
    int passed = 0;
    for (int i = 0; i < 4000; i++) {
        struct spool_record record = {.type = SPOOL_CLOCK, .stream = 1}, read;
        size_t used;
        bool torn;
        record.clock.offset = 1000003 * (int64_t)i;
        record.clock.error = 7919 * (int64_t)i;
        size_t size = spool_encode(&record, bytes);
        for (size_t bit = 0; bit < 8 * size; bit++) {
            bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
            passed += spool_decode(bytes, size, 0, &read, &used, &torn) != ST_INVALID;
            bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
    }
    cr_expect_eq(passed, 0, "%d changes were not seen", passed);
}
