/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One cell of a sweep as data: what was asked, what came out, on what machine. Not its file
 * (record_file.h).
 *
 * A record owns every text and array in it; they come from record_text and the other functions
 * below and live until record_close. Running out of host memory there is remembered and reported by
 * record_write, so that filling a record needs no checks. record_fields.c is the one table of keys
 * that both the writer and the reader walk.
 */
#ifndef HARNESS_RECORD_RECORD_H
#define HARNESS_RECORD_RECORD_H

#include "harness/record/data.h"
#include "kernels/base/status.h"

#include <stddef.h>

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

void record_set_numbers(struct record *record, struct record_numbers *list, int n,
                        const double *values);
void record_set_counts(struct record *record, struct record_counts *list, int n,
                       const uint64_t *values);

/* Appends; the list's array must have come from this record. */
void record_add_text(struct record *record, struct record_texts *list, const char *text);
void record_add_pair(struct record *record, struct record_map *map, const char *name,
                     const char *value);
void record_add_comm(struct record *record, const struct record_comm *line);
void record_add_gpu(struct record *record, const struct record_gpu *gpu);

/* Everything about the machine is unknown, as in a record that was just opened. */
void record_reset_machine(struct record *record);

/* machine.gpus := n of which nothing is known yet; NULL: none, or no memory. */
struct record_machine_gpu *record_machine_gpus(struct record *record, int n);

/* Sets `time` to now. */
void record_set_time(struct record *record);

/* Statistics of latency_ms and step_ms from their samples; null where there are none. */
void record_summarise(struct record *record);

/* Whether a loop or step may have taken so long: a number, and of two such the quotient is one. */
bool record_is_time(double ms);

/* Place of its first loop that is no time; -1: all are times. */
int record_wrong_sample(const struct record *record);

/* "latency_ms.samples[3]: found null, wanted ...", of such a loop. Returns text. */
char *record_wrong_sample_text(const struct record *record, int i, size_t size, char *text);

#define RECORD_NOISY                                                                               \
    "noisy" /* p90 is over 1.25 times p10, or the stop rule's interval was never narrow enough */

#define RECORD_DRIFT                                                                               \
    "drift" /* the last third of the loops took longer or shorter; see record_flag */

#define RECORD_OUTLIERS                                                                            \
    "outliers" /* some loops lie far from all others: stats_far_out, and 5 percent of the median   \
                */

#define RECORD_SHARED_GPU                                                                          \
    "shared_gpu" /* ranks took turns on a GPU: right or wrong may be told from it, speed may not   \
                  */

#define RECORD_THROTTLED                                                                           \
    "throttled" /* a GPU's clock was held down in 5% of the samples during the loops, or in more,  \
                   by a power cap, a slowdown of the hardware, heat or the power brake */

/* The GPU that was throttled most of the time, of those that were at all; NULL: none, or not told.
 */
const struct record_machine_gpu *record_throttled_gpu(const struct record *record);

/* Its share of the samples during the loops, 0 to 1; 0: none. */
double record_throttled_share(const struct record *record);

/* Whether its flag says so, or threads of one process were more ranks than its machine has GPUs. */
bool record_shares_gpu(const struct record *record);

bool record_has_flag(const struct record *record, const char *flag);

/*
 * Sets the flags from samples, statistics, cell, env and machine. Drift, of at least 9 loops: the
 * medians of the first third and of the last (n / 3 loops each, in the order measured) differ by
 * more than max_noise percent of the median of all (1.5 where there is no stop rule), and their 95%
 * intervals do not overlap; a third of fewer than 6 loops has all of its range for an interval.
 */
void record_flag(struct record *record);

/* The flags; comm_match from the lines of comm, and ENDING_WRONG with a reason where status is ok
 * but the check failed or bytes differ. */
void record_judge(struct record *record);

/* ---- identity ---- */

/* Hash of the schema and the cell's JSON text, as 16 hex digits. cell->weights must be set: it
 * stands for the checkpoint. ST_OOM; ST_INVALID: a seed that JSON cannot hold. */
enum status record_cell_id(const struct record_cell *cell, char id[RECORD_ID_SIZE]);

/* What was asked: hash of the cell without how often it is measured, and in which round. A
 * checkpoint counts by its bytes, wherever it lies. */
enum status record_recipe(const struct record_cell *cell, char id[RECORD_ID_SIZE]);

/* Where it ran: hash of CPU, cores, kernel release, GPUs, drivers and library versions. Neither
 * host name, build, load nor time. Returns id. */
char *record_cohort(const struct record_env *env, char id[RECORD_ID_SIZE]);

/* Sets id, recipe and cohort of a record whose cell and env are filled. As record_cell_id. */
enum status record_identify(struct record *record);

/* ---- JSON ---- */

/* One line with its '\n', allocated: the caller frees it. Doubles have the fewest digits (15 to 17)
 * that read back equal; bytes of a text that are not UTF-8 become '?'. ST_OOM; ST_INVALID: an
 * integer that JSON cannot hold. */
enum status record_write(const struct record *record, char **line, size_t *size);

/* The JSON text of a cell alone, without '\n'; without `stop` where it is null and `round` where it
 * is 0, so that a cell has the id that it had before these were. */
enum status record_cell_write(const struct record_cell *cell, char **text, size_t *size);

/* Reads one line (size bytes, with or without '\n'). ST_INVALID: "line N: key: found ..., wanted
 * ...". Keys that this build does not know are skipped; all others must be there. Where a row has
 * samples of its loops, statistics are made of the samples, whatever the line says they are. */
enum status record_read(const char *line, size_t size, int line_number, struct record **out);

#endif
