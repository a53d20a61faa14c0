/* SPDX-License-Identifier: Apache-2.0 */
/* One record of a spool as bytes and back, by one description of each type. Opens no file. */
#include "harness/profile/spool.h"

#include <string.h>
#include <zlib.h>

static const char magic[] = "DITSPOOL";
enum { MARK = 0x01020304 };

/* Goes over the fields of a body, which it writes, reads, or only counts. */
struct coder {
    unsigned char *to;         /* NULL: not written */
    const unsigned char *from; /* NULL: not read */
    size_t used;
};

static void code(struct coder *c, uint64_t *value, size_t size)
{
    uint64_t read = 0;
    for (size_t i = 0; i < size; i++) {
        if (c->to)
            c->to[c->used] = (unsigned char)(*value >> 8 * i);
        if (c->from)
            read |= (uint64_t)c->from[c->used] << 8 * i;
        c->used++;
    }
    if (c->from)
        *value = read;
}

static void code_u32(struct coder *c, uint32_t *value)
{
    uint64_t wide = *value;
    code(c, &wide, sizeof *value);
    *value = (uint32_t)wide;
}

static void code_i32(struct coder *c, int32_t *value)
{
    uint32_t bits = (uint32_t)*value;
    code_u32(c, &bits);
    *value = (int32_t)bits;
}

static void code_i64(struct coder *c, int64_t *value)
{
    uint64_t bits = (uint64_t)*value;
    code(c, &bits, sizeof bits);
    *value = (int64_t)bits;
}

static void code_double(struct coder *c, double *value)
{
    uint64_t bits;
    memcpy(&bits, value, sizeof bits);
    code(c, &bits, sizeof bits);
    memcpy(value, &bits, sizeof bits);
}

/* ---- bodies ---- */

static void code_process(struct coder *c, struct spool_process *p)
{
    code_u32(c, &p->ranks);
    code_u32(c, &p->steps);
    code_u32(c, &p->on_host);
    code_i32(c, &p->schedule_axis);
    code_u32(c, &p->axes);
    for (int a = 0; a < MESH_MAX_AXES; a++) {
        code_u32(c, &p->axis_size[a]);
        code_u32(c, &p->axis_name[a]);
    }
    code_u32(c, &p->host);
    code_u32(c, &p->no_activity);
    code_i64(c, &p->epoch);
}

static void code_rank(struct coder *c, struct spool_rank *r)
{
    code_u32(c, &r->rank);
    code_u32(c, &r->thread);
    code_i32(c, &r->device);
    code_u32(c, &r->device_name);
}

static void code_range(struct coder *c, struct spool_range *r)
{
    code_i64(c, &r->begin);
    code_u32(c, &r->kind);
    code_u32(c, &r->name);
    code_u32(c, &r->axis);
    code_i32(c, &r->index);
    code_i32(c, &r->channel);
    code_i32(c, &r->peer);
    code(c, &r->payload, sizeof r->payload);
    code(c, &r->wire, sizeof r->wire);
    code_double(c, &r->work.flops);
    code_double(c, &r->work.bytes);
}

static void code_activity(struct coder *c, struct spool_activity *a)
{
    code_u32(c, &a->kind);
    code_u32(c, &a->name);
    code_i64(c, &a->begin);
    code_i64(c, &a->end);
    code_i32(c, &a->device);
    code_u32(c, &a->stream);
    code_u32(c, &a->thread);
    code_u32(c, &a->correlation);
    code(c, &a->tag, sizeof a->tag);
    code(c, &a->bytes, sizeof a->bytes);
    for (int i = 0; i < 3; i++) {
        code_i32(c, &a->grid[i]);
        code_i32(c, &a->block[i]);
    }
    code_i32(c, &a->registers);
    code_i32(c, &a->shared);
}

/* Of a text its number only. */
static void code_body(struct coder *c, struct spool_record *r)
{
    switch (r->type) {
    case SPOOL_PROCESS:
        code_process(c, &r->process);
        break;
    case SPOOL_RANK:
        code_rank(c, &r->rank);
        break;
    case SPOOL_TEXT:
        code_u32(c, &r->text.id);
        break;
    case SPOOL_OPEN:
        code_range(c, &r->range);
        break;
    case SPOOL_CLOSE:
        code_i64(c, &r->close);
        break;
    case SPOOL_STEP:
        code_u32(c, &r->step.index);
        code_double(c, &r->step.ms);
        break;
    case SPOOL_LOOP:
        code_double(c, &r->loop_ms);
        break;
    case SPOOL_CLOCK:
        code_i64(c, &r->clock.offset);
        code_i64(c, &r->clock.error);
        break;
    case SPOOL_ACTIVITY:
        code_activity(c, &r->activity);
        break;
    case SPOOL_SAMPLE:
        code_i64(c, &r->sample.at);
        code_i32(c, &r->sample.device);
        code_u32(c, &r->sample.counter);
        code_double(c, &r->sample.value);
        break;
    case SPOOL_FINISH:
        code(c, &r->dropped, sizeof r->dropped);
        break;
    case SPOOL_TYPES:
        break;
    }
}

/* ---- frames ---- */

struct frame {
    uint64_t size, type, stream, check, body_check;
};

static void code_frame(struct coder *c, struct frame *f)
{
    code(c, &f->size, 4);
    code(c, &f->type, 2);
    code(c, &f->stream, 2);
    code(c, &f->check, 4);
    code(c, &f->body_check, 4);
}

static uint64_t check_of(const unsigned char *bytes, size_t size)
{
    return crc32_z(0, bytes, size);
}

/* Of a frame's bytes before its checks. */
static uint64_t frame_check(const unsigned char *bytes)
{
    return check_of(bytes, 8);
}

size_t spool_encode(const struct spool_record *record, unsigned char *out)
{
    struct spool_record own = *record;
    struct coder body = {.to = out + SPOOL_FRAME};
    struct coder head = {.to = out};
    code_body(&body, &own);
    if (own.type == SPOOL_TEXT) {
        size_t letters = own.text.letters < SPOOL_LETTERS ? own.text.letters : SPOOL_LETTERS;
        memcpy(body.to + body.used, own.text.v, letters);
        body.used += letters;
    }
    struct frame frame = {.size = body.used, .type = own.type, .stream = own.stream};
    frame.body_check = check_of(body.to, body.used);
    code_frame(&head, &frame);
    frame.check = frame_check(out);
    head.used = 0;
    code_frame(&head, &frame);
    return SPOOL_FRAME + body.used;
}

/* The whole frame is there. */
static enum status check_frame(const unsigned char *bytes, const struct frame *f, size_t at,
                               size_t *fixed)
{
    struct spool_record like = {.type = (enum spool_type)f->type};
    struct coder count = {.used = 0};
    if (f->check != frame_check(bytes))
        return fail(ST_INVALID,
                    "byte %zu: a record's frame with check %llu, wanted %llu; the file is "
                    "damaged: profile again",
                    at, (unsigned long long)f->check, (unsigned long long)frame_check(bytes));
    if (f->type < SPOOL_PROCESS || f->type >= SPOOL_TYPES)
        return fail(ST_INVALID, "byte %zu: a record of type %llu, wanted %d to %d", at,
                    (unsigned long long)f->type, SPOOL_PROCESS, SPOOL_TYPES - 1);
    code_body(&count, &like);
    *fixed = count.used;
    size_t most = count.used + (f->type == SPOOL_TEXT ? SPOOL_LETTERS : 0);
    if (f->size < count.used || f->size > most)
        return fail(ST_INVALID,
                    "byte %zu: a record of type %llu with %llu bytes, wanted %zu to %zu", at,
                    (unsigned long long)f->type, (unsigned long long)f->size, count.used, most);
    return ST_OK;
}

enum status spool_decode(const unsigned char *bytes, size_t size, size_t at,
                         struct spool_record *out, size_t *used, bool *torn)
{
    struct frame frame = {0};
    size_t fixed = 0;
    struct coder head = {.from = bytes + at};
    *torn = size - at < SPOOL_FRAME;
    if (*torn)
        return ST_OK;
    code_frame(&head, &frame);
    TRY(check_frame(bytes + at, &frame, at, &fixed));
    *torn = size - at - SPOOL_FRAME < frame.size;
    if (*torn)
        return ST_OK;
    const unsigned char *body = bytes + at + SPOOL_FRAME;
    uint64_t check = check_of(body, frame.size);
    if (check != frame.body_check)
        return fail(ST_INVALID,
                    "byte %zu: a record of type %llu with check %llu, wanted %llu; the file is "
                    "damaged: profile again",
                    at, (unsigned long long)frame.type, (unsigned long long)frame.body_check,
                    (unsigned long long)check);
    struct coder c = {.from = body};
    memset(out, 0, sizeof *out);
    out->type = (enum spool_type)frame.type;
    out->stream = (unsigned)frame.stream;
    code_body(&c, out);
    if (out->type == SPOOL_TEXT) {
        out->text.v = (const char *)body + fixed;
        out->text.letters = (uint32_t)(frame.size - fixed);
    }
    *used = SPOOL_FRAME + frame.size;
    return ST_OK;
}

void spool_seal(unsigned char *bytes, size_t size)
{
    for (size_t at = SPOOL_HEAD; at < size && size - at >= SPOOL_FRAME;) {
        struct frame frame = {0};
        struct coder from = {.from = bytes + at};
        struct coder to = {.to = bytes + at};
        code_frame(&from, &frame);
        frame.check = frame_check(bytes + at);
        if (frame.size <= size - at - SPOOL_FRAME)
            frame.body_check = check_of(bytes + at + SPOOL_FRAME, frame.size);
        code_frame(&to, &frame);
        if (frame.size > size - at - SPOOL_FRAME)
            return;
        at += SPOOL_FRAME + frame.size;
    }
}

/* ---- the head ---- */

void spool_put_head(unsigned char out[SPOOL_HEAD])
{
    uint32_t version = SPOOL_VERSION;
    uint32_t mark = MARK;
    struct coder c = {.to = out + 8};
    memcpy(out, magic, 8);
    code_u32(&c, &version);
    code_u32(&c, &mark);
}

enum status spool_check_head(const unsigned char *bytes, size_t size, bool *torn)
{
    unsigned char want[SPOOL_HEAD];
    spool_put_head(want);
    *torn = size < SPOOL_HEAD && memcmp(bytes, want, size) == 0;
    if (*torn)
        return ST_OK;
    if (size < SPOOL_HEAD || memcmp(bytes, want, 8) != 0)
        return fail(ST_INVALID, "byte 0: no spool, which begins with %s", magic);
    uint32_t version = 0;
    struct coder c = {.from = bytes + 8};
    code_u32(&c, &version);
    if (version != SPOOL_VERSION)
        return fail(ST_INVALID, "byte 8: version %u, wanted %d; profile again with this program",
                    (unsigned)version, SPOOL_VERSION);
    if (memcmp(bytes, want, SPOOL_HEAD) != 0)
        return fail(ST_INVALID, "byte 12: the mark is not %08x; the file is damaged: profile again",
                    (unsigned)MARK);
    return ST_OK;
}
