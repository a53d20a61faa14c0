/* SPDX-License-Identifier: Apache-2.0 */
/* The front end of a backend's activity records. */
#include "kernels/activity.h"

#include "kernels/backend.h"
#include "kernels/base/clock.h"

int64_t activity_clock(void)
{
    return (int64_t)(clock_seconds() * 1e9);
}

bool activity_supported(const struct backend_ops *ops)
{
    return ops->activity != NULL;
}

enum status activity_open(const struct backend_ops *ops, const struct activity_sink *sink)
{
    if (!ops->activity)
        return fail(ST_UNSUPPORTED, "backend %s has no activity records", ops->name);
    return ops->activity->open(sink);
}

enum status activity_record(const struct backend_ops *ops)
{
    return ops->activity->record();
}

enum status activity_pause(const struct backend_ops *ops, uint64_t *dropped)
{
    return ops->activity->pause(dropped);
}

void activity_close(const struct backend_ops *ops)
{
    if (ops->activity)
        ops->activity->close();
}
