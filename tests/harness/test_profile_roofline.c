/* SPDX-License-Identifier: Apache-2.0 */
/* Rooflines of profiles: points and ceilings of hand-made kernels, and where names stand. */
#include "harness/plot/names.h"
#include "harness/plot/roofline.h"
#include "tests/harness/pictures.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <math.h>
#include <string.h>

TestSuite(profile_roofline, .init = cr_redirect_stdout);

enum { MS = 1000000 };

static struct ceilings_rate rate_of(enum ceilings_kind kind, int head, double tflops, double gbs)
{
    return (struct ceilings_rate){
        .kind = kind, .head = head, .flops = tflops * 1e12, .bytes = gbs * 1e9, .median_us = 1e6};
}

/* Products reach 400 TFLOP/s, attention of heads of 64 200 and of 128 300, traffic 4000 GB/s. */
static struct ceilings *ceilings_of(void)
{
    static struct ceilings ceilings;
    struct ceilings_set *set = &ceilings.set[DTYPE_BF16];
    ceilings.have[DTYPE_BF16] = true;
    set->n = 0;
    set->rate[set->n++] = rate_of(CEILINGS_PRODUCT, 0, 400, 1000);
    set->rate[set->n++] = rate_of(CEILINGS_PRODUCT, 0, 100, 1000);
    set->rate[set->n++] = rate_of(CEILINGS_ATTENTION, 128, 300, 100);
    set->rate[set->n++] = rate_of(CEILINGS_ATTENTION, 64, 200, 100);
    set->rate[set->n++] = rate_of(CEILINGS_TRAFFIC, 0, 0, 4000);
    return &ceilings;
}

static struct hot_row row_of(const char *name, const char *range, double ms, double tflops,
                             double intensity)
{
    return (struct hot_row){.name = name,
                            .range = range,
                            .percent = ms,
                            .total = ms * MS,
                            .tflops = tflops,
                            .intensity = intensity};
}

Test(profile_roofline, a_roofline_has_a_point_for_each_row_with_work)
{
    char *folder = rows_folder();
    bool missing;
    struct hot_row row[] = {row_of("linear", "qkv", 16, 300, 500),
                            row_of("attention", "attention", 64, 150, 900),
                            row_of("norm", "norm", 4, 2, 0.5), row_of("copy", "", 16, NAN, NAN)};
    struct hot hot = {.rows = 4, .row = row};
    struct hot_device device = {ceilings_of(), DTYPE_BF16, 72};
    struct roofline_options options = {.picture = {.folder = folder, .title = "dit-tiny"}};
    enum status st = roofline_draw(&hot, &device, &options, &missing);
    cr_assert(st == ST_OK || missing, "%s", status_text());
    // by time; areas as 64 : 16 : 4
    pictures_data_holds(folder, "roofline",
                        "$points << EOD\n900 150 15 1 64\n500 300 7.5 2 16\n0.5 2 3.75 3 4\nEOD\n");
    pictures_data_holds(folder, "roofline", "roofs = 2\n");
    pictures_data_holds(folder, "roofline",
                        "roof[1] = 400\nroof_name[1] = 'products: 400.0 TFLOP/s'\n");
    // heads of 72 were not measured: the next larger ones
    pictures_data_holds(folder, "roofline",
                        "roof[2] = 300\nroof_name[2] = 'attention, heads of 128: 300.0 TFLOP/s'\n");
    pictures_data_holds(folder, "roofline", "traffic = 4000\n");
    pictures_data_holds(folder, "roofline",
                        "16.0% of the time belongs to kernels that compute nothing");
    pictures_data_holds(folder, "roofline", "point_name[1] = 'attention 64\u00a0%'\n");
    if (st == ST_OK)
        pictures_are_whole(folder, "roofline");
    rows_folder_remove(folder);
}

Test(profile_roofline, points_stand_alone_where_no_ceiling_is_known)
{
    char *folder = rows_folder();
    bool missing;
    struct hot_row row[] = {row_of("linear", "qkv", 16, 3e-4, 500)};
    struct hot hot = {.rows = 1, .row = row};
    struct hot_device device = {NULL, DTYPE_BF16, 72};
    struct roofline_options options = {.picture = {.folder = folder}};
    enum status st = roofline_draw(&hot, &device, &options, &missing);
    cr_expect(st == ST_OK || missing, "%s", status_text());
    rows_folder_remove(folder);
}

Test(profile_roofline, a_roofline_of_nothing_is_refused)
{
    char *folder = rows_folder();
    bool missing;
    struct hot hot = {0};
    struct hot_device device = {ceilings_of(), DTYPE_BF16, 0};
    struct roofline_options options = {.picture = {.folder = folder}};
    enum status st = roofline_draw(&hot, &device, &options, &missing); // the ceilings alone
    cr_assert(st == ST_OK || missing, "%s", status_text());
    pictures_data_holds(folder, "roofline", "roofs = 3\n");
    device.ceilings = NULL;
    cr_assert_eq(roofline_draw(&hot, &device, &options, &missing), ST_INVALID);
    cr_assert_not_null(strstr(status_message(), "ditbench ceilings"), "%s", status_message());
    rows_folder_remove(folder);
}

/* Five points on one spot: names that cover neither each other nor the points. */
Test(profile_roofline, names_do_not_cover_each_other)
{
    struct names_box spot = {190, 210, 140, 160};
    struct names_point point[NAMES_MOST];
    for (int i = 0; i < NAMES_MOST; i++)
        point[i] =
            (struct names_point){.x = 198 + i, .y = 150, .radius = 8, .width = 90, .height = 15};
    names_place(400, 300, 1, &spot, NAMES_MOST, point);
    for (int i = 0; i < NAMES_MOST; i++) {
        const struct names_box *a = &point[i].name;
        cr_assert(a->left >= 0 && a->right <= 400 && a->bottom >= 0 && a->top <= 300);
        cr_assert(a->left >= 210 || a->right <= 190 || a->bottom >= 160 || a->top <= 140);
        for (int k = 0; k < i; k++) {
            const struct names_box *b = &point[k].name;
            cr_assert(a->left >= b->right || a->right <= b->left || a->bottom >= b->top ||
                          a->top <= b->bottom,
                      "names %d and %d", i, k);
        }
    }
}
