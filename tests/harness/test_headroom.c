/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of memory over ranks that share a GPU, with thread ranks on the CPU in the GPU's place. */
#include "harness/measure/headroom.h"

#include <criterion/criterion.h>
#include <string.h>

#define GB 1000000000ull

Test(headroom, judges_by_arenas_and_margin)
{
    struct headroom_share share = {
        .gpu = 1, .ranks = 1, .first = 5, .arenas = 100, .available = 100};
    cr_assert_eq(headroom_judge(&share), ST_OK);
    share.margin = 1;
    cr_assert_eq(headroom_judge(&share), ST_OOM);
    share = (struct headroom_share){
        .ranks = 1, .arenas = 1513 * GB / 10, .available = 1499 * GB / 10, .gpu = 0};
    cr_assert_eq(headroom_judge(&share), ST_OOM);
    cr_assert(strstr(status_message(),
                     "rank 0 needs 151.3 GB in its arenas, and GPU 0 has 149.9 GB available"),
              "%s", status_message());
    share.ranks = 4;
    share.margin = GB;
    share.arenas = UINT64_MAX;
    cr_assert_eq(headroom_judge(&share), ST_OOM);
    cr_assert(strstr(status_message(), "4 ranks share GPU 0") &&
                  strstr(status_message(), "1.0 GB for libraries"),
              "%s", status_message());
}

struct job {
    struct headroom headroom;
    uint64_t each;         /* a rank's arenas */
    uint64_t library[4];   /* out */
    enum status answer[4]; /* out */
    char message[4][300];  /* out */
};

static enum status check(void *self, const struct rank *rank)
{
    struct job *job = self;
    enum status st = headroom_check(&job->headroom, rank, job->each);
    job->answer[rank->index] = st;
    strncpy(job->message[rank->index], status_message(), 299);
    return ST_OK;
}

static enum status library(void *self, const struct rank *rank)
{
    struct job *job = self;
    return headroom_library(&job->headroom, rank, job->each, &job->library[rank->index]);
}

static void on_four(struct job *job, enum status (*what)(void *, const struct rank *))
{
    const struct ranks four = {.backend = "cpu", .transport = "local", .n = 4, .threads = 4};
    cr_assert_eq(ranks_each(&four, what, job), ST_OK, "%s", status_message());
}

Test(headroom, every_rank_gives_the_same_answer)
{
    struct job job = {.headroom = {.n = 1}, .each = 1};
    strcpy(job.headroom.gpu[0].id, "GPU-a");
    on_four(&job, check);
    job.each = UINT64_MAX / 8; /* one of them alone is more than any host has */
    struct job large = job;
    on_four(&large, check);
    for (int r = 0; r < 4; r++) {
        cr_assert_eq(job.answer[r], ST_OK, "%s", job.message[r]);
        cr_assert_eq(large.answer[r], ST_OOM);
        cr_assert_str_eq(large.message[r], large.message[0]);
    }
    cr_assert(strstr(large.message[0], "4 ranks share GPU 0"), "%s", large.message[0]);
}

Test(headroom, the_cpu_has_no_libraries_to_count)
{
    struct job job = {.each = UINT64_MAX / 8};
    cr_assert_eq(headroom_look("cpu", &job.headroom), ST_OK);
    cr_assert_eq(job.headroom.n, 0);
    memset(job.library, 1, sizeof job.library);
    on_four(&job, check);
    on_four(&job, library);
    for (int r = 0; r < 4; r++)
        cr_assert(job.answer[r] == ST_OK && job.library[r] == 0);
}

Test(headroom, what_is_not_told_is_unknown)
{
    struct job job = {.headroom = {.n = 1}, .each = 1};
    strcpy(job.headroom.gpu[0].id, "GPU-a");
    job.headroom.gpu[0].before = 10 * GB;
    on_four(&job, library);
    for (int r = 0; r < 4; r++)
        cr_assert_eq(job.library[r], HEADROOM_UNKNOWN);
}
