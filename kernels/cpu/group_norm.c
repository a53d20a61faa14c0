/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GroupNorm: sums by channel over short runs of pixels in fp32, by group and run in double; then
 * each pixel's channels with the mean and factor of their groups. Two passes over memory, which
 * bounds both: 4 bytes an element read, then 8 read and written.
 */
#include "kernels/cpu/group_norm.h"

#include "kernels/cpu/backend_cpu.h"

#include <math.h>

enum {
    PARTS = 64,     /* of an image, whatever the number of workers, so that sums are repeatable */
    RUN = 16,       /* pixels that are summed in fp32 */
    CHANNELS = 512, /* that are looked at side by side */
};

struct sums_job {
    const float *x; /* one image [pixels, C] */
    int64_t pixels, channels, groups;
    double *part; /* [PARTS, G, 2] */
};

/* Adds `n` channels from c on of `pixels` pixels to a part's sums. */
static void add_run(const struct sums_job *job, const float *x, int64_t pixels, int64_t c,
                    int64_t n, double *part)
{
    float sum[CHANNELS] = {0}, square[CHANNELS] = {0};
    int64_t each = job->channels / job->groups;
    for (int64_t p = 0; p < pixels; p++, x += job->channels) {
        for (int64_t i = 0; i < n; i++) {
            sum[i] += x[c + i];
            square[i] += x[c + i] * x[c + i];
        }
    }
    for (int64_t i = 0; i < n; i++) {
        part[(c + i) / each * 2] += (double)sum[i];
        part[(c + i) / each * 2 + 1] += (double)square[i];
    }
}

static void sum_parts(void *arg, int worker, int64_t begin, int64_t end)
{
    (void)worker;
    const struct sums_job *job = arg;
    for (int64_t i = begin; i < end; i++) {
        int64_t first = job->pixels * i / PARTS, last = job->pixels * (i + 1) / PARTS;
        double *part = job->part + i * job->groups * 2;
        for (int64_t k = 0; k < 2 * job->groups; k++)
            part[k] = 0.0;
        for (int64_t p = first; p < last; p += RUN) {
            int64_t pixels = last - p < RUN ? last - p : RUN;
            for (int64_t c = 0; c < job->channels; c += CHANNELS) {
                int64_t n = job->channels - c < CHANNELS ? job->channels - c : CHANNELS;
                add_run(job, job->x + p * job->channels, pixels, c, n, part);
            }
        }
    }
}

enum status group_sums(struct queue *q, struct tensor *sums, const struct tensor *x)
{
    struct cpu_device *cpu = cpu_of(q);
    struct sums_job job = {
        .pixels = x->dim[1] * x->dim[2],
        .channels = x->dim[3],
        .groups = sums->dim[1],
        .part = (double *)(void *)cpu->scratch,
    };
    BUG_ON(PARTS * job.groups * 4 > CPU_SCRATCH, "group_sums: %lld groups", (long long)job.groups);
    for (int64_t image = 0; image < x->dim[0]; image++) {
        float *out = (float *)sums->data + image * 2 * job.groups;
        job.x = (const float *)x->data + image * x->stride[0];
        pool_run(cpu->pool, PARTS, pool_grain(job.pixels * job.channels / PARTS + 1), sum_parts,
                 &job);
        for (int64_t k = 0; k < 2 * job.groups; k++) {
            double sum = 0.0;
            for (int64_t i = 0; i < PARTS; i++)
                sum += job.part[i * 2 * job.groups + k];
            out[k] = (float)sum;
        }
    }
    return ST_OK;
}

struct norm_job {
    const struct simd_ops *simd;
    const float *x;
    float *y; /* one image [pixels, C] */
    int64_t channels;
    const float *mean, *factor, *bias; /* [C] each; bias NULL: 0 */
    enum act act;
};

static void norm_pixels(void *arg, int worker, int64_t begin, int64_t end)
{
    (void)worker;
    const struct norm_job *job = arg;
    for (int64_t p = begin; p < end; p++) {
        const float *x = job->x + p * job->channels;
        float *y = job->y + p * job->channels;
        for (int64_t c = 0; c < job->channels; c++)
            y[c] = (x[c] - job->mean[c]) * job->factor[c];
        if (job->bias || job->act != ACT_NONE)
            job->simd->activate(job->channels, y, y, job->bias, job->act);
    }
}

/* mean and factor [C] of one image. */
static void spread(const struct group_norm *norm, int64_t image, int64_t channels, float *mean,
                   float *factor)
{
    int64_t groups = norm->sums->dim[1], each = channels / groups;
    const float *sums = (const float *)norm->sums->data + image * 2 * groups;
    const float *weight = norm->weight ? norm->weight->data : NULL;
    for (int64_t g = 0; g < groups; g++) {
        double m = (double)sums[2 * g] / (double)norm->count;
        double variance = (double)sums[2 * g + 1] / (double)norm->count - m * m;
        double inverse = 1.0 / sqrt((variance < 0.0 ? 0.0 : variance) + (double)norm->eps);
        for (int64_t c = g * each; c < (g + 1) * each; c++) {
            mean[c] = (float)m;
            factor[c] = (float)(inverse * (weight ? (double)weight[c] : 1.0));
        }
    }
}

enum status group_norm_run(struct queue *q, struct tensor *y, const struct tensor *x,
                           const struct group_norm *norm)
{
    struct cpu_device *cpu = cpu_of(q);
    int64_t channels = x->dim[3], pixels = x->dim[1] * x->dim[2];
    float *mean = cpu->scratch, *factor = cpu->scratch + channels;
    BUG_ON(2 * channels > CPU_SCRATCH, "group_norm: %lld channels", (long long)channels);
    for (int64_t image = 0; image < x->dim[0]; image++) {
        struct norm_job job = {
            .simd = cpu->simd,
            .x = (const float *)x->data + image * x->stride[0],
            .y = (float *)y->data + image * y->stride[0],
            .channels = channels,
            .mean = mean,
            .factor = factor,
            .bias = norm->bias ? norm->bias->data : NULL,
            .act = norm->act,
        };
        spread(norm, image, channels, mean, factor);
        pool_run(cpu->pool, pixels, pool_grain(channels), norm_pixels, &job);
    }
    return ST_OK;
}
