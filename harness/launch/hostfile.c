/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts by name and address, slots filled in their order, as mpirun does by default. */
#include "harness/launch/hostfile.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 20, NAME_MAX_BYTES = 256 };

/* ---- names of this host ---- */

static bool is_own_address(const char *name)
{
    struct ifaddrs *all;
    bool own = false;
    if (getifaddrs(&all) != 0)
        return false;
    for (const struct ifaddrs *i = all; i && !own; i = i->ifa_next) {
        char text[NI_MAXHOST];
        int family = i->ifa_addr ? i->ifa_addr->sa_family : AF_UNSPEC;
        socklen_t size = family == AF_INET    ? sizeof(struct sockaddr_in)
                         : family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                              : 0;
        own = size > 0 &&
              getnameinfo(i->ifa_addr, size, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0 &&
              strcmp(text, name) == 0;
    }
    freeifaddrs(all);
    return own;
}

/* Without its domain where only one of the two has one. */
static bool is_here(const char *name)
{
    struct utsname own = {0};
    uname(&own);
    size_t n = strcspn(name, ".");
    bool same = strcmp(name, own.nodename) == 0 ||
                (strncmp(name, own.nodename, n) == 0 && own.nodename[n] == '\0') ||
                (strncmp(name, own.nodename, n) == 0 && own.nodename[n] == '.' && !name[n]);
    return same || strcmp(name, "localhost") == 0 || is_own_address(name);
}

/* ---- the file ---- */

struct share {
    int before, here; /* slots of hosts before this one, and of this one */
    int hosts, others;
    int total;
    bool vague; /* some line does not say how many slots there are, or which host is meant */
};

static void take_line(struct share *s, const char *line)
{
    char name[NAME_MAX_BYTES];
    int slots = 0;
    if (sscanf(line, " %255[^ \t\r\n#]", name) != 1)
        return;
    const char *said = strstr(line, "slots=");
    while (said && said > line && said[-1] == '_') /* max_slots= */
        said = strstr(said + 1, "slots=");
    s->vague |= !said || sscanf(said, "slots=%d", &slots) != 1 || slots < 1 || slots > 1 << 20;
    s->vague |= strchr("+^@", name[0]) != NULL;
    s->hosts++;
    bool here = is_here(name);
    if (here)
        s->here += slots;
    else if (s->here == 0)
        s->before += slots;
    s->others += !here;
    s->total += slots;
}

bool hostfile_share(const char *text, int n, int *begin, int *count)
{
    struct share s = {0};
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        char copy[1000];
        snprintf(copy, sizeof copy, "%.*s", (int)strcspn(line, "\n"), line);
        copy[strcspn(copy, "#")] = '\0';
        take_line(&s, copy);
        if (s.hosts > 100000)
            return false;
    }
    *begin = 0;
    *count = n;
    if (s.others == 0)
        return true; /* no other host */
    if (s.vague || s.here == 0 || s.total < n)
        return false;
    *begin = s.before < n ? s.before : n;
    *count = s.here < n - *begin ? s.here : n - *begin;
    return true;
}

/* ---- mpirun's variables ---- */

static bool counts_more(const char *variable)
{
    const char *text = getenv(variable);
    return text && atoi(text) > 1;
}

/* Another order of ranks than the hosts', or hosts of a batch system. */
static bool is_arranged(void)
{
    static const char *const variables[] = {"OMPI_MCA_rmaps_base_mapping_policy",
                                            "OMPI_MCA_rmaps_rank_file_path", "PBS_NODEFILE",
                                            "LSB_MCPU_HOSTS", "PE_HOSTFILE"};
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        if (getenv(variables[i]))
            return true;
    return counts_more("SLURM_JOB_NUM_NODES") || counts_more("SLURM_NNODES");
}

bool hostfile_ranks_here(int n, int *begin, int *count)
{
    const char *path = getenv("OMPI_MCA_orte_default_hostfile");
    *begin = 0;
    *count = n;
    if (is_arranged())
        return false;
    if (!path || !path[0])
        return true;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char *text = fd < 0 ? NULL : malloc(FILE_MAX);
    ssize_t got = text ? read(fd, text, FILE_MAX - 1) : -1;
    if (got >= 0)
        text[got] = '\0';
    bool told = got >= 0 && got < FILE_MAX - 1 && hostfile_share(text, n, begin, count);
    free(text);
    if (fd >= 0)
        close(fd);
    return told;
}
