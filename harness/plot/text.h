/* SPDX-License-Identifier: Apache-2.0 */
/* Names of chart files, titles and captions. All go into the caller's buffers, which are returned.
 */
#ifndef HARNESS_PLOT_TEXT_H
#define HARNESS_PLOT_TEXT_H

#include "harness/plot/select.h"

enum { PLOT_NAME = 400, PLOT_TEXT = 512 };

/* "256" for a square, "256x384", "512-16f" for 16 frames: as --size takes it. */
char *plot_text_size(const struct record_cell *cell, char buffer[PLOT_NAME]);

/*
 * "CHART.MODEL.SIZE", clean for file systems; size false: without it. What else differs between the
 * settings that are drawn is appended (".bf16.50steps"), so that each chart has its own name.
 */
char *plot_text_name(const struct plot_selection *selection, const struct sheet_row *of,
                     const char *chart, bool size, char buffer[PLOT_NAME]);

/* "20 steps, guidance 4.5, fp32, ...": the setting in words; and file, machine and build. */
char *plot_text_setting(const struct sheet_row *of, char buffer[PLOT_TEXT]);
char *plot_text_machine(const struct sheet_row *of, char buffer[PLOT_TEXT]);

#endif
