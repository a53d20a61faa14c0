/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tag the work of a graph was captured with, by the number that CUPTI has for its node. Any
 * thread may call; knows nothing of CUDA.
 *
 * A node of an executable graph is a clone of a captured one, and records name the clone, in some
 * versions of CUPTI the captured one. Both are kept, and longer than the nodes live: the captured
 * graph is gone before the first launch, and records of a launch may come after its graph is gone.
 * Only where the table is full are nodes forgotten that were destroyed.
 */
#ifndef KERNELS_CUDA_ACTIVITY_TAGS_H
#define KERNELS_CUDA_ACTIVITY_TAGS_H

#include "kernels/base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct activity_tags;

/* Room for `most` nodes, a power of two, in the end; 24 bytes each, taken as they come. */
enum status activity_tags_open(uint32_t most, struct activity_tags **out);
void activity_tags_close(struct activity_tags *tags);

/* A node was added to a graph with this tag, which may be 0. That of a clone stays: it may be told
 * of twice. */
void activity_tags_add(struct activity_tags *tags, uint64_t node, uint64_t tag);

/* A node has the tag of the one that it was cloned from. False: that one is not known. */
bool activity_tags_clone(struct activity_tags *tags, uint64_t node, uint64_t original);

/* The node is no more: may be forgotten, and its number used again. */
void activity_tags_destroy(struct activity_tags *tags, uint64_t node);

enum activity_node { ACTIVITY_NODE_UNKNOWN, ACTIVITY_NODE_CAPTURED, ACTIVITY_NODE_CLONE };

/* *tag: 0 where the node is not known. */
enum activity_node activity_tags_find(struct activity_tags *tags, uint64_t node, uint64_t *tag);

/* Nodes that found no room. */
uint64_t activity_tags_lost(struct activity_tags *tags);

#endif
