/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a profile but its pictures. */
#include "harness/profile/profile.h"

#include "harness/profile/profile_json.h"
#include "harness/profile/trace_write.h"

#include <dirent.h>
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

/* At once or not at all. */
static enum status write_json(const char *path, json_t *json)
{
    if (!json)
        return fail(ST_OOM, "%s: no host memory", path);
    char part[PATH_MAX];
    snprintf(part, sizeof part, "%.4000s.part", path);
    int failed = json_dump_file(json, part, JSON_INDENT(1));
    json_decref(json);
    if (failed || rename(part, path) != 0) {
        enum status st = fail(ST_IO, "%s: %s", path, strerror(errno));
        unlink(part);
        return st;
    }
    return ST_OK;
}

/* Of a profile before, which may have had more ranks. */
static void remove_traces(const struct profile_options *o)
{
    char path[PATH_MAX];
    DIR *dir = opendir(path_in(o, "rank", path));
    if (!dir)
        return;
    for (struct dirent *e = readdir(dir); e; e = readdir(dir))
        if (strstr(e->d_name, ".json.gz"))
            unlinkat(dirfd(dir), e->d_name, 0);
    closedir(dir);
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
    unlink(path_in(options, "profile.json", path)); // it says that all is there
    remove_traces(options);
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
