/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges and ticks. */
#include "harness/plot/axis.h"

#include <math.h>

/* ---- values ---- */

double plot_axis_share(const struct plot_axis *axis, double value)
{
    return axis->logarithmic ? log(value / axis->low) / log(axis->high / axis->low)
                             : (value - axis->low) / (axis->high - axis->low);
}

/* Adds digit x 10^k of each digit that lies in the frame. How many there are, even if they find no
 * room. */
static int put_digits(struct plot_axis *axis, int digits, const double *digit)
{
    int n = 0;
    axis->n = 0;
    for (int k = (int)floor(log10(axis->low)); k <= (int)ceil(log10(axis->high)); k++) {
        for (int i = 0; i < digits; i++) {
            double tick = digit[i] * pow(10, k);
            if (tick < axis->low || tick > axis->high)
                continue;
            if (n < PLOT_AXIS_TICKS)
                axis->tick[axis->n++] = tick;
            n++;
        }
    }
    return n;
}

static void put_ticks(struct plot_axis *axis)
{
    enum { FEW = 3, MANY = 12 };
    static const double coarse[] = {1, 2, 5}, fine[] = {1, 1.5, 2, 3, 5, 7},
                        finest[] = {1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9};
    int n = put_digits(axis, 3, coarse);
    if (n > MANY)
        put_digits(axis, 1, coarse);
    else if (n < FEW && put_digits(axis, 6, fine) < FEW)
        put_digits(axis, 10, finest);
}

struct plot_axis plot_axis_values(double low, double high, double factor)
{
    struct plot_axis axis = {.low = 0, .high = high * 1.06};
    if (low > 0 && high >= factor * low && high >= PLOT_AXIS_LINEAR * low) {
        axis = (struct plot_axis){.logarithmic = true, .low = low / 1.15, .high = high * 1.15};
        put_ticks(&axis);
    }
    return axis;
}

/* ---- ranks ---- */

/* Not where a label stands already. */
static void add_tick(struct plot_axis *axis, double tick)
{
    for (int i = 0; i < axis->n; i++)
        if (fabs(plot_axis_share(axis, axis->tick[i]) - plot_axis_share(axis, tick)) < 0.03)
            return;
    if (axis->n < PLOT_AXIS_TICKS)
        axis->tick[axis->n++] = tick;
}

struct plot_axis plot_axis_ranks(int n, const int *ranks)
{
    enum { MANY = 12, FEW = 3 };
    double first = ranks[0], last = ranks[n - 1];
    struct plot_axis axis = {.logarithmic = last >= PLOT_AXIS_LINEAR * first};
    double margin = axis.logarithmic ? pow(last / first, 0.08) : fmax(last - first, 1) * 0.12;
    axis.low = axis.logarithmic ? first / margin : first - margin;
    axis.high = axis.logarithmic ? last * margin : last + margin;
    for (double power = 1; axis.logarithmic && power <= last; power *= 2)
        if (power >= first)
            add_tick(&axis, power);
    if (n <= MANY || (axis.logarithmic && axis.n < FEW))
        for (int i = 0; i < n; i++)
            add_tick(&axis, ranks[i]);
    return axis;
}

/* ---- the prelude ---- */

void plot_axis_put(FILE *out, const char *name, const struct plot_axis *axis)
{
    fprintf(out, "%s_log = %d\n%s_low = %.9g\n%s_high = %.9g\n%s_tics = %d\n", name,
            axis->logarithmic, name, axis->low, name, axis->high, name, axis->n);
    if (axis->n > 0)
        fprintf(out, "array %s_tic[%d]\n", name, axis->n);
    for (int i = 0; i < axis->n; i++)
        fprintf(out, "%s_tic[%d] = %.9g\n", name, i + 1, axis->tick[i]);
}
