/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table with open addressing, from a node's number to its tag, behind a lock. */
#include "kernels/cuda/activity_tags.h"

#include <pthread.h>
#include <stdlib.h>

enum { FIRST_SLOTS = 1024 };

struct slot {
    uint64_t node; /* 0: free. CUPTI numbers no node so */
    uint64_t tag;
    bool clone, destroyed;
};

struct activity_tags {
    pthread_mutex_t lock;
    struct slot *slot; /* [slots] */
    uint32_t slots;    /* a power of two */
    uint32_t used;     /* three quarters of the slots at most */
    uint32_t most;     /* slots, in the end */
    uint32_t gone;     /* of those used: destroyed */
    uint64_t lost;
};

enum status activity_tags_open(uint32_t most, struct activity_tags **out)
{
    struct activity_tags *tags = calloc(1, sizeof(*tags));
    uint32_t slots = most < FIRST_SLOTS ? most : FIRST_SLOTS;
    BUG_ON(most < 4 || (most & (most - 1)) != 0, "tags of %u nodes: not a power of two", most);
    *out = NULL;
    if (tags)
        tags->slot = calloc(slots, sizeof(*tags->slot));
    if (!tags || !tags->slot) {
        free(tags);
        return fail(ST_OOM, "tags of graph nodes: no host memory for %u of them", slots);
    }
    pthread_mutex_init(&tags->lock, NULL);
    tags->slots = slots;
    tags->most = most;
    *out = tags;
    return ST_OK;
}

void activity_tags_close(struct activity_tags *tags)
{
    if (!tags)
        return;
    pthread_mutex_destroy(&tags->lock);
    free(tags->slot);
    free(tags);
}

/* Its slot, or the free one where it would go. Numbers of one graph follow each other, so their
 * bits are mixed first (the multiplier is 2^64 over the golden ratio). */
static struct slot *slot_of(struct slot *slot, uint32_t slots, uint64_t node)
{
    uint32_t at = (uint32_t)(node * 0x9e3779b97f4a7c15u >> 32) & (slots - 1);
    while (slot[at].node != 0 && slot[at].node != node)
        at = (at + 1) & (slots - 1);
    return &slot[at];
}

/* Moves all to a table of `slots`, but for destroyed ones where they are to be forgotten. */
static bool move(struct activity_tags *tags, uint32_t slots, bool forget)
{
    struct slot *to = calloc(slots, sizeof(*to));
    if (!to)
        return false;
    tags->used = 0;
    tags->gone = forget ? 0 : tags->gone;
    for (uint32_t i = 0; i < tags->slots; i++) {
        const struct slot *from = &tags->slot[i];
        if (from->node == 0 || (forget && from->destroyed))
            continue;
        *slot_of(to, slots, from->node) = *from;
        tags->used++;
    }
    free(tags->slot);
    tags->slot = to;
    tags->slots = slots;
    return true;
}

static bool make_room(struct activity_tags *tags)
{
    if (tags->used < tags->slots / 4 * 3)
        return true;
    if (tags->slots < tags->most)
        return move(tags, 2 * tags->slots, false);
    return tags->gone > 0 && move(tags, tags->slots, true) && tags->used < tags->slots / 4 * 3;
}

static void put(struct activity_tags *tags, uint64_t node, uint64_t tag, bool clone)
{
    struct slot *slot = slot_of(tags->slot, tags->slots, node);
    if (slot->node == 0) {
        if (!make_room(tags)) {
            tags->lost++;
            return;
        }
        slot = slot_of(tags->slot, tags->slots, node);
        tags->used++;
    }
    tags->gone -= slot->destroyed;
    *slot = (struct slot){.node = node, .tag = tag, .clone = clone};
}

void activity_tags_add(struct activity_tags *tags, uint64_t node, uint64_t tag)
{
    pthread_mutex_lock(&tags->lock);
    const struct slot *slot = slot_of(tags->slot, tags->slots, node);
    if (slot->node == 0 || slot->destroyed || !slot->clone)
        put(tags, node, tag, false);
    pthread_mutex_unlock(&tags->lock);
}

bool activity_tags_clone(struct activity_tags *tags, uint64_t node, uint64_t original)
{
    pthread_mutex_lock(&tags->lock);
    const struct slot *from = slot_of(tags->slot, tags->slots, original);
    bool known = from->node != 0;
    if (known)
        put(tags, node, from->tag, true);
    pthread_mutex_unlock(&tags->lock);
    return known;
}

void activity_tags_destroy(struct activity_tags *tags, uint64_t node)
{
    pthread_mutex_lock(&tags->lock);
    struct slot *slot = slot_of(tags->slot, tags->slots, node);
    if (slot->node != 0) {
        tags->gone += !slot->destroyed;
        slot->destroyed = true;
    }
    pthread_mutex_unlock(&tags->lock);
}

enum activity_node activity_tags_find(struct activity_tags *tags, uint64_t node, uint64_t *tag)
{
    enum activity_node found = ACTIVITY_NODE_UNKNOWN;
    pthread_mutex_lock(&tags->lock);
    const struct slot *slot = slot_of(tags->slot, tags->slots, node);
    *tag = slot->tag;
    if (slot->node != 0)
        found = slot->clone ? ACTIVITY_NODE_CLONE : ACTIVITY_NODE_CAPTURED;
    pthread_mutex_unlock(&tags->lock);
    return found;
}

uint64_t activity_tags_lost(struct activity_tags *tags)
{
    pthread_mutex_lock(&tags->lock);
    uint64_t lost = tags->lost;
    pthread_mutex_unlock(&tags->lock);
    return lost;
}
