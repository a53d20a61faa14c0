/* SPDX-License-Identifier: Apache-2.0 */
/* sRGB, OKLab and back. */
#include "harness/page/theme.h"

#include <math.h>
#include <stdbool.h>

/* Red, green, blue of linear light, 0 to 1. */
struct light {
    double v[3];
};

static struct light light_of(uint32_t rgb)
{
    struct light light;
    for (int i = 0; i < 3; i++) {
        double c = (rgb >> (16 - 8 * i) & 0xff) / 255.0;
        light.v[i] = c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4);
    }
    return light;
}

static uint32_t rgb_of(struct light light)
{
    uint32_t rgb = 0;
    for (int i = 0; i < 3; i++) {
        double c = fmin(fmax(light.v[i], 0), 1);
        c = c <= 0.0031308 ? 12.92 * c : 1.055 * pow(c, 1 / 2.4) - 0.055;
        rgb = rgb << 8 | (uint32_t)lround(255 * c);
    }
    return rgb;
}

double theme_contrast(uint32_t a, uint32_t b)
{
    double y[2];
    const uint32_t rgb[] = {a, b};
    for (int i = 0; i < 2; i++) {
        struct light l = light_of(rgb[i]);
        y[i] = 0.2126 * l.v[0] + 0.7152 * l.v[1] + 0.0722 * l.v[2] + 0.05;
    }
    return fmax(y[0], y[1]) / fmin(y[0], y[1]);
}

/* ---- OKLab: lightness 0 to 1, and two axes of colour ---- */

struct lab {
    double lightness, a, b;
};

static struct lab lab_of(struct light c)
{
    double l = cbrt(0.4122214708 * c.v[0] + 0.5363325363 * c.v[1] + 0.0514459929 * c.v[2]);
    double m = cbrt(0.2119034982 * c.v[0] + 0.6806995451 * c.v[1] + 0.1073969566 * c.v[2]);
    double s = cbrt(0.0883024619 * c.v[0] + 0.2817188376 * c.v[1] + 0.6299787005 * c.v[2]);
    return (struct lab){0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s,
                        1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
                        0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s};
}

static struct light light_of_lab(struct lab c)
{
    double l = c.lightness + 0.3963377774 * c.a + 0.2158037573 * c.b;
    double m = c.lightness - 0.1055613458 * c.a - 0.0638541728 * c.b;
    double s = c.lightness - 0.0894841775 * c.a - 1.2914855480 * c.b;
    l = l * l * l;
    m = m * m * m;
    s = s * s * s;
    return (struct light){{4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
                           -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
                           -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s}};
}

static bool displayable(struct light c)
{
    for (int i = 0; i < 3; i++)
        if (c.v[i] < -1e-4 || c.v[i] > 1.0001)
            return false;
    return true;
}

/* ---- the dark ground ---- */

uint32_t theme_dark(uint32_t rgb)
{
    static const double middle = 0.64, lightest = 0.94, full = 0.13;
    if (rgb == THEME_PAPER)
        return THEME_DARK_PAPER;
    double ground = lab_of(light_of(THEME_DARK_PAPER)).lightness;
    struct lab c = lab_of(light_of(rgb));
    double light_one = c.lightness, vivid = fmin(1, hypot(c.a, c.b) / full);
    c.lightness = c.lightness < middle
                      ? middle + (middle - c.lightness) * (lightest - middle) / middle
                      : middle - (c.lightness - middle) * (middle - ground) / (1 - middle);
    if (light_one > middle) // a vivid one need not become dim
        c.lightness += vivid * (light_one - c.lightness);
    struct light light = light_of_lab(c);
    for (int i = 0; i < 40 && !displayable(light); i++) { // paler until a screen can show it
        c.a *= 0.95;
        c.b *= 0.95;
        light = light_of_lab(c);
    }
    return rgb_of(light);
}
