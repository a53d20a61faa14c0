/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A document as one HTML page that needs nothing else: styles and pictures are in it, nothing is
 * loaded, there is no script. It is well-formed XML, too. The reader's light or dark setting holds;
 * printed, all folds are open.
 */
#ifndef HARNESS_PAGE_HTML_H
#define HARNESS_PAGE_HTML_H

#include "harness/page/doc.h"

/* The same document and pictures give the same bytes. The file's folder is created. ST_IO;
 * ST_INVALID: a figure that svg.h refuses; ST_OOM. Where it fails nothing is written. */
enum status html_write(const struct doc *doc, const char *path);

#endif
