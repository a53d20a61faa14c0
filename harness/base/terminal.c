/* SPDX-License-Identifier: Apache-2.0 */
/* What the terminal at standard error can show, asked of it and of the environment. */
#include "harness/base/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { WIDTH = 80, NARROWEST = 20 }; /* columns; a narrower answer is no answer */

bool terminal_is(void)
{
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && term && term[0] && strcmp(term, "dumb") != 0;
}

bool terminal_colour(void)
{
    const char *no = getenv("NO_COLOR");
    return terminal_is() && !(no && no[0]);
}

int terminal_width(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > NARROWEST)
        return size.ws_col;
    return WIDTH;
}
