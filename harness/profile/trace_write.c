/* SPDX-License-Identifier: Apache-2.0 */
/* The object around traceEvents. What readers look for at the head of a file is on its first lines:
 * HTA takes the first `"rank": N` of a file, a blank between, for the file's rank. */
#include "harness/profile/trace_write.h"

#include "harness/base/folder.h"
#include "harness/profile/trace_rank.h"

#include <inttypes.h>
#include <stdlib.h>

static void write_devices(struct trace_out *out, const struct recording *recording, int from,
                          int to)
{
    trace_out_text(out, "\"deviceProperties\": [");
    for (int r = from; r < to; r++) {
        bool first = true;
        trace_out_text(out, "%s{", r > from ? ", " : "");
        trace_out_key_number(out, &first, "id", recording->rank[r].device);
        trace_out_key_string(out, &first, "name", recording->rank[r].device_name);
        trace_out_key_string(out, &first, "host", recording->rank[r].host);
        trace_out_text(out, "}");
    }
    trace_out_text(out, "],\n");
}

static void write_ranks(struct trace_out *out, const struct recording *recording, int from, int to)
{
    trace_out_text(out, "\"ranks\": [");
    for (int r = from; r < to; r++) {
        const struct recorded_rank *rank = &recording->rank[r];
        bool first = true;
        trace_out_text(out, "%s{", r > from ? ", " : "");
        trace_out_key_number(out, &first, "rank", r);
        trace_out_text(out, ", \"complete\": %s", rank->complete ? "true" : "false");
        trace_out_key_number(out, &first, "dropped", (int64_t)rank->dropped);
        trace_out_key_number(out, &first, "clock_offset_ns", rank->clock_offset);
        trace_out_key_number(out, &first, "clock_error_ns", rank->clock_error);
        trace_out_text(out, "}");
    }
    trace_out_text(out, "],\n");
}

static void write_head(struct trace_out *out, const struct recording *recording,
                       const char *transport, int only_rank)
{
    int from = only_rank >= 0 ? only_rank : 0;
    int to = only_rank >= 0 ? only_rank + 1 : recording->ranks;
    bool first = true;
    trace_out_text(out, "{\n\"schemaVersion\": 1,\n\"displayTimeUnit\": \"ms\",\n");
    trace_out_text(out, "\"baseTimeNanoseconds\": %" PRId64 ",\n", recording->epoch);
    trace_out_text(out, "\"distributedInfo\": {");
    trace_out_key_string(out, &first, "backend", transport);
    if (only_rank >= 0)
        trace_out_key_number(out, &first, "rank", only_rank);
    trace_out_key_number(out, &first, "world_size", recording->ranks);
    trace_out_text(out, "},\n");
    write_devices(out, recording, from, to);
    write_ranks(out, recording, from, to);
    trace_out_text(out, "\"traceEvents\": [");
}

static enum status write_events(struct trace_out *out, const struct recording *recording,
                                const struct messages *messages, int only_rank,
                                struct trace_written *written)
{
    struct trace_route *routes = NULL;
    if (only_rank < 0)
        TRY(trace_flow_routes(recording, messages, &routes));
    for (int i = 0; routes && i < messages->n; i++)
        written->unbound += !routes[i].bound;
    uint32_t next = routes ? (uint32_t)messages->n + 1 : 1;
    enum status st = ST_OK;
    for (int r = 0; st == ST_OK && r < recording->ranks; r++)
        if (only_rank < 0 || r == only_rank)
            st = trace_rank_write(out, recording, r, messages, routes, &next, &written->cut);
    free(routes);
    return st;
}

enum status trace_write(const struct recording *recording, const struct messages *messages,
                        const char *transport, const char *path, int only_rank,
                        struct trace_written *written)
{
    struct trace_written own = {0};
    struct trace_out *out = malloc(sizeof *out);
    BUG_ON(only_rank >= recording->ranks, "a timeline of rank %d of %d", only_rank,
           recording->ranks);
    if (!out)
        return fail(ST_OOM, "timeline %s: no host memory", path);
    enum status st = folder_make_above(path);
    if (st == ST_OK)
        st = trace_out_open(path, out);
    if (st != ST_OK)
        goto out_free;
    write_head(out, recording, transport, only_rank);
    st = write_events(out, recording, messages, only_rank, &own);
    trace_out_text(out, "\n]\n}\n");
    if (st != ST_OK)
        out->st = st; /* the file is deleted */
    st = trace_out_close(out);
    own.events = out->events;
    if (st == ST_OK && written)
        *written = own;
out_free:
    free(out);
    return st;
}
