/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One cell of a sweep as data: what was asked, what came out, on what machine. Not its file (record_file.h).
 *
 * The structs mirror the JSON object member by member: a member's name is its key, their order is the order in the line,
 * and record_fields.c is the one table that both the writer and the reader walk. A record owns every text and array in
 * it; they come from record_text and the other functions below and live until record_close. Running out of host memory
 * there is remembered and reported by record_write, so that filling a record needs no checks.
 *
 * Absent values: a double that is not finite, a NULL text, an index of -1 and RECORD_UNKNOWN are null in JSON.
 */
#ifndef HARNESS_RECORD_H
#define HARNESS_RECORD_H

#include "kernels/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_SCHEMA "ditbench-record-1"

enum { RECORD_ID_SIZE = 17 }; /* 16 hex digits and the end */

/* Every status but RECORD_INTERRUPTED is final: a sweep does not run such a cell again by itself. */
enum record_status {
    RECORD_OK,
    RECORD_WRONG,       /* the check failed, or the bytes counted differ from the closed form */
    RECORD_UNSUPPORTED, /* refused by the plan; nothing was started */
    RECORD_OOM,
    RECORD_TIMEOUT,
    RECORD_CRASH,       /* a rank died of a signal */
    RECORD_ERROR,       /* a rank ended with another failure */
    RECORD_INTERRUPTED, /* stopped by the user */
    RECORD_STATUSES,
};

/* Answers to a question that may not have been asked. */
enum { RECORD_UNKNOWN = -1, RECORD_NO = 0, RECORD_YES = 1 };

/* All lists: n elements at v; NULL when n is 0. */
struct record_texts {
    int n;
    const char **v;
};

struct record_numbers {
    int n;
    double *v;
};

struct record_counts {
    int n;
    uint64_t *v;
};

struct record_pair {
    const char *name, *value;
};

struct record_map {
    int n;
    struct record_pair *v;
};

/* The question. Two cells are the same cell when all of this is equal. */
struct record_cell {
    const char *model;    /* preset, or checkpoint folder as given */
    const char *weights;  /* "synthetic", or the hash of the checkpoint's files */
    int width, height;    /* pixels */
    int frames;           /* 1 for an image */
    int steps;            /* denoising steps */
    double guidance;      /* <= 1: unguided */
    int requests;         /* images or videos in one loop */
    const char *dtype;    /* "fp32", "bf16", "fp16" */
    const char *backend;  /* "cpu", "cuda" */
    const char *transport;
    const char *strategy; /* canonical specification */
    int ranks;
    uint64_t seed;        /* at most INT64_MAX, JSON's integers here */
    int warmup_loops;     /* loops before the measured ones */
    int repeats;          /* measured loops */
    int threads;          /* CPU threads of all ranks together */
};

/* Time of a whole denoising loop: barrier to final latent, on the slowest rank. ms. */
struct record_latency {
    struct record_numbers samples; /* one for each measured loop */
    double median, p10, p90, min, max;
    int slowest_rank;              /* of the median loop; -1: unknown */
};

/* Time between the ends of two steps on the rank that advances the last patch, in the median loop. ms. */
struct record_steps {
    struct record_numbers samples; /* one for each step */
    double median, p10, p90;
};

/* Bytes, one value for each rank. */
struct record_memory {
    struct record_counts peak;      /* the arenas' high-water mark */
    struct record_counts predicted; /* what the plan said peak would be */
    struct record_counts weights, activations, kv_store, buffers; /* the parts of peak */
    struct record_counts library;   /* what the device's libraries took besides */
};

/* Traffic of one rank on one axis over one loop. */
struct record_comm {
    int rank;
    const char *axis;              /* the strategy's name */
    const char *op;                /* "all_to_all", "all_reduce", "all_gather", "send" */
    const char *when;              /* "warmup_step", "step", "last_step", "once" */
    uint64_t calls;
    uint64_t api_bytes;            /* handed to the communication library */
    uint64_t wire_bytes;           /* counted from the messages that left the rank */
    uint64_t predicted_wire_bytes; /* from the plan's closed form */
};

struct record_comms {
    int n;
    struct record_comm *v;
};

/* Final latents against the one-rank run that they must equal. */
struct record_check {
    const char *against; /* that run's specification; NULL: not checked */
    double rel_l2;       /* ||x - reference|| / ||reference|| */
    double max_abs;
    double tolerance;    /* of rel_l2 */
    int pass;
};

/* Final latents against the serial run: how far stale keys lead away. */
struct record_deviation {
    const char *against; /* "serial"; NULL: not computed */
    double rel_l2;
    double max_abs;
    double psnr_db;      /* see quality.h; null when equal, for JSON has no infinity */
};

struct record_gpu {
    const char *name, *uuid, *driver;
    const char *pcie;    /* bus address and link, as text; NULL: unknown */
    const char *nvlink;  /* links to the peers, as text; NULL: none or unknown */
};

struct record_gpus {
    int n;
    struct record_gpu *v;
};

struct record_env {
    const char *host, *os, *cpu;
    int cores;                   /* CPUs that the process may use */
    const char *compiler, *flags;
    const char *commit;          /* of the build; "unknown" outside a repository */
    int dirty;                   /* the build's tree had changes that are not in the commit */
    struct record_map libraries; /* name: version */
    struct record_gpus gpus;
    struct record_map variables; /* environment variables that steer libraries, sorted */
};

struct record {
    const char *schema; /* RECORD_SCHEMA */
    const char *id;     /* record_cell_id */
    const char *experiment;
    const char *time;   /* end of the cell, UTC, RFC 3339 */
    struct record_texts argv;
    struct record_cell cell;
    enum record_status status;
    const char *reason; /* NULL when ok */
    struct record_latency latency_ms;
    struct record_steps step_ms;
    struct record_memory memory_bytes;
    struct record_comms comm;
    int comm_match;     /* every wire_bytes equals its prediction */
    struct record_check check;
    struct record_deviation deviation;
    struct record_env env;

    /* not in JSON */
    struct record_block *blocks; /* private: what the record owns */
    bool out_of_memory;          /* private: some text or array is missing */
};

/* An empty record: schema set, everything else absent. ST_OOM. */
enum status record_open(struct record **out);
void record_close(struct record *record);

/* ---- filling ---- */

/* Copies owned by the record. NULL gives NULL, and so does a lack of memory. */
const char *record_text(struct record *record, const char *text);
const char *record_text_format(struct record *record, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* `count` zeroed elements. NULL: none wanted, or no memory. */
void *record_array(struct record *record, size_t count, size_t size);

void record_set_numbers(struct record *record, struct record_numbers *list, int n, const double *values);
void record_set_counts(struct record *record, struct record_counts *list, int n, const uint64_t *values);
void record_add_text(struct record *record, struct record_texts *list, const char *text);
void record_add_pair(struct record *record, struct record_map *map, const char *name, const char *value);
void record_add_comm(struct record *record, const struct record_comm *line);
void record_add_gpu(struct record *record, const struct record_gpu *gpu);

/* Sets `time` to now. */
void record_set_time(struct record *record);

/* Statistics of latency_ms and step_ms from their samples; null where there are none. */
void record_summarise(struct record *record);

/* comm_match from the lines of comm, and RECORD_WRONG with a reason where status is ok but the check failed or bytes
 * differ. */
void record_judge(struct record *record);

/* ---- identity and names ---- */

/* Hash of the schema and the cell's JSON text, as 16 hex digits. cell->weights must be set: it stands for the
 * checkpoint. ST_INVALID: a seed that JSON cannot hold. */
enum status record_cell_id(const struct record_cell *cell, char id[RECORD_ID_SIZE]);

const char *record_status_name(enum record_status status); /* "ok", "wrong", ... */
bool record_status_find(const char *name, enum record_status *out);
bool record_status_final(enum record_status status);

/* How a cell ends that failed with `st`; and what the program exits with then. */
enum record_status record_status_of(enum status st);
int record_exit_code(enum status st);

/* ---- JSON ---- */

/* One line with its '\n', allocated: the caller frees it. Doubles have the fewest digits (15 to 17) that read back
 * equal; bytes of a text that are not UTF-8 become '?'.
 * ST_OOM; ST_INVALID: an integer that JSON cannot hold. */
enum status record_write(const struct record *record, char **line, size_t *size);

/* The JSON text of a cell alone, without '\n'. */
enum status record_cell_write(const struct record_cell *cell, char **text, size_t *size);

/* Reads one line (size bytes, with or without '\n'). ST_INVALID: "line N: key: found ..., wanted ...". Keys that this
 * build does not know are skipped; all others must be there. */
enum status record_read(const char *line, size_t size, int line_number, struct record **out);

#endif
