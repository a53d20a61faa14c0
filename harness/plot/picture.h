/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the pictures of a profile share: the prelude is opened with title and setting, filled by
 * gantt.c, step.c or roofline.c, closed and drawn. Not the charts of records (chart.h).
 */
#ifndef HARNESS_PLOT_PICTURE_H
#define HARNESS_PLOT_PICTURE_H

#include "kernels/base/status.h"

#include <stdbool.h>
#include <stdio.h>

enum { PICTURE_TEXT = 1024 };

struct picture_options {
    const char *folder;  /* is created: FOLDER/NAME.svg, and the numbers in FOLDER/data/NAME.gp */
    const char *title;   /* what ran: model, size, strategy; NULL: not said */
    const char *setting; /* a line below: dtype, machine, build; NULL: none */
    unsigned formats;    /* PLOT_ bits of plot.h; 0: SVG and PNG */
    double width_cm;     /* 0: what each takes */
    bool quiet;          /* the files' names are not printed */
};

struct picture {
    const struct picture_options *options;
    const char *name; /* of the template and of the files */
    FILE *out;        /* the prelude */
    double width_cm;  /* to which texts are folded */
    int notes;        /* lines below the picture so far */
};

/* Creates the folders, opens the prelude and writes name, width, title and setting. natural_px: the
 * width where none is wanted. ST_IO. */
enum status picture_open(const struct picture_options *options, const char *name, const char *title,
                         double natural_px, struct picture *out);

/* Adds a text below the picture, folded, without "; " at its end. */
void picture_note(struct picture *picture, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Pixels of the frame, of a picture with so many left and right of it; `otherwise` where no width
 * is wanted. Written as plot_px, too. */
double picture_frame(struct picture *picture, double beside, double otherwise);

/* Closes the prelude and, where filling it ended well (st), draws it. Prints the names of the files
 * on standard output. ST_IO; *missing: for want of gnuplot, and the prelude is there all the same.
 */
enum status picture_close(struct picture *picture, enum status st, bool *missing);

#endif
