/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a specification: refused with a position, or one whose canonical text reads back as
 * itself. */
#include "strategies/spec.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct spec *spec)
{
    char text[SPEC_TEXT];
    char again[SPEC_TEXT];
    struct spec second;
    struct spec one;
    spec_text(spec, text);
    BUG_ON(spec_parse(text, &second) != ST_OK, "'%s': %s", text, status_message());
    BUG_ON(strcmp(text, spec_text(&second, again)) != 0, "'%s' reads back as '%s'", text, again);
    BUG_ON(spec_ranks(spec) < 1 || spec_ranks(spec) != spec_ranks(&second), "'%s': ranks", text);
    spec_reference(spec, &one);
    BUG_ON(spec_ranks(&one) != 1, "'%s': its one-rank run has %d", text, spec_ranks(&one));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spec spec;
    struct spec expanded;
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (spec_parse(text, &spec) == ST_OK) {
        if (strlen(text) < SPEC_TEXT / 2) /* the canonical text may be longer than what was typed */
            check(&spec);
        if (spec_expand(&spec, 12, &expanded) == ST_OK)
            BUG_ON(spec_ranks(&expanded) != spec_ranks(&spec), "'%s': expansion changes the ranks",
                   text);
    }
    free(text);
    return 0;
}
