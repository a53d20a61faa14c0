/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that a cell's numbers come from (checkpoint, configurations, text), each with its stamp
 * (kernels/base/file.h). The process that hashes them, the driver, sends its pins as text to every
 * rank; a rank compares those of the files that it has open with them, and looks once more when it
 * has read what it needs. Between two equal looks nothing happened to a file. Reads no contents.
 */
#ifndef HARNESS_CELL_PINS_H
#define HARNESS_CELL_PINS_H

#include "harness/cell/setup.h"

enum { PINS_IDENTITY = 32 };

struct pins {
    int n;
    struct pin *v; /* private */
};

/* The files that a setup and its weights have open. n is 0 for synthetic weights without a text.
 * ST_INVALID: a configuration changed after the setup read it. Release *out whatever the status. */
enum status pins_take(const struct setup *setup, const struct weights *weights, struct pins *out);
void pins_release(struct pins *pins);

/* Hashes the weights (weights_identity) and pins the files that were hashed. ST_INVALID: a file
 * changed meanwhile. Release *out whatever the status. */
enum status pins_identify(const struct setup *setup, char identity[PINS_IDENTITY],
                          struct pins *out);

/* ST_INVALID: a file is no more what it was, and is named. */
enum status pins_hold(const struct pins *pins);

/* For pins_compare in another process: one word, allocated. NULL: no memory. */
char *pins_text(const struct pins *pins);

/*
 * ST_INVALID: a file is not what it was where `text` was made, and is named, or there are more or
 * fewer. *elsewhere: the text is of another host, where devices and inodes have other numbers, and
 * nothing was compared.
 */
enum status pins_compare(const struct pins *pins, const char *text, bool *elsewhere);

#endif
