/* SPDX-License-Identifier: Apache-2.0 */
/* Where the profile of a sweep's cell goes, whether it is there, and making it. */
#include "harness/sweep/sweep_profile.h"

#include "harness/plot/profile_pictures.h"
#include "harness/profile/profile_place.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void sweep_profile_init(const char *results, const struct sweep_list *list,
                        struct sweep_profile *out)
{
    static const char ending[] = ".jsonl";
    size_t n = strlen(results);
    size_t drop = sizeof ending - 1;
    *out = (struct sweep_profile){.list = list};
    if (n > drop && results[n - drop - 1] != '/' && strcmp(results + n - drop, ending) == 0)
        n -= drop;
    snprintf(out->root, sizeof out->root, "%.*s.profiles", (int)n, results);
}

/* ---- whose profile a folder holds ---- */

enum holds { HOLDS_NONE, HOLDS_THIS, HOLDS_OTHER };

static bool has(const char *folder, const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%.4000s/%s", folder, name);
    return access(path, F_OK) == 0;
}

/* Tables may have gone since profile.json was written. */
static enum holds look_into(const char *folder, const char *id)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%.4000s/profile.json", folder);
    if (!has(folder, "kernels.csv") || !has(folder, "breakdown.csv"))
        return HOLDS_NONE;
    json_t *json = json_load_file(path, 0, NULL);
    const char *found = json_string_value(json_object_get(json_object_get(json, "record"), "id"));
    enum holds holds = !found ? HOLDS_NONE : strcmp(found, id) == 0 ? HOLDS_THIS : HOLDS_OTHER;
    json_decref(json);
    return holds;
}

static char *plain_name(const struct sweep_profile *p, const struct sweep_entry *e,
                        char folder[PATH_MAX])
{
    return profile_place(&e->cell, p->root, folder);
}

static char *name_with_id(const struct sweep_profile *p, const struct sweep_entry *e,
                          char folder[PATH_MAX])
{
    plain_name(p, e, folder);
    size_t n = strlen(folder);
    snprintf(folder + n, PATH_MAX - n, ".%s", e->id);
    return folder;
}

bool sweep_profile_find(const struct sweep_profile *profile, const struct sweep_entry *entry,
                        char folder[PATH_MAX])
{
    return look_into(plain_name(profile, entry, folder), entry->id) == HOLDS_THIS ||
           look_into(name_with_id(profile, entry, folder), entry->id) == HOLDS_THIS;
}

bool sweep_profile_missing(const struct sweep_profile *profile, const struct sweep_entry *entry)
{
    char folder[PATH_MAX];
    return !sweep_profile_find(profile, entry, folder);
}

/* Whether another cell of the sweep has the same name. */
static bool shared(const struct sweep_profile *p, const struct sweep_entry *e)
{
    char mine[PATH_MAX];
    char other[PATH_MAX];
    plain_name(p, e, mine);
    for (int i = 0; i < p->list->n; i++)
        if (&p->list->v[i] != e && strcmp(plain_name(p, &p->list->v[i], other), mine) == 0)
            return true;
    return false;
}

static void choose_name(const struct sweep_profile *p, const struct sweep_entry *e,
                        char folder[PATH_MAX])
{
    plain_name(p, e, folder);
    if (shared(p, e) || look_into(folder, e->id) == HOLDS_OTHER)
        name_with_id(p, e, folder);
}

/* ---- making one ---- */

/* Pictures come first, for profile.json says that all is there. */
static enum status write_all(struct sweep_profile *p, const struct setup *setup,
                             const struct profile_options *options, const struct profile *profile)
{
    char why[3000] = "";
    bool missing;
    enum status st = profile_pictures_draw(setup, options, profile, true, &missing);
    if (st != ST_OK)
        snprintf(why, sizeof why, "%s", status_message());
    if (missing && p->no_gnuplot)
        st = ST_OK;
    p->no_gnuplot = p->no_gnuplot || missing;
    TRY(profile_write(setup, options, profile));
    return st ? fail(st, "%s", why) : ST_OK;
}

static enum status conclude(struct sweep_profile *p, const struct setup *setup,
                            const struct profile_options *options, const struct profile *profile,
                            enum status code)
{
    const struct record *last = profile_failed(profile);
    const char *reason = last->reason ? last->reason : "";
    if (code == ST_INTERRUPTED || !profile->recording)
        return fail(code, "%s: %s", ending_name(last->status), reason);
    enum status st = write_all(p, setup, options, profile);
    if (code == ST_OK)
        return st;
    char why[2100] = "";
    if (st != ST_OK)
        snprintf(why, sizeof why, "; not all of it could be written: %.2000s", status_message());
    return fail(code, "%s while it was recorded: %s; what was recorded until then is in %s%s",
                ending_name(last->status), reason, options->folder, why);
}

enum status sweep_profile_make(struct sweep_profile *profile, const struct sweep_entry *entry,
                               const struct setup *setup, const struct outcome_options *run,
                               const struct record *row, char folder[PATH_MAX])
{
    struct profile made;
    enum status code;
    choose_name(profile, entry, folder);
    const struct profile_options options = {
        .folder = folder, .last = -1, .counters = true, .outcome = *run, .plain = row};
    enum status st = profile_open(setup, &options, &made, &code);
    if (st == ST_OK)
        st = conclude(profile, setup, &options, &made, code);
    profile_release(&made);
    return st;
}
