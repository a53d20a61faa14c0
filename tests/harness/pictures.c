/* SPDX-License-Identifier: Apache-2.0 */
/* Reads pictures and their data back. */
#include "tests/harness/pictures.h"

#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool pictures_have_gnuplot(void)
{
    return system("gnuplot --version >/dev/null 2>&1") == 0;
}

void pictures_data_holds(const char *folder, const char *name, const char *text)
{
    char path[64];
    size_t size;
    snprintf(path, sizeof path, "data/%s.gp", name);
    char *data = rows_file_text(folder, path, &size);
    cr_assert_not_null(data, "%s", path);
    cr_assert_not_null(strstr(data, text), "no %s in %s", text, data);
    free(data);
}

void pictures_are_whole(const char *folder, const char *name)
{
    char file[64], command[256];
    size_t size, png_size;
    snprintf(file, sizeof file, "%s.svg", name);
    char *svg = rows_file_text(folder, file, &size);
    cr_assert_not_null(svg, "%s", file);
    cr_assert_not_null(strstr(svg, "</svg>"));
    cr_assert_lt(size, 200000u, "%s", file);
    free(svg);
    snprintf(command, sizeof command, "xmllint --noout %s/%s 2>&1", folder, file);
    if (system("xmllint --version >/dev/null 2>&1") == 0)
        cr_assert_eq(system(command), 0, "%s", command);
    snprintf(file, sizeof file, "%s.png", name);
    char *png = rows_file_text(folder, file, &png_size);
    cr_assert_not_null(png, "%s", file);
    cr_assert_eq(memcmp(png, "\x89PNG", 4), 0);
    cr_assert_lt(png_size, 1000000u);
    free(png);
}
