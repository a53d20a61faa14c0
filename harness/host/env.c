/* SPDX-License-Identifier: Apache-2.0 */
/* The environment of a record, from uname, /proc, /etc/os-release, the build's macros and the
 * libraries themselves. */
#include "harness/host/env.h"

#include "kernels/comm/rendezvous.h"
#include "kernels/identity.h"

#include <cblas.h>
#include <cyaml/cyaml.h>
#include <dlfcn.h>
#include <jansson.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#ifdef WITH_MPI
#include <mpi.h>
#endif

/* The Makefile bakes these in. */
#ifndef DITBENCH_COMMIT
#define DITBENCH_COMMIT "unknown"
#endif
#ifndef DITBENCH_DIRTY
#define DITBENCH_DIRTY RECORD_UNKNOWN
#endif
#ifndef DITBENCH_FLAGS
#define DITBENCH_FLAGS "unknown"
#endif

#ifdef __clang__
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif

int env_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN); // more CPUs than cpu_set_t holds
    return online > 0 ? (int)online : 1;
}

/* A launcher may bind each process to a core, and differently for each count of ranks. */
int env_cores_of_ranks(bool mpirun)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return mpirun && online > 0 ? (int)online : env_cores();
}

/*
 * Value of the first line "key<separator>value" of a file, without blanks and quotes around it;
 * NULL: none. Allocated.
 */
static char *file_value(const char *path, const char *key, char separator)
{
    char *line = NULL, *value = NULL;
    size_t room = 0, length = strlen(key);
    FILE *in = fopen(path, "re");
    while (in && !value && getline(&line, &room, in) > 0) {
        char *at = line + length;
        if (strncmp(line, key, length) != 0)
            continue;
        at += strspn(at, " \t");
        if (*at != separator)
            continue;
        at += 1 + strspn(at + 1, " \t\"'");
        size_t end = strlen(at);
        while (end > 0 && strchr(" \t\r\n\"'", at[end - 1]))
            end--;
        value = strndup(at, end);
    }
    free(line);
    if (in)
        fclose(in);
    return value;
}

static void fill_host(struct record *r)
{
    struct utsname name = {0};
    uname(&name);
    char *os = file_value("/etc/os-release", "PRETTY_NAME", '=');
    char *cpu = file_value("/proc/cpuinfo", "model name", ':');
    r->env.host = record_text(r, name.nodename);
    r->env.os = record_text_format(r, "%s, %s %s", os ? os : "unknown", name.sysname, name.release);
    r->env.cpu = record_text(r, cpu && *cpu ? cpu : name.machine); // Arm's cpuinfo has no model
    r->env.cores = env_cores_of_ranks(rendezvous_mpi_rank() >= 0);
    free(os);
    free(cpu);
}

#ifdef WITH_MPI
/* "Open MPI v4.1.4" out of the library's sentence; may be asked before MPI_Init. */
static void add_mpi(struct record *r)
{
    char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length = 0;
    MPI_Get_library_version(text, &length);
    text[strcspn(text, ",\n")] = '\0';
    record_add_pair(r, &r->env.libraries, "mpi", text);
}
#endif

static void fill_libraries(struct record *r)
{
    struct record_map *libraries = &r->env.libraries;
    *libraries = (struct record_map){0};
    record_add_pair(r, libraries, "openblas", openblas_get_config());
    record_add_pair(r, libraries, "jansson", jansson_version_str());
    record_add_pair(r, libraries, "libcyaml", cyaml_version_str);
#ifdef WITH_MPI
    add_mpi(r);
#endif
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool begins(const char *variable, size_t n, const char *const *prefix)
{
    for (size_t i = 0; i < n; i++)
        if (strncmp(variable, prefix[i], strlen(prefix[i])) == 0)
            return true;
    return false;
}

/* What mpirun itself tells a process, such as addresses and session folders, is no setting. */
static bool steers(const char *variable)
{
    static const char *const prefix[] = {"OMP_",
                                         "GOMP_",
                                         "OPENBLAS_",
                                         "OMPI_MCA_",
                                         "OMPI_ALLOW_",
                                         "UCX_",
                                         "NCCL_",
                                         "CUDA_",
                                         "CUBLAS",
                                         "CUDNN_",
                                         "NVIDIA_TF32_OVERRIDE",
                                         "DITBENCH_ATTENTION",
                                         "DITBENCH_LINEAR",
                                         "DITBENCH_CONV"};
    static const char *const told[] = {"OMPI_MCA_orte_", "OMPI_MCA_ess", "OMPI_MCA_pmix",
                                       "OMPI_MCA_initial_wdir"};
    return begins(variable, sizeof prefix / sizeof prefix[0], prefix) &&
           !begins(variable, sizeof told / sizeof told[0], told);
}

static void fill_variables(struct record *r)
{
    int n = 0, count = 0;
    while (environ && environ[count])
        count++;
    char **chosen = record_array(r, (size_t)count, sizeof *chosen);
    for (int i = 0; chosen && i < count; i++)
        if (steers(environ[i]) && strchr(environ[i], '='))
            chosen[n++] = environ[i];
    if (n > 0)
        qsort(chosen, (size_t)n, sizeof *chosen, compare_texts);
    r->env.variables = (struct record_map){0};
    for (int i = 0; i < n; i++) {
        size_t length = strcspn(chosen[i], "=");
        char *name = strndup(chosen[i], length);
        bool again = i > 0 && strncmp(chosen[i], chosen[i - 1], length + 1) == 0;
        if (name && !again) // a JSON object holds a name once
            record_add_pair(r, &r->env.variables, name, chosen[i] + length + 1);
        r->out_of_memory |= !name;
        free(name);
    }
}

void env_add_libraries(struct record *record, const struct record_map *more)
{
    struct record_map *libraries = &record->env.libraries;
    for (int i = 0; i < more->n; i++) {
        bool known = false;
        for (int k = 0; k < libraries->n; k++)
            known |= strcmp(libraries->v[k].name, more->v[i].name) == 0;
        if (!known)
            record_add_pair(record, libraries, more->v[i].name, more->v[i].value);
    }
}

/* NCCL is loaded at run time, by the transport; one that is not loaded is not asked. */
static void add_nccl(struct record *record)
{
    void *handle = dlopen("libnccl.so.2", RTLD_NOW | RTLD_NOLOAD);
    void *address = handle ? dlsym(handle, "ncclGetVersion") : NULL;
    int (*version)(int *);
    int number = 0;
    memcpy(&version, &address, sizeof version); // ISO C has no cast from object to function
    if (address && version(&number) == 0)
        record_add_pair(record, &record->env.libraries, "nccl",
                        record_text_format(record, "%d.%d.%d", number / 10000, number / 100 % 100,
                                           number % 100));
    if (handle)
        dlclose(handle); // only our count of it
}

void env_add_loaded(struct record *record, const char *backend)
{
    struct identity identity;
    const struct backend_ops *ops = backend_find(backend);
    if (!ops || identity_read(ops, 0, &identity) != ST_OK)
        return;
    for (int i = 0; i < identity.libraries; i++)
        record_add_pair(record, &record->env.libraries, identity.library[i].name,
                        identity.library[i].version);
    if (identity.id[0] != '\0')
        add_nccl(record);
}

double env_load(void)
{
    double load;
    return getloadavg(&load, 1) == 1 ? load : NAN;
}

void env_add_load(struct record *record, double before)
{
    const double load[] = {before, env_load()};
    bool told = !isnan(load[0]) && !isnan(load[1]);
    record_set_numbers(record, &record->env.load, told ? 2 : 0, load);
}

void env_fill(struct record *record)
{
    fill_host(record);
    record->env.compiler = COMPILER;
    record->env.flags = DITBENCH_FLAGS;
    record->env.commit = DITBENCH_COMMIT;
    record->env.dirty = DITBENCH_DIRTY;
    fill_libraries(record);
    fill_variables(record);
}

char *env_hardware(const struct record_env *env, char *buffer, size_t size)
{
    if (env->gpus.n > 0)
        snprintf(buffer, size, "%d x %s", env->gpus.n,
                 env->gpus.v[0].name ? env->gpus.v[0].name : "unknown GPU");
    else
        snprintf(buffer, size, "%s, %d cores", env->cpu ? env->cpu : "unknown CPU", env->cores);
    return buffer;
}
