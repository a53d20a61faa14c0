/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a page is well-formed XML, as far as pages use it. */
#ifndef TESTS_HARNESS_WELLFORMED_H
#define TESTS_HARNESS_WELLFORMED_H

/* NULL: it is; else what is wrong, and where: valid until the next call. */
const char *wellformed(const char *text);

/* How often `what` is in `text`. */
int wellformed_count(const char *text, const char *what);

#endif
