/* SPDX-License-Identifier: Apache-2.0 */
/* How pages look: the one style sheet, as text. */
#ifndef HARNESS_PAGE_STYLE_H
#define HARNESS_PAGE_STYLE_H

/* Edit it in style.c. Holds no "<" and no "&", so that it is the same in HTML and in XML. */
extern const char style_sheet[];

#endif
