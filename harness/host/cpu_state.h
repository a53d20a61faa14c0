/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clock and governor of the CPUs that this process may use, as Linux tells them: cpufreq's files
 * or, where there are none, "cpu MHz" of /proc/cpuinfo, which virtual machines leave at its nominal
 * value. Sets nothing.
 */
#ifndef HARNESS_HOST_CPU_STATE_H
#define HARNESS_HOST_CPU_STATE_H

enum { CPU_STATE_MOST = 16 }; /* CPUs that are looked at, the first of them */

struct cpu_state {
    const char *cpus; /* folder: "/sys/devices/system/cpu" */
    const char *info; /* file: "/proc/cpuinfo" */
    int n;
    int cpu[CPU_STATE_MOST]; /* ascending */
};

/* For this process and machine. */
struct cpu_state cpu_state_here(void);

/* The mean of their clocks, idle ones among them; NaN: not told. */
double cpu_state_mhz(const struct cpu_state *state);

/* cpufreq's governor of the first one, such as "performance"; "": not told. Returns text. */
char *cpu_state_governor(const struct cpu_state *state, int size, char *text);

#endif
