/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of what is drawn: each fails the test that calls it. */
#ifndef TESTS_HARNESS_PICTURES_H
#define TESTS_HARNESS_PICTURES_H

#include <stdbool.h>

bool pictures_have_gnuplot(void);

/* FOLDER/data/NAME.gp, which a picture is drawn from, holds this text. */
void pictures_data_holds(const char *folder, const char *name, const char *text);

/* FOLDER/NAME.svg and NAME.png are there: XML and PNG, and small (200 kB and 1 MB). */
void pictures_are_whole(const char *folder, const char *name);

#endif
