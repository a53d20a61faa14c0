/* SPDX-License-Identifier: Apache-2.0 */
/* Which boxes a timeline has, and its prelude. How they look: plots/gantt.gp. */
#include "harness/plot/gantt.h"

#include "harness/plot/gnuplot.h"
#include "harness/plot/kind.h"
#include "harness/plot/lane.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Pixels left and right of the frame, and of it where no width is wanted; the least in which a
 * patch's number finds room, and that an arrow takes; characters of the legend. */
enum { BESIDE_PX = 62 + 22, FRAME_PX = 880, NUMBER_PX = 8, ARROW_PX = 12, LEGEND_COLUMNS = 20 };

/* What a band holds. */
struct band {
    int64_t begin, end;              /* of the rank's own step */
    struct lane main, second;        /* kinds of operation */
    struct lane pauses;              /* shares: exposed, bubble, wait */
    struct lane axis[MESH_MAX_AXES]; /* messages under way */
    struct lane patches;             /* kind: the patch's number */
};

struct gantt {
    const struct recording *recording;
    const struct messages *messages;
    const struct breakdown *breakdown;
    int step;
    int64_t from, to;       /* what is shown */
    int64_t pixel;          /* ns */
    int64_t cell;           /* ns, of lanes that were made coarser; 0: none was */
    struct band *band;      /* [ranks] */
    int row[MESH_MAX_AXES]; /* of the messages of an axis beneath each other; or none */
    int rows, arrows, most_arrows;
};

static double ms_of(const struct gantt *g, int64_t at)
{
    return (double)(at - g->from) * 1e-6;
}

/* ---- which time ---- */

static enum status choose_time(struct gantt *g, int step)
{
    const struct recording *r = g->recording;
    if (step == GANTT_STEADY)
        step = r->steps > 1 ? r->steps - 2 : 0;
    if (step < 0 || step >= r->steps)
        return fail(ST_INVALID, "gantt: there is no step %d among the %d recorded; 0 to %d are",
                    step, r->steps, r->steps - 1);
    g->step = step;
    g->from = INT64_MAX;
    g->to = INT64_MIN;
    for (int i = 0; i < r->ranks; i++) {
        const struct recorded_rank *rank = &r->rank[i];
        struct band *b = &g->band[i];
        b->begin = step > 0 ? rank->step_end[step - 1] : rank->begin;
        b->end = step < r->steps - 1 ? rank->step_end[step] : rank->end;
        if (b->end <= b->begin)
            continue; // it died before
        g->from = b->begin < g->from ? b->begin : g->from;
        g->to = b->end > g->to ? b->end : g->to;
    }
    return g->to > g->from ? ST_OK
                           : fail(ST_INVALID, "gantt: no rank took any time in step %d", step);
}

/* ---- what is computed ---- */

/* The track on which a rank computes longest in the time shown; or none. */
static int busiest_track(const struct gantt *g, const struct recorded_rank *rank)
{
    int64_t most = 0;
    int busiest = RECORDED_NONE;
    for (int t = 0; t < rank->tracks; t++) {
        int64_t sum = 0;
        for (int i = 0; i < rank->items; i++) {
            const struct recorded_item *item = &rank->item[i];
            if (item->track == t && item->end > g->from && item->begin < g->to &&
                !recording_moves(rank, item))
                sum += item->end - item->begin;
        }
        if (sum > most) {
            most = sum;
            busiest = t;
        }
    }
    return busiest;
}

/* Sorted boxes, of which some may lie within others' time. */
static bool meets(const struct lane *lane, const struct lane_box *box)
{
    int low = 0, high = lane->n;
    while (low < high) { // the first that ends behind the box's begin
        int middle = (low + high) / 2;
        if (lane->v[middle].end <= box->begin)
            low = middle + 1;
        else
            high = middle;
    }
    return low < lane->n && lane->v[low].begin < box->end;
}

/* The busiest track has the main lane; others share it where it is free, else they compute beside
 * it. */
static void find_computing(struct gantt *g, int i)
{
    const struct recorded_rank *rank = &g->recording->rank[i];
    struct band *b = &g->band[i];
    struct lane beside = {0}, busy = {0};
    int busiest = busiest_track(g, rank);
    for (int k = 0; k < rank->items; k++) {
        const struct recorded_item *item = &rank->item[k];
        if (item->end <= g->from || item->begin >= g->to || recording_moves(rank, item))
            continue;
        struct lane_box box = {item->begin, item->end, (int)kind_of_item(rank, item)};
        lane_add(item->track == busiest ? &b->main : &beside, box, g->from, g->to);
        box.kind = 0;
        if (item->track == busiest)
            lane_add(&busy, box, g->from, g->to);
    }
    lane_merge(&beside, INT64_MIN); // sorts
    lane_merge(&busy, 0);
    for (int k = 0; k < beside.n; k++)
        lane_add(meets(&busy, &beside.v[k]) ? &b->second : &b->main, beside.v[k], g->from, g->to);
    b->main.out_of_memory |= beside.out_of_memory || busy.out_of_memory;
    lane_release(&beside);
    lane_release(&busy);
    lane_merge(&b->main, g->pixel);
    lane_merge(&b->second, g->pixel);
}

/* Pictures with too many boxes are drawn in cells that grow until few enough are left. */
static void thin_out(struct gantt *g)
{
    for (int64_t cell = g->pixel;; cell *= 2) {
        int n = 0;
        for (int i = 0; i < g->recording->ranks; i++)
            n += g->band[i].main.n + g->band[i].second.n;
        if (n <= GANTT_BOXES || cell > g->to - g->from)
            return;
        for (int i = 0; i < g->recording->ranks; i++) {
            lane_coarsen(&g->band[i].main, KINDS, g->from, cell);
            lane_coarsen(&g->band[i].second, KINDS, g->from, cell);
        }
        g->cell = cell;
    }
}

/* ---- why nothing is ---- */

static void find_pauses(struct gantt *g, int i)
{
    for (int k = 0; i < g->breakdown->ranks && k < g->breakdown->slices[i]; k++) {
        const struct share_slice *slice = &g->breakdown->slice[i][k];
        if (slice->share == SHARE_EXPOSED || slice->share == SHARE_BUBBLE ||
            slice->share == SHARE_WAIT)
            lane_add(&g->band[i].pauses,
                     (struct lane_box){slice->begin, slice->end, (int)slice->share}, g->from,
                     g->to);
    }
    lane_merge(&g->band[i].pauses, g->pixel);
}

/* ---- patches ---- */

/* One item in a pass of a patch. */
struct visit {
    int64_t begin, end;
    int step, patch;
};

static int by_begin(const void *a, const void *b)
{
    const struct visit *x = a, *y = b;
    return x->begin != y->begin ? (x->begin < y->begin ? -1 : 1) : x->patch - y->patch;
}

/* From the first to the last item of a patch in a step, however many graphs they are in, as long as
 * no other patch comes between. */
static void put_runs(struct gantt *g, int i, int n, const struct visit *visit)
{
    for (int k = 0, next; k < n; k = next) {
        int64_t end = visit[k].end;
        for (next = k + 1;
             next < n && visit[next].patch == visit[k].patch && visit[next].step == visit[k].step;
             next++)
            end = visit[next].end > end ? visit[next].end : end;
        lane_add(&g->band[i].patches, (struct lane_box){visit[k].begin, end, visit[k].patch},
                 g->from, g->to);
    }
}

/* The pass in which an item was given, or its graph launched; or none. */
static int pass_of(const struct recorded_rank *rank, const struct recorded_item *item)
{
    int pass = item->launch >= 0 ? recording_around(rank, item->launch, TRACE_PASS) : RECORDED_NONE;
    return pass >= 0 ? pass : recording_around(rank, item->range, TRACE_PASS);
}

static enum status find_patches(struct gantt *g, int i)
{
    const struct recorded_rank *rank = &g->recording->rank[i];
    int n = 0;
    struct visit *visit = malloc(((size_t)rank->items + 1) * sizeof *visit);
    if (!visit)
        return fail(ST_OOM, "gantt: no host memory for %d items of rank %d", rank->items, i);
    for (int k = 0; k < rank->items; k++) {
        const struct recorded_item *item = &rank->item[k];
        int pass = pass_of(rank, item);
        if (pass >= 0 && rank->range[pass].index >= 0 && item->end > g->from &&
            item->begin < g->to && !recording_moves(rank, item))
            visit[n++] =
                (struct visit){item->begin, item->end, item->step, rank->range[pass].index};
    }
    qsort(visit, (size_t)n, sizeof *visit, by_begin);
    put_runs(g, i, n, visit);
    free(visit);
    return ST_OK;
}

/* ---- messages ---- */

static bool is_shown(const struct gantt *g, const struct message *m)
{
    return m->end > g->from && m->begin < g->to && m->from != m->to && m->axis >= 0;
}

static void find_messages(struct gantt *g)
{
    bool used[MESH_MAX_AXES] = {false};
    for (int k = 0; k < g->messages->n; k++) {
        const struct message *m = &g->messages->v[k];
        if (!is_shown(g, m))
            continue;
        struct lane_box box = {m->begin, m->end, m->axis};
        lane_add(&g->band[m->from].axis[m->axis], box, g->from, g->to);
        lane_add(&g->band[m->to].axis[m->axis], box, g->from, g->to);
        used[m->axis] = true;
        g->arrows++;
    }
    for (int a = 0; a < MESH_MAX_AXES; a++) {
        g->row[a] = used[a] ? g->rows++ : RECORDED_NONE;
        for (int i = 0; i < g->recording->ranks; i++)
            lane_merge(&g->band[i].axis[a], g->pixel);
    }
}

/* ---- the prelude ---- */

/* $NAME of the boxes of one kind of the main and second lanes (kind >= 0) or of a pause. */
static void put_kind(const struct gantt *g, FILE *out, enum kind kind)
{
    int n = 0;
    fprintf(out,
            "# rank, lane (0: the busiest stream's, 1: of one that computes meanwhile), from, "
            "to (ms)\n$%s << EOD\n",
            kind_name(kind));
    for (int i = 0; i < g->recording->ranks; i++) {
        const struct lane *lane[] = {&g->band[i].main, &g->band[i].second};
        for (int l = 0; l < 2; l++)
            for (int k = 0; k < lane[l]->n; k++)
                if (lane[l]->v[k].kind == (int)kind)
                    n += fprintf(out, "%d %d %.7g %.7g\n", i, l, ms_of(g, lane[l]->v[k].begin),
                                 ms_of(g, lane[l]->v[k].end)) > 0;
    }
    fprintf(out, "EOD\nboxes_of_%s = %d\n", kind_name(kind), n);
}

static void put_pause(const struct gantt *g, FILE *out, enum share share, const char *name)
{
    int n = 0;
    fprintf(out, "# rank, from, to (ms)\n$%s << EOD\n", name);
    for (int i = 0; i < g->recording->ranks; i++)
        for (int k = 0; k < g->band[i].pauses.n; k++) {
            const struct lane_box *box = &g->band[i].pauses.v[k];
            if (box->kind == (int)share)
                n +=
                    fprintf(out, "%d %.7g %.7g\n", i, ms_of(g, box->begin), ms_of(g, box->end)) > 0;
        }
    fprintf(out, "EOD\nboxes_of_%s = %d\n", name, n);
}

static void put_messages(const struct gantt *g, FILE *out)
{
    const struct recording *r = g->recording;
    plot_gnuplot_number(out, "axes", g->rows);
    plot_gnuplot_array(out, "axis", g->rows);
    for (int a = 0; a < r->shape.n_axes; a++)
        if (g->row[a] >= 0)
            plot_gnuplot_element(out, "axis", g->row[a] + 1, r->shape.name[a]);
    fputs("# rank, axis (from 0), from, to (ms)\n$messages << EOD\n", out);
    for (int i = 0; i < r->ranks; i++)
        for (int a = 0; a < MESH_MAX_AXES; a++)
            for (int k = 0; k < g->band[i].axis[a].n; k++)
                fprintf(out, "%d %d %.7g %.7g\n", i, g->row[a],
                        ms_of(g, g->band[i].axis[a].v[k].begin),
                        ms_of(g, g->band[i].axis[a].v[k].end));
    fputs("EOD\n", out);
}

static int put_arrows(const struct gantt *g, FILE *out)
{
    int n = 0;
    fputs("# from rank, to rank, axis (from 0), from, to (ms)\n$arrows << EOD\n", out);
    for (int k = 0; g->arrows <= g->most_arrows && k < g->messages->n; k++) {
        const struct message *m = &g->messages->v[k];
        if (is_shown(g, m) && m->begin >= g->from && m->end <= g->to)
            n += fprintf(out, "%d %d %d %.7g %.7g\n", m->from, m->to, g->row[m->axis],
                         ms_of(g, m->begin), ms_of(g, m->end)) > 0;
    }
    fputs("EOD\n", out);
    plot_gnuplot_number(out, "arrows", n);
    return n;
}

/* Numbers that find no room are left out. */
static int put_patches(const struct gantt *g, FILE *out)
{
    int n = 0;
    fputs("# rank, from, to (ms), patch\n$patches << EOD\n", out);
    for (int i = 0; i < g->recording->ranks; i++)
        for (int k = 0; k < g->band[i].patches.n; k++) {
            const struct lane_box *box = &g->band[i].patches.v[k];
            if (box->end - box->begin >= NUMBER_PX * g->pixel)
                n += fprintf(out, "%d %.7g %.7g %d\n", i, ms_of(g, box->begin), ms_of(g, box->end),
                             box->kind) > 0;
        }
    fputs("EOD\n", out);
    plot_gnuplot_number(out, "patches", n);
    return n;
}

/* When each rank's own step began and ended; whether that differs visibly. */
static bool put_steps(const struct gantt *g, FILE *out)
{
    bool differ = false;
    fputs("# rank, its step from, to (ms)\n$steps << EOD\n", out);
    for (int i = 0; i < g->recording->ranks; i++) {
        const struct band *b = &g->band[i];
        int64_t end = b->end > b->begin ? b->end : b->begin;
        fprintf(out, "%d %.7g %.7g\n", i, ms_of(g, b->begin), ms_of(g, end));
        differ |= b->begin - g->from >= 2 * g->pixel || g->to - end >= 2 * g->pixel;
    }
    fputs("EOD\n", out);
    plot_gnuplot_number(out, "steps_differ", differ);
    return differ;
}

static bool put_lanes(const struct gantt *g, FILE *out)
{
    bool second = false;
    for (int i = 0; i < g->recording->ranks; i++)
        second |= g->band[i].second.n > 0;
    plot_gnuplot_number(out, "ranks", g->recording->ranks);
    plot_gnuplot_number(out, "x_high", ms_of(g, g->to));
    plot_gnuplot_number(out, "second", second);
    plot_gnuplot_number(out, "columns", LEGEND_COLUMNS);
    for (int k = 0; k < KINDS; k++)
        put_kind(g, out, (enum kind)k);
    put_pause(g, out, SHARE_EXPOSED, "exposed");
    put_pause(g, out, SHARE_BUBBLE, "bubble");
    put_pause(g, out, SHARE_WAIT, "wait");
    return second;
}

static void put_all(const struct gantt *g, struct picture *picture)
{
    FILE *out = picture->out;
    bool second = put_lanes(g, out);
    put_messages(g, out);
    int arrows = put_arrows(g, out), patches = put_patches(g, out);
    bool differ = put_steps(g, out);
    picture_note(picture, "%s%s%s%s%s%s",
                 g->rows > 0 ? "thin lines below: messages of the rank under way, since both sides "
                               "had posted them; "
                             : "",
                 arrows > 0 ? "arrows: from the sender to the receiver; " : "",
                 second ? "thin boxes above them: a stream that computes at the same time; " : "",
                 patches > 0 ? "numbers: the patch that the rank works on; " : "",
                 "white: gaps between operations, and what is none of these; ",
                 differ ? "pale: the rank's steps before and after this one; " : "");
    if (g->cell > 0)
        picture_note(picture,
                     "too many operations for one picture: drawn in cells of %.3g \u00b5s, each in "
                     "the colour of what takes most of it",
                     (double)g->cell * 1e-3);
}

static void title_of(const struct gantt *g, const char *what, char text[PICTURE_TEXT])
{
    int64_t longest = 0;
    for (int i = 0; i < g->recording->ranks; i++)
        if (g->band[i].end - g->band[i].begin > longest)
            longest = g->band[i].end - g->band[i].begin;
    double ms = (double)longest * 1e-6;
    int decimals = ms >= 100 ? 0 : ms >= 10 ? 1 : ms >= 1 ? 2 : 3;
    snprintf(text, PICTURE_TEXT, "%s%s%d rank%s, step %d of %d: %.*f ms%s", what ? what : "",
             what && *what ? ", " : "", g->recording->ranks, g->recording->ranks == 1 ? "" : "s",
             g->step + 1, g->recording->steps, decimals, ms,
             g->recording->ranks == 1 ? "" : " on the slowest rank");
}

/* ---- all of it ---- */

static enum status check_memory(const struct gantt *g)
{
    bool lost = false;
    for (int i = 0; i < g->recording->ranks; i++) {
        const struct band *b = &g->band[i];
        lost |= b->main.out_of_memory || b->second.out_of_memory || b->pauses.out_of_memory ||
                b->patches.out_of_memory;
        for (int a = 0; a < MESH_MAX_AXES; a++)
            lost |= b->axis[a].out_of_memory;
    }
    return lost ? fail(ST_OOM, "gantt: no host memory for its boxes") : ST_OK;
}

static enum status fill(struct gantt *g, struct picture *picture)
{
    double px = picture_frame(picture, BESIDE_PX, FRAME_PX);
    g->most_arrows = (int)fmin(GANTT_ARROWS, px / ARROW_PX);
    g->pixel = (int64_t)fmax(1, (double)(g->to - g->from) / px);
    for (int i = 0; i < g->recording->ranks; i++) {
        find_computing(g, i);
        find_pauses(g, i);
        TRY(find_patches(g, i));
    }
    thin_out(g);
    find_messages(g);
    TRY(check_memory(g));
    put_all(g, picture);
    return ST_OK;
}

static void release_bands(struct gantt *g)
{
    for (int i = 0; i < g->recording->ranks; i++) {
        struct band *b = &g->band[i];
        lane_release(&b->main);
        lane_release(&b->second);
        lane_release(&b->pauses);
        lane_release(&b->patches);
        for (int a = 0; a < MESH_MAX_AXES; a++)
            lane_release(&b->axis[a]);
    }
    free(g->band);
}

enum status gantt_draw(const struct recording *recording, const struct messages *messages,
                       const struct breakdown *breakdown, const struct gantt_options *options,
                       bool *missing)
{
    char title[PICTURE_TEXT];
    struct picture picture;
    struct gantt g = {.recording = recording, .messages = messages, .breakdown = breakdown};
    *missing = false;
    g.band = calloc((size_t)recording->ranks, sizeof *g.band);
    if (!g.band)
        return fail(ST_OOM, "gantt: no host memory for %d ranks", recording->ranks);
    enum status st = choose_time(&g, options->step);
    if (st)
        goto out_release;
    title_of(&g, options->picture.title, title);
    st = picture_open(&options->picture, "gantt", title, BESIDE_PX + FRAME_PX, &picture);
    if (st)
        goto out_release;
    st = picture_close(&picture, fill(&g, &picture), missing);
out_release:
    release_bands(&g);
    return st;
}
