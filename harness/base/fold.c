/* SPDX-License-Identifier: Apache-2.0 */
/* Breaking lines at blanks. */
#include "harness/base/fold.h"

#include <stdio.h>
#include <string.h>

void fold_print(int column, int indent, const char *text)
{
    for (const char *word = text + strspn(text, " "); *word;) {
        int length = (int)strcspn(word, " ");
        if (word > text && column + 1 + length > FOLD_WIDTH && column > indent) {
            printf("\n%*s", indent, "");
            column = indent;
        } else if (word > text) {
            printf(" ");
            column++;
        }
        printf("%.*s", length, word);
        column += length;
        word += length + (int)strspn(word + length, " ");
    }
    printf("\n");
}
