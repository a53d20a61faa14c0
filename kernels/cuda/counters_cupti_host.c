/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The choice of metrics. A candidate is taken by trying: CUPTI makes a configuration of it and of
 * what is in the pass already, and says how many passes that would need.
 *
 * cupti_profiler_host.h is C++ in some versions, so its structs of parameters are laid out here:
 * the same members in the same order. Each begins with its size, by which CUPTI knows its version.
 */
#include "kernels/cuda/counters_cupti_host.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- CUPTI's structs ---- */

struct head {
    size_t size;
    void *unused;
};

struct host_open {
    struct head head;
    int profiler; /* 0: ranges */
    const char *chip;
    const uint8_t *availability;
    void *host; /* out */
};

struct host_close {
    struct head head;
    void *host;
};

struct host_add {
    struct head head;
    void *host;
    const char *const *metric;
    size_t n;
};

struct host_config_size {
    struct head head;
    void *host;
    size_t size; /* out */
};

struct host_config {
    struct head head;
    void *host;
    size_t size;
    uint8_t *image;
};

struct host_passes {
    struct head head;
    size_t size;
    uint8_t *image;
    size_t passes; /* out */
};

struct host_evaluate {
    struct head head;
    void *host;
    const uint8_t *image;
    size_t size;
    size_t range;
    const char *const *metric;
    size_t n;
    double *value; /* [n] out */
};

#define HEAD(of) .head = {.size = sizeof(struct of)}

/* ---- candidates ---- */

enum { CANDIDATES = 3 };

/* Names as ncu has them, the best first. NVLink: what programs send, else with the protocol. */
static const char *const candidates[COUNTERS][CANDIDATES] = {
    [COUNTER_TIME] = {"gpu__time_duration.sum"},
    [COUNTER_TENSOR] = {"sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_active",
                        "sm__pipe_tensor_op_hmma_cycles_active.avg.pct_of_peak_sustained_active",
                        "sm__inst_executed_pipe_tensor.avg.pct_of_peak_sustained_active"},
    [COUNTER_SM_ACTIVE] = {"sm__cycles_active.avg"},
    [COUNTER_DRAM_READ] = {"dram__bytes_read.sum", "dram__bytes_op_read.sum",
                           "fbpa__dram_read_bytes.sum"},
    [COUNTER_DRAM_WRITE] = {"dram__bytes_write.sum", "dram__bytes_op_write.sum",
                            "fbpa__dram_write_bytes.sum"},
    [COUNTER_L2_HIT] = {"lts__t_sectors_lookup_hit.sum"},
    [COUNTER_L2_MISS] = {"lts__t_sectors_lookup_miss.sum"},
    [COUNTER_NVLINK_SENT] = {"nvltx__bytes_data_user.sum", "nvltx__bytes.sum"},
    [COUNTER_NVLINK_RECEIVED] = {"nvlrx__bytes_data_user.sum", "nvlrx__bytes.sum"},
};

/* ---- one configuration ---- */

void counters_cupti_release(const struct counters_cupti_library *library,
                            struct counters_cupti_pass *pass)
{
    struct host_close params = {HEAD(host_close), .host = pass->host};
    if (pass->host)
        library->call[COUNTERS_cuptiProfilerHostDeinitialize](&params);
    free(pass->config);
    *pass = (struct counters_cupti_pass){.host = NULL};
}

static enum status make_image(const struct counters_cupti_library *library, const char *last,
                              struct counters_cupti_pass *pass)
{
    struct host_config_size size = {HEAD(host_config_size), .host = pass->host};
    TRY(counters_cupti_call(library, ST_UNSUPPORTED, COUNTERS_cuptiProfilerHostGetConfigImageSize,
                            &size, "%d metrics, the last %s", pass->n, last));
    pass->config_size = size.size;
    pass->config = calloc(1, size.size ? size.size : 1);
    if (!pass->config)
        return fail(ST_OOM, "counters: %zu bytes of host memory for a configuration", size.size);
    struct host_config config = {HEAD(host_config), .host = pass->host, .size = size.size,
                                 .image = pass->config};
    return counters_cupti_call(library, ST_UNSUPPORTED, COUNTERS_cuptiProfilerHostGetConfigImage,
                               &config, "%d metrics, the last %s, %zu bytes", pass->n, last,
                               size.size);
}

static enum status configure(const struct counters_cupti_library *library, const char *chip,
                             const uint8_t *availability, struct counters_cupti_pass *pass)
{
    const char *last = pass->metric[pass->n - 1];
    struct host_open open = {HEAD(host_open), .chip = chip, .availability = availability};
    TRY(counters_cupti_call(library, ST_UNSUPPORTED, COUNTERS_cuptiProfilerHostInitialize, &open,
                            "chip %s", chip));
    pass->host = open.host;
    struct host_add add = {HEAD(host_add), .host = open.host, .metric = pass->metric,
                           .n = (size_t)pass->n};
    TRY(counters_cupti_call(library, ST_UNSUPPORTED, COUNTERS_cuptiProfilerHostConfigAddMetrics,
                            &add, "%d metrics, the last %s, on %s", pass->n, last, chip));
    TRY(make_image(library, last, pass));
    struct host_passes passes = {HEAD(host_passes), .size = pass->config_size,
                                 .image = pass->config};
    TRY(counters_cupti_call(library, ST_UNSUPPORTED, COUNTERS_cuptiProfilerHostGetNumOfPasses,
                            &passes, "%d metrics, the last %s", pass->n, last));
    return passes.passes == 1
               ? ST_OK
               : fail(ST_UNSUPPORTED, "%s needs %zu passes with %d others, and one is wanted", last,
                      passes.passes, pass->n - 1);
}

/* ---- the choice ---- */

struct choice {
    const struct counters_cupti_library *library;
    const char *chip;
    const uint8_t *availability;
    struct counters_cupti_pass *pass;
};

/* Into pass p beside what is there; as it was where that fails. */
static enum status add_to(const struct choice *c, int p, enum counter counter, const char *metric)
{
    struct counters_cupti_pass more = c->pass[p];
    more.host = NULL;
    more.config = NULL;
    more.metric[more.n] = metric;
    more.of[more.n++] = counter;
    enum status st = configure(c->library, c->chip, c->availability, &more);
    counters_cupti_release(c->library, st == ST_OK ? &c->pass[p] : &more);
    if (st == ST_OK)
        c->pass[p] = more;
    return st;
}

/* The message that stays is that of the first metric in the last pass that was tried: alone, while
 * there is room for another pass; what the chip or the device says of it. */
static enum status place(const struct choice *c, enum counter counter, int most,
                         struct counters *out)
{
    char *reason = out->reason[counter];
    for (int i = 0; i < CANDIDATES && candidates[counter][i]; i++) {
        for (int p = 0; p <= out->passes && p < most; p++) {
            enum status st = add_to(c, p, counter, candidates[counter][i]);
            if (st == ST_OK) {
                out->metric[counter] = candidates[counter][i];
                out->pass[counter] = p;
                out->passes += p == out->passes;
                *reason = '\0';
                return ST_OK;
            }
            if (st != ST_UNSUPPORTED)
                return st;
            if (i == 0)
                snprintf(reason, COUNTERS_REASON, "%s", status_message());
            status_clear();
        }
    }
    return ST_OK;
}

enum status counters_cupti_choose(const struct counters_cupti_library *library, const char *chip,
                                  const uint8_t *availability, uint32_t wanted, int most,
                                  struct counters_cupti_pass *pass, struct counters *out)
{
    const struct choice c = {library, chip, availability, pass};
    const char *first = NULL;
    for (int k = 0; k < COUNTERS; k++) {
        if (!(wanted & COUNTER_BIT(k)))
            continue;
        TRY(place(&c, (enum counter)k, most, out));
        first = first ? first : out->reason[k];
    }
    return out->passes > 0 ? ST_OK : fail(ST_UNSUPPORTED, "none can be counted: %s", first);
}

enum status counters_cupti_evaluate(const struct counters_cupti_library *library,
                                    const struct counters_cupti_pass *pass, const uint8_t *image,
                                    size_t size, size_t range, double *value)
{
    struct host_evaluate params = {
        HEAD(host_evaluate), .host = pass->host,     .image = image,       .size = size,
        .range = range,      .metric = pass->metric, .n = (size_t)pass->n, .value = value,
    };
    for (int i = 0; i < pass->n; i++)
        value[i] = (double)NAN;
    return counters_cupti_call(library, ST_DEVICE, COUNTERS_cuptiProfilerHostEvaluateToGpuValues,
                               &params, "range %zu, %d metrics, the first %s", range, pass->n,
                               pass->metric[0]);
}
