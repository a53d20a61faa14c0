/* SPDX-License-Identifier: Apache-2.0 */
/* NVLink's counters over a library that is made up here. */
#include "harness/host/links.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <stddef.h>

static int refuses; /* what the second field answers */

static int fields(struct nvml_device *device, int n, struct nvml_field *field)
{
    (void)device;
    for (int i = 0; i < n; i++) {
        cr_expect_eq(field[i].scope, UINT_MAX, "all links together");
        field[i].status = i == 1 ? refuses : 0;
        field[i].value = field[i].id == 138 ? 10485759ULL : field[i].id == 139 ? 7ULL : 0ULL;
    }
    return 0;
}

static int nothing(struct nvml_device *device, int n, struct nvml_field *field)
{
    (void)device, (void)n, (void)field;
    return 3;
}

Test(links, kib_become_bytes)
{
    const struct nvml nvml = {.fields = fields};
    struct links links;
    cr_assert(links_read_from(&nvml, NULL, &links));
    cr_expect_eq(links.sent, 10485759ULL * 1024);
    cr_expect_eq(links.received, 7 * 1024);
}

Test(links, what_is_not_told_is_no_number)
{
    struct links links = {1, 2};
    cr_expect_not(links_read_from(&(struct nvml){.fields = NULL}, NULL, &links), "an old library");
    cr_expect_not(links_read_from(&(struct nvml){.fields = nothing}, NULL, &links));
    refuses = 3; /* not supported */
    cr_expect_not(links_read_from(&(struct nvml){.fields = fields}, NULL, &links));
    cr_expect(links.sent == 1 && links.received == 2, "and none is written");
}

Test(links, the_field_is_laid_out_as_nvml_has_it)
{
    cr_expect_eq(sizeof(struct nvml_field), 40);
    cr_expect_eq(offsetof(struct nvml_field, timestamp), 8);
    cr_expect_eq(offsetof(struct nvml_field, type), 24);
    cr_expect_eq(offsetof(struct nvml_field, value), 32);
}
