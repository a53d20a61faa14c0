/* SPDX-License-Identifier: Apache-2.0 */
/* The table of a record's keys: names, kinds and places, in the order of the line. No code. */
#include "harness/record/fields.h"

/* clang-format off */
#define VALUE(struct_, member, kind_) {.name = #member, .kind = kind_, .offset = offsetof(struct struct_, member)}
/* Rows of older builds lack it; what an empty record holds stands for it. */
#define LATER_VALUE(struct_, member, kind_) \
    {.name = #member, .kind = kind_, .offset = offsetof(struct struct_, member), .later = true}
#define SILENT_VALUE(struct_, member, kind_, fields) \
    {.name = #member, .kind = kind_, .offset = offsetof(struct struct_, member), .inner = fields, .later = true, .silent = true}
#define LATER_LIST(struct_, member, list, element, fields) \
    {.name = #member, .kind = FIELD_LIST, .offset = offsetof(struct struct_, member), .inner = fields, \
     .size = sizeof(element), .offset_v = offsetof(struct list, v), .later = true}
#define OBJECT(struct_, member, fields) \
    {.name = #member, .kind = FIELD_OBJECT, .offset = offsetof(struct struct_, member), .inner = fields}
#define LATER_OBJECT(struct_, member, fields) \
    {.name = #member, .kind = FIELD_OBJECT, .offset = offsetof(struct struct_, member), .inner = fields, .later = true}
#define LIST(struct_, member, list, element, fields) \
    {.name = #member, .kind = FIELD_LIST, .offset = offsetof(struct struct_, member), .inner = fields, \
     .size = sizeof(element), .offset_v = offsetof(struct list, v)}
#define NUMBERS(struct_, member) LIST(struct_, member, record_numbers, double, a_number)
#define COUNTS(struct_, member) LIST(struct_, member, record_counts, uint64_t, a_count)
#define END {.name = NULL}

static const struct field a_number[] = {{.name = "", .kind = FIELD_NUMBER}, END};
static const struct field a_count[] = {{.name = "", .kind = FIELD_COUNT}, END};
static const struct field a_text[] = {{.name = "", .kind = FIELD_TEXT}, END};

static const struct field stop_fields[] = {
    VALUE(record_stop, min_loops, FIELD_INT),
    VALUE(record_stop, min_seconds, FIELD_NUMBER),
    VALUE(record_stop, max_seconds, FIELD_NUMBER),
    VALUE(record_stop, max_noise, FIELD_NUMBER),
    END,
};

const struct field record_cell_fields[] = {
    VALUE(record_cell, model, FIELD_TEXT),
    VALUE(record_cell, weights, FIELD_TEXT),
    VALUE(record_cell, width, FIELD_INT),
    VALUE(record_cell, height, FIELD_INT),
    VALUE(record_cell, frames, FIELD_INT),
    VALUE(record_cell, steps, FIELD_INT),
    VALUE(record_cell, guidance, FIELD_NUMBER),
    VALUE(record_cell, requests, FIELD_INT),
    VALUE(record_cell, dtype, FIELD_TEXT),
    VALUE(record_cell, backend, FIELD_TEXT),
    VALUE(record_cell, transport, FIELD_TEXT),
    VALUE(record_cell, strategy, FIELD_TEXT),
    VALUE(record_cell, ranks, FIELD_INT),
    VALUE(record_cell, seed, FIELD_COUNT),
    VALUE(record_cell, warmup_loops, FIELD_INT),
    VALUE(record_cell, repeats, FIELD_INDEX),
    VALUE(record_cell, threads, FIELD_INT),
    LATER_VALUE(record_cell, exchange, FIELD_TEXT),
    LATER_VALUE(record_cell, graph, FIELD_FLAG),
    SILENT_VALUE(record_cell, stop, FIELD_RULE, stop_fields),
    SILENT_VALUE(record_cell, round, FIELD_INT, NULL),
    END,
};

static const struct field latency_fields[] = {
    NUMBERS(record_latency, samples),
    VALUE(record_latency, median, FIELD_NUMBER),
    VALUE(record_latency, p10, FIELD_NUMBER),
    VALUE(record_latency, p90, FIELD_NUMBER),
    VALUE(record_latency, min, FIELD_NUMBER),
    VALUE(record_latency, max, FIELD_NUMBER),
    VALUE(record_latency, slowest_rank, FIELD_INDEX),
    END,
};

static const struct field step_fields[] = {
    NUMBERS(record_steps, samples),
    VALUE(record_steps, median, FIELD_NUMBER),
    VALUE(record_steps, p10, FIELD_NUMBER),
    VALUE(record_steps, p90, FIELD_NUMBER),
    END,
};

static const struct field memory_fields[] = {
    COUNTS(record_memory, peak),
    COUNTS(record_memory, predicted),
    COUNTS(record_memory, weights),
    COUNTS(record_memory, activations),
    COUNTS(record_memory, kv_store),
    COUNTS(record_memory, buffers),
    COUNTS(record_memory, library),
    END,
};

static const struct field comm_fields[] = {
    VALUE(record_comm, rank, FIELD_INT),
    VALUE(record_comm, axis, FIELD_TEXT),
    VALUE(record_comm, op, FIELD_TEXT),
    VALUE(record_comm, when, FIELD_TEXT),
    VALUE(record_comm, calls, FIELD_COUNT),
    VALUE(record_comm, api_bytes, FIELD_COUNT),
    VALUE(record_comm, wire_bytes, FIELD_COUNT),
    VALUE(record_comm, predicted_wire_bytes, FIELD_COUNT),
    END,
};

static const struct field check_fields[] = {
    VALUE(record_check, against, FIELD_TEXT_OR_NULL),
    VALUE(record_check, rel_l2, FIELD_NUMBER),
    VALUE(record_check, max_abs, FIELD_NUMBER),
    VALUE(record_check, tolerance, FIELD_NUMBER),
    VALUE(record_check, pass, FIELD_FLAG),
    END,
};

static const struct field deviation_fields[] = {
    VALUE(record_deviation, against, FIELD_TEXT_OR_NULL),
    VALUE(record_deviation, rel_l2, FIELD_NUMBER),
    VALUE(record_deviation, max_abs, FIELD_NUMBER),
    VALUE(record_deviation, psnr_db, FIELD_NUMBER),
    END,
};

static const struct field gpu_fields[] = {
    VALUE(record_gpu, name, FIELD_TEXT_OR_NULL),
    VALUE(record_gpu, uuid, FIELD_TEXT_OR_NULL),
    VALUE(record_gpu, driver, FIELD_TEXT_OR_NULL),
    VALUE(record_gpu, pcie, FIELD_TEXT_OR_NULL),
    VALUE(record_gpu, nvlink, FIELD_TEXT_OR_NULL),
    LATER_VALUE(record_gpu, memory_bytes, FIELD_NUMBER),
    END,
};

static const struct field nvls_fields[] = {
    VALUE(record_nvls, enabled, FIELD_FLAG),
    VALUE(record_nvls, supported, FIELD_FLAG),
    END,
};

static const struct field env_fields[] = {
    VALUE(record_env, host, FIELD_TEXT_OR_NULL),
    VALUE(record_env, os, FIELD_TEXT_OR_NULL),
    VALUE(record_env, cpu, FIELD_TEXT_OR_NULL),
    VALUE(record_env, cores, FIELD_INT),
    LATER_LIST(record_env, load, record_numbers, double, a_number),
    VALUE(record_env, compiler, FIELD_TEXT_OR_NULL),
    VALUE(record_env, flags, FIELD_TEXT_OR_NULL),
    VALUE(record_env, commit, FIELD_TEXT_OR_NULL),
    VALUE(record_env, dirty, FIELD_FLAG),
    VALUE(record_env, libraries, FIELD_MAP),
    LIST(record_env, gpus, record_gpus, struct record_gpu, gpu_fields),
    LATER_LIST(record_env, interconnect, record_texts, const char *, a_text),
    LATER_LIST(record_env, p2p, record_texts, const char *, a_text),
    LATER_OBJECT(record_env, nvls, nvls_fields),
    LATER_VALUE(record_env, exchange, FIELD_TEXT_OR_NULL),
    VALUE(record_env, variables, FIELD_MAP),
    END,
};

static const struct field course_fields[] = {
    VALUE(record_course, before, FIELD_NUMBER),
    VALUE(record_course, median, FIELD_NUMBER),
    VALUE(record_course, min, FIELD_NUMBER),
    VALUE(record_course, max, FIELD_NUMBER),
    VALUE(record_course, after, FIELD_NUMBER),
    END,
};

static const struct field reasons_fields[] = {
    VALUE(record_reasons, gpu_idle, FIELD_NUMBER),
    VALUE(record_reasons, applications_clocks_setting, FIELD_NUMBER),
    VALUE(record_reasons, sw_power_cap, FIELD_NUMBER),
    VALUE(record_reasons, hw_slowdown, FIELD_NUMBER),
    VALUE(record_reasons, sync_boost, FIELD_NUMBER),
    VALUE(record_reasons, sw_thermal_slowdown, FIELD_NUMBER),
    VALUE(record_reasons, hw_thermal_slowdown, FIELD_NUMBER),
    VALUE(record_reasons, hw_power_brake_slowdown, FIELD_NUMBER),
    VALUE(record_reasons, display_clock_setting, FIELD_NUMBER),
    END,
};

static const struct field throttle_fields[] = {
    VALUE(record_throttle, share, FIELD_NUMBER),
    OBJECT(record_throttle, reasons, reasons_fields),
    END,
};

static const struct field ecc_fields[] = {
    COUNTS(record_ecc, corrected),
    COUNTS(record_ecc, uncorrected),
    END,
};

static const struct field nvlink_fields[] = {
    VALUE(record_nvlink, active, FIELD_INDEX),
    VALUE(record_nvlink, total, FIELD_INDEX),
    COUNTS(record_nvlink, errors),
    END,
};

static const struct field machine_gpu_fields[] = {
    VALUE(record_machine_gpu, uuid, FIELD_TEXT_OR_NULL),
    OBJECT(record_machine_gpu, sm_mhz, course_fields),
    OBJECT(record_machine_gpu, memory_mhz, course_fields),
    OBJECT(record_machine_gpu, temperature_c, course_fields),
    OBJECT(record_machine_gpu, power_w, course_fields),
    VALUE(record_machine_gpu, power_limit_w, FIELD_NUMBER),
    OBJECT(record_machine_gpu, throttle, throttle_fields),
    OBJECT(record_machine_gpu, ecc, ecc_fields),
    OBJECT(record_machine_gpu, nvlink, nvlink_fields),
    END,
};

static const struct field machine_cpu_fields[] = {
    VALUE(record_machine_cpu, governor, FIELD_TEXT_OR_NULL),
    OBJECT(record_machine_cpu, mhz, course_fields),
    END,
};

static const struct field machine_fields[] = {
    VALUE(record_machine, period_ms, FIELD_INDEX),
    VALUE(record_machine, samples, FIELD_INDEX),
    LIST(record_machine, gpus, record_machine_gpus, struct record_machine_gpu, machine_gpu_fields),
    OBJECT(record_machine, cpu, machine_cpu_fields),
    END,
};

const struct field record_fields[] = {
    VALUE(record, schema, FIELD_TEXT),
    VALUE(record, id, FIELD_TEXT_OR_NULL),
    VALUE(record, experiment, FIELD_TEXT_OR_NULL),
    VALUE(record, time, FIELD_TEXT_OR_NULL),
    LIST(record, argv, record_texts, const char *, a_text),
    OBJECT(record, cell, record_cell_fields),
    LATER_LIST(record, flags, record_texts, const char *, a_text),
    VALUE(record, status, FIELD_STATUS),
    VALUE(record, reason, FIELD_TEXT_OR_NULL),
    OBJECT(record, latency_ms, latency_fields),
    OBJECT(record, step_ms, step_fields),
    LATER_VALUE(record, decode_ms, FIELD_NUMBER),
    OBJECT(record, memory_bytes, memory_fields),
    LIST(record, comm, record_comms, struct record_comm, comm_fields),
    VALUE(record, comm_match, FIELD_FLAG),
    OBJECT(record, check, check_fields),
    OBJECT(record, deviation, deviation_fields),
    LATER_VALUE(record, recipe, FIELD_TEXT_OR_NULL),
    LATER_VALUE(record, cohort, FIELD_TEXT_OR_NULL),
    OBJECT(record, env, env_fields),
    LATER_OBJECT(record, machine, machine_fields),
    END,
};
/* clang-format on */
