/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a CSV file of a published figure: refused, or speed-ups and captions of any size. */
#include "harness/plot/published.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct plot_published *published, int width)
{
    struct record_cell cell = {.width = width, .height = width, .frames = 1};
    struct plot_point *points = calloc((size_t)published->n + 1, sizeof *points);
    char text[500];
    BUG_ON(!points, "no memory");
    int n = plot_published_points(published, &cell, points);
    for (int i = 0; i < n; i++)
        BUG_ON(!(points[i].y > 0) || !(points[i].high >= points[i].low) || points[i].x < 2,
               "a speed-up of %g, %g to %g", points[i].y, points[i].low, points[i].high);
    for (int at = 0; (at = plot_published_panel(published, &cell, at, sizeof text, text)) > 0;)
        BUG_ON(!*text, "a panel without a caption");
    free(points);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plot_published published;
    char path[64];
    int fd = memfd_create("published", 0);
    BUG_ON(fd < 0 || write(fd, data, size) != (ssize_t)size, "no file");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const char *paths[] = {path};
    if (plot_published_open(1, paths, &published) == ST_OK) {
        use(&published, 512);
        use(&published, 0);
    } else {
        BUG_ON(!*status_message(), "refused without a reason");
    }
    plot_published_close(&published);
    close(fd);
    return 0;
}
