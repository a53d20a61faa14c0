/* SPDX-License-Identifier: Apache-2.0 */
/* Ranks that meet in a folder: values come whole, or a rank says that nobody came. */
#include "kernels/comm/rendezvous.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { RANKS = 4, VALUE = 128 };

struct meeting {
    struct rendezvous where;
    char value[VALUE];
    enum status status;
};

static void *meet(void *arg)
{
    struct meeting *m = arg;
    const struct timespec late = {.tv_nsec = 20000000};
    if (m->where.rank == 0)
        nanosleep(&late, NULL); /* the others look first */
    m->status = rendezvous_broadcast(&m->where, "id", m->value, VALUE);
    return NULL;
}

static void clean(const char *folder, const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
    rmdir(folder);
}

Test(rendezvous, folder_hands_on_the_value_of_rank_0)
{
    char folder[] = "/tmp/rendezvous-XXXXXX";
    struct meeting meeting[RANKS];
    pthread_t thread[RANKS];
    cr_assert_not_null(mkdtemp(folder));
    for (int r = 0; r < RANKS; r++) {
        meeting[r] = (struct meeting){.where = {.rank = r, .size = RANKS, .folder = folder}};
        for (int i = 0; i < VALUE; i++)
            meeting[r].value[i] = (char)(r == 0 ? 3 * i + 1 : -1);
        cr_assert_eq(pthread_create(&thread[r], NULL, meet, &meeting[r]), 0);
    }
    for (int r = 0; r < RANKS; r++)
        pthread_join(thread[r], NULL);
    for (int r = 0; r < RANKS; r++) {
        cr_expect_eq(meeting[r].status, ST_OK);
        cr_expect_eq(memcmp(meeting[r].value, meeting[0].value, VALUE), 0, "rank %d", r);
    }
    cr_expect_eq(meeting[RANKS - 1].value[1], 4);
    clean(folder, "id");
}

Test(rendezvous, folder_without_rank_0_is_a_timeout)
{
    char folder[] = "/tmp/rendezvous-XXXXXX";
    int value = 0;
    cr_assert_not_null(mkdtemp(folder));
    struct rendezvous where = {.rank = 2, .size = 3, .folder = folder, .timeout_s = 0.02};
    cr_expect_eq(rendezvous_broadcast(&where, "id", &value, sizeof value), ST_TIMEOUT);
    cr_expect_not_null(strstr(status_message(), "rank 2 of 3"), "%s", status_message());
    cr_expect_not_null(strstr(status_message(), folder), "%s", status_message());
    clean(folder, "id");
}

/* Nobody writes into the FIFO, so whoever waits for it never comes back. */
Test(rendezvous, a_fifo_in_place_of_the_value, .timeout = 10)
{
    char folder[] = "/tmp/rendezvous-XXXXXX";
    char path[300];
    int value = 0;
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/id", folder);
    cr_assert_eq(mkfifo(path, 0600), 0);
    struct rendezvous where = {.rank = 1, .size = 2, .folder = folder, .timeout_s = 5};
    cr_expect_eq(rendezvous_broadcast(&where, "id", &value, sizeof value), ST_INVALID);
    cr_expect_not_null(strstr(status_message(), "is a FIFO"), "%s", status_message());
    clean(folder, "id");
}

Test(rendezvous, one_rank_needs_no_folder)
{
    int value = 7;
    struct rendezvous where = {.size = 1};
    cr_expect_eq(rendezvous_broadcast(&where, "id", &value, sizeof value), ST_OK);
    cr_expect_eq(value, 7);
}
