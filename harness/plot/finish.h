/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What gnuplot cannot say of a picture: its size in centimetres (SVG, PNG), and a time that is
 * always the same (PDF), so that the same rows give the same bytes. PDFs of cairo 1.17.6 and later
 * hide their time in a compressed object; they keep it.
 */
#ifndef HARNESS_PLOT_FINISH_H
#define HARNESS_PLOT_FINISH_H

#include "kernels/base/status.h"

/* Rewrites the file. width_cm 0: a pixel of the SVG, or two of the PNG, are 1/96 inch. ST_IO. */
enum status plot_finish_svg(const char *path, double width_cm);
enum status plot_finish_png(const char *path, double width_cm);
enum status plot_finish_pdf(const char *path, double width_cm);

#endif
