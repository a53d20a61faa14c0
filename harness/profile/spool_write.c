/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers of a spool and the texts that they know. Says nothing about what records mean. */
#include "harness/profile/spool_write.h"

#include "kernels/base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct known {
    char *text; /* NULL: free */
    uint32_t id;
};

struct stream {
    unsigned char *buffer; /* [SPOOL_BUFFER] */
    size_t used;
    size_t texts, slots; /* slots: a power of two */
    struct known *known; /* [slots] hashed, open addressing */
};

struct spool {
    char *path;
    int fd;
    pthread_mutex_t lock; /* of the file and of what follows */
    enum status failed;
    char reason[400];
    int streams;
    struct stream stream[]; /* [streams] */
};

/* ---- failures ---- */

static void keep_failure(struct spool *spool, enum status st, const char *why)
{
    pthread_mutex_lock(&spool->lock);
    if (spool->failed == ST_OK) {
        spool->failed = st;
        snprintf(spool->reason, sizeof spool->reason, "%s", why);
    }
    pthread_mutex_unlock(&spool->lock);
}

enum status spool_check(struct spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    enum status st =
        spool->failed ? fail(spool->failed, "%s: %s", spool->path, spool->reason) : ST_OK;
    pthread_mutex_unlock(&spool->lock);
    return st;
}

/* ---- bytes ---- */

static int write_all(int fd, const unsigned char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : EIO;
        bytes += n;
        size -= (size_t)n;
    }
    return 0;
}

void spool_flush(struct spool *spool, int stream)
{
    struct stream *s = &spool->stream[stream];
    pthread_mutex_lock(&spool->lock);
    int error = spool->failed ? 0 : write_all(spool->fd, s->buffer, s->used);
    pthread_mutex_unlock(&spool->lock);
    s->used = 0;
    if (error)
        keep_failure(spool, ST_IO, strerror(error));
}

void spool_put(struct spool *spool, int stream, struct spool_record *record)
{
    struct stream *s = &spool->stream[stream];
    if (SPOOL_BUFFER - s->used < SPOOL_MOST)
        spool_flush(spool, stream);
    record->stream = (unsigned)stream;
    s->used += spool_encode(record, s->buffer + s->used);
}

/* ---- texts ---- */

static struct known *find_text(const struct stream *s, const char *text)
{
    size_t at = hash_text(0, text) & (s->slots - 1);
    while (s->known[at].text && strcmp(s->known[at].text, text) != 0)
        at = (at + 1) & (s->slots - 1);
    return &s->known[at];
}

static bool grow_texts(struct stream *s)
{
    struct stream more = {.slots = s->slots * 2};
    more.known = calloc(more.slots, sizeof *more.known);
    if (!more.known)
        return false;
    for (size_t i = 0; i < s->slots; i++)
        if (s->known[i].text)
            *find_text(&more, s->known[i].text) = s->known[i];
    free(s->known);
    s->known = more.known;
    s->slots = more.slots;
    return true;
}

uint32_t spool_text(struct spool *spool, int stream, const char *text)
{
    struct stream *s = &spool->stream[stream];
    if (!text || !*text)
        return 0;
    const struct known *known = find_text(s, text);
    if (known->text)
        return known->id;
    char *copy = strdup(text);
    if (!copy || (2 * s->texts >= s->slots && !grow_texts(s))) {
        free(copy);
        keep_failure(spool, ST_OOM, "names of what was recorded: no host memory");
        return 0;
    }
    *find_text(s, text) = (struct known){copy, (uint32_t)++s->texts};
    struct spool_record record = {.type = SPOOL_TEXT};
    record.text.id = (uint32_t)s->texts;
    record.text.letters = (uint32_t)strlen(text);
    record.text.v = text;
    spool_put(spool, stream, &record);
    return (uint32_t)s->texts;
}

/* ---- life ---- */

static enum status open_streams(struct spool *spool)
{
    for (int i = 0; i < spool->streams; i++) {
        struct stream *s = &spool->stream[i];
        s->slots = 256;
        s->buffer = malloc(SPOOL_BUFFER);
        s->known = calloc(s->slots, sizeof *s->known);
        if (!s->buffer || !s->known)
            return fail(ST_OOM, "profile: no host memory for buffers of %d ranks",
                        spool->streams - 1);
    }
    return ST_OK;
}

static enum status open_file(struct spool *spool)
{
    unsigned char head[SPOOL_HEAD];
    spool_put_head(head);
    spool->fd = open(spool->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int error = spool->fd < 0 ? errno : write_all(spool->fd, head, sizeof head);
    return error ? fail(ST_IO, "%s: cannot be written: %s", spool->path, strerror(error)) : ST_OK;
}

enum status spool_open(const char *path, int streams, struct spool **out)
{
    struct spool *spool = calloc(1, sizeof *spool + (size_t)streams * sizeof *spool->stream);
    *out = NULL;
    if (!spool)
        return fail(ST_OOM, "profile: no host memory");
    spool->fd = -1;
    spool->streams = streams;
    pthread_mutex_init(&spool->lock, NULL);
    spool->path = strdup(path);
    enum status st = spool->path ? open_streams(spool) : fail(ST_OOM, "profile: no host memory");
    if (st == ST_OK)
        st = open_file(spool);
    if (st == ST_OK)
        *out = spool;
    else
        spool_close(spool);
    return st;
}

void spool_close(struct spool *spool)
{
    if (!spool)
        return;
    for (int i = 0; i < spool->streams; i++) {
        struct stream *s = &spool->stream[i];
        if (spool->fd >= 0 && s->used > 0)
            spool_flush(spool, i);
        for (size_t k = 0; s->known && k < s->slots; k++)
            free(s->known[k].text);
        free(s->known);
        free(s->buffer);
    }
    if (spool->fd >= 0)
        close(spool->fd);
    pthread_mutex_destroy(&spool->lock);
    free(spool->path);
    free(spool);
}
