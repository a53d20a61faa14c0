/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Colours of a picture that was drawn for white paper, on a dark ground. Not the colours of the
 * page's own texts, which are in style.c. Colours are 0xRRGGBB (sRGB).
 */
#ifndef HARNESS_PAGE_THEME_H
#define HARNESS_PAGE_THEME_H

#include <stdint.h>

enum { THEME_PAPER = 0xffffff, THEME_DARK_PAPER = 0x15181c };

/*
 * The colour that takes this one's place on THEME_DARK_PAPER: the hue stays, lightness (of OKLab;
 * Ottosson, "A perceptual color space for image processing", 2020) is turned round a middle that
 * stays. White becomes the dark paper, black nearly white, pale areas become dim ones, vivid light
 * ones stay, and darker shades of one colour become lighter ones, so that they still differ.
 */
uint32_t theme_dark(uint32_t rgb);

/* Contrast of two colours, 1 to 21 (WCAG 2.2, "contrast ratio"). */
double theme_contrast(uint32_t a, uint32_t b);

#endif
