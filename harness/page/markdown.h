/* SPDX-License-Identifier: Apache-2.0 */
/* A document as Markdown (CommonMark with the tables of GitHub). Figures are links to their files.
 */
#ifndef HARNESS_PAGE_MARKDOWN_H
#define HARNESS_PAGE_MARKDOWN_H

#include "harness/page/doc.h"

/* The same document gives the same bytes. The file's folder is created; figures must be there.
 * ST_IO, ST_OOM. */
enum status markdown_write(const struct doc *doc, const char *path);

#endif
