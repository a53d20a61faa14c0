/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a few small files. */
#include "harness/host/cpu_state.h"

#include <limits.h>
#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cpu_state cpu_state_here(void)
{
    struct cpu_state s = {.cpus = "/sys/devices/system/cpu", .info = "/proc/cpuinfo"};
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        CPU_SET(0, &set);
    for (int i = 0; i < CPU_SETSIZE && s.n < CPU_STATE_MOST; i++)
        if (CPU_ISSET(i, &set))
            s.cpu[s.n++] = i;
    return s;
}

/* The first line of a file of cpufreq, without its end; "": there is none. */
static char *read_line(const struct cpu_state *s, int cpu, const char *name, int size, char *text)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/cpu%d/cpufreq/%s", s->cpus, cpu, name);
    FILE *in = fopen(path, "re");
    text[0] = '\0';
    if (!in)
        return text;
    if (!fgets(text, size, in))
        text[0] = '\0';
    fclose(in);
    text[strcspn(text, "\n")] = '\0';
    return text;
}

static double mhz_of_files(const struct cpu_state *s)
{
    double sum = 0;
    int told = 0;
    for (int i = 0; i < s->n; i++) {
        char text[32];
        double khz = strtod(read_line(s, s->cpu[i], "scaling_cur_freq", sizeof text, text), NULL);
        if (!(khz > 0))
            continue;
        sum += 1e-3 * khz;
        told++;
    }
    return told > 0 ? sum / told : NAN;
}

static bool looks_at(const struct cpu_state *s, int cpu)
{
    for (int i = 0; i < s->n; i++)
        if (s->cpu[i] == cpu)
            return true;
    return false;
}

/* Reads no farther than to the last CPU that is looked at. */
static double mhz_of_info(const struct cpu_state *s)
{
    char line[4096]; // the flags are cut off, into lines that begin with none of these words
    double sum = 0;
    int cpu = -1, told = 0;
    FILE *in = fopen(s->info, "re");
    while (in && told < s->n && fgets(line, sizeof line, in)) {
        double mhz;
        if (sscanf(line, "processor : %d", &cpu) != 1 && sscanf(line, "cpu MHz : %lf", &mhz) == 1 &&
            looks_at(s, cpu) && mhz > 0) {
            sum += mhz;
            told++;
        }
    }
    if (in)
        fclose(in);
    return told > 0 ? sum / told : NAN;
}

double cpu_state_mhz(const struct cpu_state *s)
{
    double mhz = mhz_of_files(s);
    return isnan(mhz) ? mhz_of_info(s) : mhz;
}

char *cpu_state_governor(const struct cpu_state *s, int size, char *text)
{
    text[0] = '\0';
    return s->n > 0 ? read_line(s, s->cpu[0], "scaling_governor", size, text) : text;
}
