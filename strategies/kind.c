/* SPDX-License-Identifier: Apache-2.0 */
/* The list of kinds. */
#include "strategies/kind.h"

#include <string.h>

const struct kind_ops *kind_at(int index)
{
    static const struct kind_ops *const kinds[] = {&kind_transformer, &kind_decoder};
    int n = (int)(sizeof kinds / sizeof kinds[0]);
    return index >= 0 && index < n ? kinds[index] : NULL;
}

bool kind_has_reference(const struct kind_ops *kind, const char *reference)
{
    for (int i = 0; kind->references[i]; i++)
        if (strcmp(kind->references[i], reference) == 0)
            return true;
    return false;
}
