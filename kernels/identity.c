/* SPDX-License-Identifier: Apache-2.0 */
/* Front end of the optional slot `identify`. */
#include "kernels/identity.h"

#include <stdarg.h>
#include <stdio.h>

enum status identity_read(const struct backend_ops *ops, int ordinal, struct identity *out)
{
    *out = (struct identity){.name = ""};
    return ops->identify ? ops->identify(ordinal, out) : ST_OK;
}

void identity_add_library(struct identity *identity, const char *name, const char *format, ...)
{
    va_list args;
    int n = identity->libraries;
    BUG_ON(n == IDENTITY_LIBRARIES, "more than %d libraries", IDENTITY_LIBRARIES);
    snprintf(identity->library[n].name, sizeof identity->library[n].name, "%s", name);
    va_start(args, format);
    vsnprintf(identity->library[n].version, sizeof identity->library[n].version, format, args);
    va_end(args);
    identity->libraries++;
}
