/* SPDX-License-Identifier: Apache-2.0 */
/* breakdown.csv. Computes nothing. */
#include "harness/profile/breakdown.h"

#include "harness/base/csv_out.h"

#include <math.h>
#include <stdio.h>

static void put_percent(FILE *out, double percent)
{
    if (isnan(percent))
        fputc(',', out);
    else
        fprintf(out, ",%.6g", percent);
}

/* Milliseconds to the nanosecond, so that the shares add up as printed. */
static void put_row(FILE *out, const struct breakdown_row *row)
{
    fprintf(out, "%d,%d,%.6f,%.6f,%.6f,%.6f", row->rank, row->step, row->total_ms,
            row->ms[SHARE_COMPUTE], row->comm_ms, row->ms[SHARE_EXPOSED]);
    put_percent(out, row->overlap_hta);
    put_percent(out, row->overlap_osu);
    fprintf(out, ",%.6f,%.6f,%.6f,%.6f\n", row->ms[SHARE_GAPS], row->ms[SHARE_BUBBLE],
            row->ms[SHARE_WAIT], row->ms[SHARE_OTHER]);
}

enum status breakdown_write(const struct breakdown *breakdown, const char *path)
{
    FILE *out;
    TRY(csv_out_open(
        path,
        "rank,step,total_ms,compute_ms,comm_ms,exposed_comm_ms,overlap_hta_pct,overlap_osu_pct,"
        "gaps_ms,bubble_ms,wait_ms,other_ms",
        &out));
    for (int i = 0; i < breakdown->rows; i++)
        put_row(out, &breakdown->row[i]);
    return csv_out_close(out, path);
}
