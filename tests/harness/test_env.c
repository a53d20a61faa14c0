/* SPDX-License-Identifier: Apache-2.0 */
/* The environment of a record: what every machine must give, and the variables that are kept. */
#include "harness/host/env.h"
#include "tests/harness/program.h"
#include "tests/harness/rows.h"

#include <criterion/criterion.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char *value_of(const struct record_map *map, const char *name)
{
    for (int i = 0; i < map->n; i++)
        if (strcmp(map->v[i].name, name) == 0)
            return map->v[i].value;
    return NULL;
}

static struct record *filled(void)
{
    struct record *r;
    cr_assert_eq(record_open(&r), ST_OK);
    env_fill(r);
    return r;
}

Test(env, host_and_build)
{
    struct record *r = filled();
    struct utsname name;
    uname(&name);
    cr_assert_str_eq(r->env.host, name.nodename);
    cr_assert_not_null(strstr(r->env.os, name.release), "%s", r->env.os);
    cr_assert(*r->env.cpu && *r->env.flags && *r->env.commit);
    cr_assert_not_null(strstr(r->env.compiler, __VERSION__), "%s", r->env.compiler);
    cr_assert_eq(r->env.gpus.n, 0);
    record_close(r);
}

Test(env, load_is_that_of_before_and_of_now)
{
    struct record *r = filled();
    double now = env_load();
    cr_assert_geq(now, 0);
    env_add_load(r, 0.25);
    cr_assert_eq(r->env.load.n, 2);
    cr_assert(r->env.load.v[0] == 0.25 && r->env.load.v[1] >= 0);
    env_add_load(r, NAN);
    cr_assert_eq(r->env.load.n, 0);
    record_close(r);
}

Test(env, libraries_have_versions)
{
    struct record *r = filled();
    const char *const names[] = {"openblas", "jansson", "libcyaml"};
    for (int i = 0; i < 3; i++) {
        const char *version = value_of(&r->env.libraries, names[i]);
        cr_assert_not_null(version, "%s", names[i]);
        cr_assert_not_null(strpbrk(version, "0123456789"), "%s: %s", names[i], version);
    }
    cr_assert_not_null(strstr(value_of(&r->env.libraries, "openblas"), "OpenBLAS"));
    record_close(r);
}

Test(env, variables_that_steer_libraries_are_kept_sorted)
{
    setenv("OMP_NUM_THREADS", "3", 1);
    setenv("NCCL_DEBUG", "=a=b", 1);
    setenv("CUDA_VISIBLE_DEVICES", "", 1);
    setenv("DITBENCH_ATTENTION", "cudnn", 1);
    setenv("CUBLASLT_LOG_LEVEL", "0", 1);
    setenv("NVIDIA_API_KEY", "no", 1); /* secrets are nobody's business */
    setenv("OMPI_MCA_btl", "self", 1);
    setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    setenv("OMPI_ARGV", "no", 1);
    setenv("OMPI_FILE_LOCATION", "/tmp/no", 1);
    setenv("OMPI_MCA_orte_hnp_uri", "1.0;tcp://192.0.2.1:1", 1);
    setenv("OMPI_MCA_initial_wdir", "/no", 1);
    setenv("OMPX", "no", 1);
    setenv("MY_OMP_NUM_THREADS", "no", 1);
    struct record *r = filled();
    const struct record_map *v = &r->env.variables;
    cr_assert_str_eq(value_of(v, "OMP_NUM_THREADS"), "3");
    cr_assert_str_eq(value_of(v, "NCCL_DEBUG"), "=a=b");
    cr_assert_str_eq(value_of(v, "CUDA_VISIBLE_DEVICES"), "");
    cr_assert_str_eq(value_of(v, "DITBENCH_ATTENTION"), "cudnn");
    cr_assert_str_eq(value_of(v, "CUBLASLT_LOG_LEVEL"), "0");
    cr_assert_null(value_of(v, "NVIDIA_API_KEY"));
    cr_assert_str_eq(value_of(v, "OMPI_MCA_btl"), "self");
    cr_assert_str_eq(value_of(v, "OMPI_ALLOW_RUN_AS_ROOT"), "1");
    cr_assert_null(value_of(v, "OMPI_ARGV"));
    cr_assert_null(value_of(v, "OMPI_FILE_LOCATION"));
    cr_assert_null(value_of(v, "OMPI_MCA_orte_hnp_uri"));
    cr_assert_null(value_of(v, "OMPI_MCA_initial_wdir"));
    cr_assert_null(value_of(v, "OMPX"));
    cr_assert_null(value_of(v, "MY_OMP_NUM_THREADS"));
    cr_assert_null(value_of(v, "PATH"));
    for (int i = 1; i < v->n; i++)
        cr_assert_lt(strcmp(v->v[i - 1].name, v->v[i].name), 0);
    record_close(r);
}

Test(env, libraries_that_a_rank_told_of_survive)
{
    struct record *r = filled();
    struct record_map told = {0};
    int n = r->env.libraries.n;
    record_add_pair(r, &told, "jansson", "another");
    record_add_pair(r, &told, "nccl", "2.28.9");
    env_add_libraries(r, &told);
    cr_assert_eq(r->env.libraries.n, n + 1);
    cr_assert_str_eq(value_of(&r->env.libraries, "nccl"), "2.28.9");
    cr_assert_str_neq(value_of(&r->env.libraries, "jansson"), "another");
    env_add_loaded(r, "cpu"); /* which names none */
    cr_assert_eq(r->env.libraries.n, n + 1);
    record_close(r);
}

/* A cpuset that allows one CPU allows one thread. */
Test(env, cores_are_those_of_the_affinity_mask)
{
    cpu_set_t all, one;
    CPU_ZERO(&one);
    cr_assert_eq(sched_getaffinity(0, sizeof all, &all), 0);
    cr_assert_eq(env_cores(), CPU_COUNT(&all));
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &all) && CPU_COUNT(&one) == 0)
            CPU_SET(i, &one);
    cr_assert_eq(sched_setaffinity(0, sizeof one, &one), 0);
    cr_assert_eq(env_cores(), 1);
}

/* Where mpirun binds each rank to a core, a row says what the machine has, as its threads do. */
Test(env, cores_under_mpirun_are_those_of_the_machine)
{
    program_needs_mpi();
    cpu_set_t all, one;
    CPU_ZERO(&one);
    cr_assert_eq(sched_getaffinity(0, sizeof all, &all), 0);
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &all) && CPU_COUNT(&one) == 0)
            CPU_SET(i, &one);
    cr_assert_eq(sched_setaffinity(0, sizeof one, &one), 0);
    cr_assert_eq(env_cores_of_ranks(false), 1);
    cr_assert_eq(env_cores_of_ranks(true), sysconf(_SC_NPROCESSORS_ONLN));
    setenv("OMPI_COMM_WORLD_RANK", "0", 1);
    struct record *r = filled();
    cr_assert_eq(r->env.cores, sysconf(_SC_NPROCESSORS_ONLN));
    record_close(r);
}

Test(env, hardware_names_gpus_where_there_are_some)
{
    struct record *r = rows_ok("serial", 1, 10);
    char text[64];
    cr_assert_str_eq(env_hardware(&r->env, text, sizeof text), "A CPU, 2 cores");
    record_add_gpu(r, &(struct record_gpu){.name = "NVIDIA H200"});
    record_add_gpu(r, &(struct record_gpu){.name = "NVIDIA H200"});
    cr_assert_str_eq(env_hardware(&r->env, text, sizeof text), "2 x NVIDIA H200");
    cr_assert_str_eq(env_hardware(&r->env, text, 4), "2 x");
    record_close(r);
}
