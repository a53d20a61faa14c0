/* SPDX-License-Identifier: Apache-2.0 */
/* The front end of a backend's counters: the order of calls. */
#include "kernels/counters.h"

#include "kernels/backend.h"

const char *counters_name(enum counter counter)
{
    static const char *const name[COUNTERS] = {
        [COUNTER_TIME] = "time",
        [COUNTER_TENSOR] = "tensor_pipe",
        [COUNTER_SM_ACTIVE] = "sm_active",
        [COUNTER_DRAM_READ] = "dram_read",
        [COUNTER_DRAM_WRITE] = "dram_write",
        [COUNTER_L2_HIT] = "l2_hit",
        [COUNTER_L2_MISS] = "l2_miss",
        [COUNTER_NVLINK_SENT] = "nvlink_sent",
        [COUNTER_NVLINK_RECEIVED] = "nvlink_received",
    };
    BUG_ON((unsigned)counter >= COUNTERS, "counter %d does not exist", (int)counter);
    return name[counter];
}

bool counters_supported(const struct backend_ops *ops)
{
    return ops->counters != NULL;
}

enum status counters_open(struct device *dev, uint32_t wanted, int ranges, int passes,
                          struct counters **out)
{
    const struct counters_ops *ops = dev->ops->counters;
    *out = NULL;
    BUG_ON((wanted & COUNTERS_ALL) == 0 || ranges < 1 || passes < 1,
           "counters: mask %#x, %d ranges, %d passes", (unsigned)wanted, ranges, passes);
    if (!ops)
        return fail(ST_UNSUPPORTED, "the %s backend has no counters that are read", dev->ops->name);
    TRY(ops->open(dev, wanted, ranges, passes, out));
    (*out)->ops = ops;
    (*out)->ranges = ranges;
    return ST_OK;
}

void counters_close(struct counters *counters)
{
    if (counters)
        counters->ops->close(counters);
}

enum status counters_begin(struct counters *counters, int pass)
{
    BUG_ON(counters->within_pass, "counters: a pass within a pass");
    BUG_ON(pass < 0 || pass >= counters->passes, "counters: pass %d of %d", pass, counters->passes);
    counters->opened = 0;
    counters->at = pass;
    TRY(counters->ops->begin(counters, pass));
    counters->within_pass = true;
    return ST_OK;
}

enum status counters_push(struct counters *counters)
{
    BUG_ON(!counters->within_pass || counters->within_range, "counters: a range out of place");
    if (counters->opened >= counters->ranges)
        return fail(ST_INVALID, "counters: range %d is opened, and there is room for %d",
                    counters->opened + 1, counters->ranges);
    TRY(counters->ops->push(counters));
    counters->opened++;
    counters->within_range = true;
    return ST_OK;
}

enum status counters_pop(struct counters *counters)
{
    BUG_ON(!counters->within_range, "counters: no range is open");
    counters->within_range = false;
    return counters->ops->pop(counters);
}

enum status counters_end(struct counters *counters, double (*value)[COUNTERS])
{
    BUG_ON(!counters->within_pass || counters->within_range, "counters: the pass cannot end");
    counters->within_pass = false;
    return counters->ops->end(counters, counters->at, value);
}
