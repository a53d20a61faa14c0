/* SPDX-License-Identifier: Apache-2.0 */
/* The report of a plan as `plan` prints it, in lines of at most FOLD_WIDTH columns. */
#include "harness/base/fold.h"
#include "harness/report/plan_report.h"

#include <stdio.h>
#include <string.h>

/* Coordinates and tokens share BOTH columns. */
enum { SHOWN_RANKS = 64, COORDS = 8, BOTH = 24, TEXT = 2000 };

static long long number_at(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static double mb_at(const json_t *object, const char *key)
{
    return 1e-6 * (double)number_at(object, key);
}

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static long long item_at(const json_t *array, size_t i)
{
    return (long long)json_integer_value(json_array_get(array, i));
}

/* ---- texts ---- */

/* "0-2047 4096-6143"; where that has more than `most` characters, "4096 in 2 runs" or "4096". */
static char *tokens_text(const json_t *runs, size_t most, char text[TEXT])
{
    size_t i;
    const json_t *run;
    size_t used = 0;
    long long count = 0;
    text[0] = '\0';
    json_array_foreach(runs, i, run)
    {
        long long begin = item_at(run, 0);
        long long n = item_at(run, 1);
        count += n;
        if (n > 0 && used < TEXT)
            used += (size_t)snprintf(text + used, TEXT - used, "%s%lld-%lld", used ? " " : "",
                                     begin, begin + n - 1);
    }
    if (used > most || used >= TEXT)
        used = (size_t)snprintf(text, TEXT, "%lld in %zu runs", count, json_array_size(runs));
    if (used > most)
        snprintf(text, TEXT, "%lld", count);
    return text;
}

/* "0.0 0.1": request and branch of each lane; "8 lanes" where that has more than `most` characters.
 */
static char *lanes_text(const json_t *lanes, size_t most, char text[TEXT])
{
    size_t i;
    const json_t *lane;
    size_t used = 0;
    text[0] = '\0';
    json_array_foreach(lanes, i, lane) if (used < TEXT) used +=
        (size_t)snprintf(text + used, TEXT - used, "%s%lld.%lld", used ? " " : "", item_at(lane, 0),
                         item_at(lane, 1));
    if (used > most || used >= TEXT)
        snprintf(text, TEXT, "%zu lanes", json_array_size(lanes));
    return text;
}

/* Names (or, of one rank, names and numbers) of the axes, outer to inner. */
static char *coords_text(const json_t *coords, bool names, bool numbers, char text[TEXT])
{
    const char *axis;
    json_t *index;
    size_t used = 0;
    snprintf(text, TEXT, "-");
    json_object_foreach((json_t *)coords, axis, index) if (used < TEXT)
    {
        used += (size_t)snprintf(text + used, TEXT - used, "%s%s%s",
                                 used == 0 ? ""
                                 : names   ? ", "
                                           : ",",
                                 names ? axis : "", names && numbers ? " " : "");
        if (numbers && used < TEXT)
            used += (size_t)snprintf(text + used, TEXT - used, "%lld",
                                     (long long)json_integer_value(index));
    }
    return text;
}

/* ---- what each rank holds ---- */

static void print_holds(const json_t *ranks)
{
    size_t i;
    const json_t *rank;
    char coords[TEXT];
    char lanes[TEXT];
    char tokens[TEXT];
    rank = json_array_get(ranks, json_array_size(ranks) - 1); /* the largest coordinates */
    int wide = (int)strlen(coords_text(json_object_get(rank, "coords"), false, true, coords));
    wide = wide > COORDS ? wide : COORDS;
    int rest = wide < BOTH ? BOTH - wide : 0;
    printf("%4s  %-*s %7s %5s  %-8s %-*s%9s%9s%9s%9s%9s\n", "rank", wide, "coords", "layers",
           "heads", "lanes", rest, "tokens", "weights", "activ.", "kv store", "buffers", "MB held");
    json_array_foreach(ranks, i, rank)
    {
        const json_t *layers = json_object_get(rank, "layers");
        const json_t *memory = json_object_get(rank, "memory_bytes");
        if (i == SHOWN_RANKS)
            break;
        printf("%4lld  %-*s %3lld-%-3lld %5lld  %-8s %-*s %8.1f %8.1f %8.1f %8.1f %8.1f\n",
               number_at(rank, "rank"), wide,
               coords_text(json_object_get(rank, "coords"), false, true, coords),
               item_at(layers, 0), item_at(layers, 1) - 1, number_at(rank, "heads"),
               lanes_text(json_object_get(rank, "lanes"), 8, lanes), rest,
               tokens_text(json_object_get(rank, "tokens"), (size_t)rest, tokens),
               mb_at(memory, "weights"), mb_at(memory, "activations"), mb_at(memory, "kv_store"),
               mb_at(memory, "buffers"), mb_at(memory, "total"));
    }
}

/* ---- what each rank sends ---- */

/* MB in a step of that kind. */
static double sent_mb(const json_t *rank, const char *when)
{
    size_t i;
    const json_t *line;
    double sum = 0;
    json_array_foreach(json_object_get(rank, "sends"), i,
                       line) if (strcmp(text_at(line, "when"), when) == 0) sum +=
        mb_at(line, "wire_bytes");
    return sum;
}

static void print_sums(const json_t *ranks)
{
    size_t i;
    const json_t *rank;
    printf("\n%4s  %16s %16s %16s %16s %12s\n", "rank", "MB sent: warm-up", "in a steady step",
           "once", "in the loop", "calls");
    json_array_foreach(ranks, i, rank)
    {
        const json_t *loop = json_object_get(rank, "loop");
        if (i == SHOWN_RANKS)
            break;
        printf("%4lld  %16.3f %16.3f %16.3f %16.3f %12lld\n", number_at(rank, "rank"),
               sent_mb(rank, "warmup_step"), sent_mb(rank, "step"), sent_mb(rank, "once"),
               mb_at(loop, "wire_bytes"), number_at(loop, "calls"));
    }
    if (json_array_size(ranks) > SHOWN_RANKS)
        printf("      ... and so on to rank %zu; --rank R shows one\n", json_array_size(ranks) - 1);
}

/* The lines of one rank's sends; of all ranks that would be a book. */
static void print_sends(const json_t *rank, const char *name)
{
    size_t i;
    const json_t *line;
    const json_t *sends = json_object_get(rank, "sends");
    printf("\nRank %lld%s sends%s\n", number_at(rank, "rank"), name,
           json_array_size(sends) > 0 ? ", for each step of a kind:" : " nothing.");
    if (json_array_size(sends) > 0)
        printf("  %-12s %-10s %-11s %8s %11s %11s %6s %14s\n", "axis", "op", "when", "calls",
               "API MB", "wire MB", "times", "MB in the loop");
    json_array_foreach(sends, i, line)
        printf("  %-12s %-10s %-11s %8lld %11.3f %11.3f %6lld %14.3f\n", text_at(line, "axis"),
               text_at(line, "op"), text_at(line, "when"), number_at(line, "calls"),
               mb_at(line, "api_bytes"), mb_at(line, "wire_bytes"), number_at(line, "times"),
               mb_at(line, "wire_bytes") * (double)number_at(line, "times"));
}

/* Rank 0, and the one that has the result, where it sends something else: the last stage. */
static void print_two_sends(const json_t *report, const json_t *ranks)
{
    const json_t *first = json_array_get(ranks, 0);
    const json_t *last = json_array_get(ranks, (size_t)number_at(report, "output_rank"));
    print_sends(first, "");
    if (json_equal(json_object_get(first, "sends"), json_object_get(last, "sends")))
        return;
    bool stage = item_at(json_object_get(last, "layers"), 0) > 0;
    print_sends(last, stage ? " (the last stage)" : " (it writes the result)");
}

/* ---- one rank ---- */

static void print_line(const char *key, const char *text)
{
    printf("  %-10s ", key);
    fold_print(13, 13, text);
}

static void print_rank(const json_t *rank, int all_layers)
{
    char text[TEXT];
    char key[20];
    size_t i;
    const json_t *patch;
    const json_t *layers = json_object_get(rank, "layers");
    const json_t *memory = json_object_get(rank, "memory_bytes");
    const json_t *patches = json_object_get(rank, "patches");
    printf("Rank %lld:\n", number_at(rank, "rank"));
    print_line("place", coords_text(json_object_get(rank, "coords"), true, true, text));
    snprintf(text, sizeof text, "%lld to %lld of %d", item_at(layers, 0), item_at(layers, 1) - 1,
             all_layers);
    print_line("layers", text);
    printf("  %-10s %lld\n", "heads", number_at(rank, "heads"));
    print_line("lanes", lanes_text(json_object_get(rank, "lanes"), TEXT, text));
    print_line("tokens", tokens_text(json_object_get(rank, "tokens"), TEXT, text));
    json_array_foreach(patches, i, patch)
    {
        snprintf(key, sizeof key, "patch %zu", i);
        if (json_array_size(patches) > 1)
            print_line(key, tokens_text(patch, TEXT, text));
    }
    snprintf(text, sizeof text,
             "weights %.1f, activations %.1f, kv store %.1f, buffers %.1f; %.1f MB in all",
             mb_at(memory, "weights"), mb_at(memory, "activations"), mb_at(memory, "kv_store"),
             mb_at(memory, "buffers"), mb_at(memory, "total"));
    print_line("memory", text);
    print_sends(rank, "");
}

/* ---- all ---- */

static void print_totals(const json_t *report)
{
    const json_t *loop = json_object_get(report, "loop");
    const json_t *memory = json_object_get(report, "memory");
    const json_t *fits = json_object_get(report, "fits");
    long long ranks = number_at(report, "ranks");
    long long steps = number_at(report, "steps");
    long long warmup = number_at(report, "warmup_steps");
    printf("\n%s: %lld step%s", ranks == 1 ? "In one loop" : "All ranks in one loop", steps,
           steps == 1 ? "" : "s");
    if (warmup > 0)
        printf(", %lld of them warm-up", warmup < steps ? warmup : steps);
    printf("; %.3f MB sent in %lld calls.\n", mb_at(loop, "wire_bytes"), number_at(loop, "calls"));
    printf("Memory: rank %lld needs most, %.1f MB; all ranks together %.1f MB.\n",
           number_at(memory, "worst_rank"), mb_at(memory, "worst_bytes"),
           mb_at(memory, "total_bytes"));
    if (!fits)
        return;
    printf("This machine: ");
    fold_print(14, 14,
               json_is_true(fits) ? "it fits into the memory that is free now."
                                  : text_at(report, "fits_reason"));
}

static void print_header(const struct setup *s)
{
    char text[TEXT];
    const char *guided = s->problem.guided ? "guided, " : "unguided, ";
    snprintf(text, sizeof text, "%s, %dx%d px, %d step%s, %d request%s, %s%s, %d rank%s: %s",
             s->cell.model, s->cell.width, s->cell.height, s->cell.steps,
             s->cell.steps == 1 ? "" : "s", s->cell.requests, s->cell.requests == 1 ? "" : "s",
             s->problem.kind->prompt ? guided : "", s->cell.dtype, s->cell.ranks,
             s->cell.ranks == 1 ? "" : "s", s->cell.strategy);
    fold_print(0, 0, text);
}

void plan_report_print(const struct setup *s, const json_t *report)
{
    char axes[TEXT];
    const json_t *ranks = json_object_get(report, "per_rank");
    const json_t *first = json_array_get(ranks, 0);
    print_header(s);
    if (!first)
        return; /* refused: whoever asked says why */
    printf("%s\n", json_is_true(json_object_get(report, "exact"))
                       ? "Exact: equal to the serial run."
                       : "Stale: some steps use keys of the step before.");
    if (s->cell.ranks > 1 && json_array_size(ranks) == 1) {
        printf("\n");
        print_rank(first, problem_facts(&s->problem).layers);
    } else {
        if (s->cell.ranks > 1)
            printf("Coordinates (coords): %s. MB = 1e6 bytes.\n",
                   coords_text(json_object_get(first, "coords"), true, false, axes));
        printf("\n");
        print_holds(ranks);
        print_sums(ranks);
        print_two_sends(report, ranks);
    }
    print_totals(report);
}
