/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a profile but its pictures. */
#include "harness/profile/profile.h"

#include "harness/profile/profile_json.h"
#include "harness/profile/trace_write.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *path_in(const struct profile_options *o, const char *name, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%.3900s/%.100s", o->folder, name);
    return path;
}

static enum status write_json(const char *path, json_t *json)
{
    if (!json)
        return fail(ST_OOM, "%s: no host memory", path);
    int failed = json_dump_file(json, path, JSON_INDENT(1));
    json_decref(json);
    return failed ? fail(ST_IO, "%s: %s", path, strerror(errno)) : ST_OK;
}

static enum status write_traces(const struct profile_options *o, const struct profile *p,
                                const char *transport)
{
    char path[PATH_MAX];
    char name[40];
    TRY(trace_write(p->part, &p->messages, transport, path_in(o, "trace.json.gz", path),
                    TRACE_WRITE_ALL, NULL));
    for (int r = 0; r < p->part->ranks; r++) {
        snprintf(name, sizeof name, "rank/%d.json.gz", r);
        TRY(trace_write(p->part, &p->messages, transport, path_in(o, name, path), r, NULL));
    }
    return ST_OK;
}

enum status profile_write(const struct setup *setup, const struct profile_options *options,
                          const struct profile *profile)
{
    char path[PATH_MAX];
    TRY(hot_write(&profile->hot, path_in(options, "kernels.csv", path)));
    TRY(breakdown_write(&profile->breakdown, path_in(options, "breakdown.csv", path)));
    path_in(options, "counters.csv", path);
    if (profile->counters.passes > 0)
        TRY(counters_table_write(&profile->counters, path));
    else
        unlink(path); // of a profile before
    TRY(write_traces(options, profile, setup_transport(setup)));
    return write_json(path_in(options, "profile.json", path), profile_json(options, profile));
}
