/* SPDX-License-Identifier: Apache-2.0 */
/* Signal handlers of the program: one that remembers, one that ends. */
#include "harness/base/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t caught;

static void remember(int signal)
{
    caught = signal;
}

static void leave(int signal)
{
    (void)signal;
    _exit(130);
}

static void handle(int signal, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler}; /* no SA_RESTART: a wait must end */
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, NULL);
}

/* nohup: the end of the terminal is not to end us. */
static bool is_ignored(int signal)
{
    struct sigaction now;
    return sigaction(signal, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

void interrupt_catch(void)
{
    handle(SIGINT, remember);
    handle(SIGTERM, remember);
    if (!is_ignored(SIGHUP))
        handle(SIGHUP, remember);
}

int interrupt_signal(void)
{
    return caught;
}

void interrupt_exit(void)
{
    handle(SIGINT, leave);
}
