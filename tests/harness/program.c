/* SPDX-License-Identifier: Apache-2.0 */
/* Black-box runs of the program for the harness' tests. */
#include "tests/harness/program.h"

#include "kernels/base/status.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

const char *program_path(void)
{
    const char *own = getenv("DITBENCH_PROGRAM");
    return own ? own : DITBENCH_BUILD_DIR "/ditbench";
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

static char folder[64];
static pid_t folder_owner;

static void remove_folder(void)
{
    if (getpid() != folder_owner)
        return;
    /* a process that was killed a moment ago may still be closing its files */
    for (int i = 0; i < 10 && nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS) != 0; i++)
        usleep(20000);
}

const char *program_folder(void)
{
    if (!folder[0]) {
        strcpy(folder, "/tmp/ditbench-test-XXXXXX");
        BUG_ON(!mkdtemp(folder), "no folder in /tmp: %s", strerror(errno));
        folder_owner = getpid();
        atexit(remove_folder);
    }
    return folder;
}

char *program_file(const char *name)
{
    static char path[16][200];
    static int next;
    next = (next + 1) % 16;
    snprintf(path[next], sizeof path[next], "%s/%s", program_folder(), name);
    return path[next];
}

void program_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    BUG_ON(!file || fputs(text, file) < 0 || fclose(file) != 0, "%s: %s", path, strerror(errno));
}

char *program_read(const char *path)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = fopen(path, "r");
    if (!file)
        return NULL;
    FILE *copy = open_memstream(&text, &size);
    for (int c = getc(file); c != EOF; c = getc(file))
        putc(c, copy);
    fclose(copy);
    fclose(file);
    return text;
}

/* In the child: settings that every run of the program needs, then exec. */
static void become(const char *const *argv, int out, int err)
{
    int in = open("/dev/null", O_RDONLY);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setenv("DITBENCH_CACHE", program_folder(), 1);
    setenv("TMPDIR", program_folder(), 1);
    setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
    setenv("OMPI_MCA_rmaps_base_oversubscribe", "1", 1);
    setenv("OMPI_MCA_btl_base_warn_component_unused", "0", 1);
    signal(SIGPIPE, SIG_DFL);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    execvp(argv[0], (char *const *)argv);
    _exit(127);
}

static int scratch(const char *name)
{
    char *path = program_file(name);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    BUG_ON(fd < 0, "%s: %s", path, strerror(errno));
    return fd;
}

static char *scratch_text(const char *name)
{
    return program_read(program_file(name));
}

struct program program_command(const char *const *argv)
{
    int out = scratch("stdout");
    int err = scratch("stderr");
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        become(argv, out, err);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    close(out);
    close(err);
    return (struct program){
        .status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status),
        .out = scratch_text("stdout"),
        .err = scratch_text("stderr"),
    };
}

struct program program_run(const char *first, ...)
{
    const char *argv[PROGRAM_ARGS] = {program_path()};
    int n = 1;
    va_list args;
    va_start(args, first);
    for (const char *word = first; word; word = va_arg(args, const char *)) {
        BUG_ON(n == PROGRAM_ARGS - 1, "too many words");
        argv[n++] = word;
    }
    va_end(args);
    return program_command(argv);
}

void program_release(struct program *program)
{
    free(program->out);
    free(program->err);
}

pid_t program_start(const char *const *argv)
{
    program_folder(); /* of this process, not of the child */
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        become(argv, null, null);
    }
    setpgid(pid, pid);
    return pid;
}

/* path: keys and indices joined by '.': "cell.strategy", "per_rank.0.heads". */
const char *program_json(const char *line, const char *path)
{
    static char text[4000];
    char keys[200];
    json_t *root = json_loads(line, 0, NULL);
    const json_t *at = root;
    snprintf(keys, sizeof keys, "%s", path);
    char *rest;
    for (char *key = strtok_r(keys, ".", &rest); key && at; key = strtok_r(NULL, ".", &rest))
        at = json_is_array(at) ? json_array_get(at, (size_t)atoi(key)) : json_object_get(at, key);
    text[0] = '\0';
    char *dump = at ? json_dumps(at, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    if (json_is_string(at))
        snprintf(text, sizeof text, "%s", json_string_value(at));
    else if (dump)
        snprintf(text, sizeof text, "%s", dump);
    free(dump);
    json_decref(root);
    return text;
}

void program_limit(void)
{
    alarm(300);
}

void program_needs_mpi(void)
{
    char options[500];
    const char *given = getenv("ASAN_OPTIONS");
    struct program p = program_run("list", "transports", NULL);
    bool has = strstr(p.out, "mpi") != NULL;
    program_release(&p);
    if (!has)
        cr_skip_test("this build has no MPI");
    snprintf(options, sizeof options, "%s:detect_leaks=0", given ? given : "");
    setenv("ASAN_OPTIONS", options, 1);
}

int program_count_processes(const char *text)
{
    return program_signal_processes(text, 0);
}

int program_signal_processes(const char *text, int number)
{
    int count = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *e = proc ? readdir(proc) : NULL; e; e = readdir(proc)) {
        char path[64];
        char line[8192];
        if (e->d_name[0] < '1' || e->d_name[0] > '9' || atoi(e->d_name) == getpid())
            continue;
        snprintf(path, sizeof path, "/proc/%.20s/cmdline", e->d_name);
        int fd = open(path, O_RDONLY);
        ssize_t n = fd < 0 ? 0 : read(fd, line, sizeof line - 1);
        if (fd >= 0)
            close(fd);
        for (ssize_t i = 0; i < n; i++)
            if (line[i] == '\0')
                line[i] = ' ';
        line[n > 0 ? n : 0] = '\0';
        count += n > 0 && strstr(line, text) != NULL && kill(atoi(e->d_name), number) == 0;
    }
    if (proc)
        closedir(proc);
    return count;
}

bool program_wait_for(const char *text, bool gone)
{
    for (int i = 0; i < 2000; i++) {
        if ((program_count_processes(text) == 0) == gone)
            return true;
        usleep(20000);
    }
    return false;
}
