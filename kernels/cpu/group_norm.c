/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GroupNorm: sums by channel over short runs of pixels in fp32, of distances from the run's first
 * pixel, by group and run in double; then each pixel's channels with the mean and factor of their
 * groups. Two passes over memory, which bounds both: 4 bytes an element read, then 8 read and
 * written.
 *
 * A run's first pixel is one of its n elements, so its distance from their mean is at most sqrt(M),
 * and the squares are at most (1 + n) M: fp32 loses a little of M whatever the mean. Sums in double
 * are of distances from one element of the group, the image's first.
 */
#include "kernels/cpu/group_norm.h"

#include "kernels/cpu/backend_cpu.h"

#include <math.h>

enum {
    PARTS = 64,     /* of an image, whatever the number of workers, so that sums are repeatable */
    RUN = 64,       /* pixels that are summed in fp32 */
    CHANNELS = 512, /* that are looked at side by side */
};

struct sums_job {
    const float *x; /* one image [pixels, C] */
    int64_t pixels, channels, groups;
    double *part; /* [PARTS, 2, G]: of distances from each group's first element, and of squares */
};

/* Adds `n` channels from c on of `pixels` pixels to a part's sums. */
static void add_run(const struct sums_job *job, const float *x, int64_t pixels, int64_t c,
                    int64_t n, double *part)
{
    float sum[CHANNELS], square[CHANNELS];
    const float *near = x + c; /* the run's first pixel */
    int64_t each = job->channels / job->groups, of_group = c % each;
    for (int64_t i = 0; i < n; i++)
        sum[i] = square[i] = 0.0f;
    for (int64_t p = 1; p < pixels; p++) {
        const float *at = near + p * job->channels;
        for (int64_t i = 0; i < n; i++) {
            float distance = at[i] - near[i];
            sum[i] += distance;
            square[i] += distance * distance;
        }
    }
    const float *first = job->x + c / each * each;
    part += c / each;
    for (int64_t i = 0; i < n; i++) {
        double k = (double)near[i] - (double)*first, s = (double)sum[i], all = (double)pixels;
        part[0] += s + all * k;
        part[job->groups] += (double)square[i] + k * (2.0 * s + all * k);
        if (++of_group == each) {
            part++;
            first += each;
            of_group = 0;
        }
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

/* out [2, G] of one image. */
static void add_parts(const struct sums_job *job, float *out)
{
    int64_t each = job->channels / job->groups;
    double count = (double)(job->pixels * each);
    for (int64_t g = 0; g < job->groups; g++) {
        double sum = 0.0, square = 0.0;
        for (int64_t i = 0; i < PARTS; i++) {
            sum += job->part[i * 2 * job->groups + g];
            square += job->part[(i * 2 + 1) * job->groups + g];
        }
        double first = count > 0.0 ? (double)job->x[g * each] : 0.0;
        double distances = count > 0.0 ? square - sum * sum / count : 0.0;
        out[g] = (float)(sum + count * first);
        out[job->groups + g] = distances > 0.0 ? (float)distances : 0.0f;
    }
}

enum status group_sums(struct queue *q, struct tensor *sums, const struct tensor *x)
{
    struct cpu_device *cpu = cpu_of(q);
    struct sums_job job = {
        .pixels = x->dim[1] * x->dim[2],
        .channels = x->dim[3],
        .groups = sums->dim[2],
        .part = (double *)(void *)cpu->scratch,
    };
    BUG_ON(PARTS * job.groups * 4 > CPU_SCRATCH, "group_sums: %lld groups", (long long)job.groups);
    for (int64_t image = 0; image < x->dim[0]; image++) {
        job.x = (const float *)x->data + image * x->stride[0];
        pool_run(cpu->pool, PARTS, pool_grain(job.pixels * job.channels / PARTS + 1), sum_parts,
                 &job);
        add_parts(&job, (float *)sums->data + image * 2 * job.groups);
    }
    return ST_OK;
}

enum status group_centre(struct queue *q, struct tensor *sums, const struct group_parts *parts)
{
    (void)q;
    int64_t groups = sums->dim[2];
    for (int64_t i = 0; i < sums->dim[0] * groups; i++) {
        float *sum = (float *)sums->data + i / groups * 2 * groups + i % groups;
        double own = (double)((const float *)parts->own->data)[i];
        double distance = own / (double)parts->own_count - (double)sum[0] / (double)parts->count;
        double more = (double)parts->own_count * distance * distance;
        sum[groups] = (float)((double)sum[groups] + more);
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
    int64_t groups = norm->sums->dim[2], each = channels / groups;
    const float *sums = (const float *)norm->sums->data + image * 2 * groups;
    const float *weight = norm->weight ? norm->weight->data : NULL;
    for (int64_t g = 0; g < groups; g++) {
        double m = (double)sums[g] / (double)norm->count;
        double variance = (double)sums[groups + g] / (double)norm->count;
        double inverse = 1.0 / sqrt(variance + (double)norm->eps);
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
