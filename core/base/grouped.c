#include "base/grouped.h"

#include <inttypes.h>
#include <stdio.h>

const char *grouped(int64_t n, char out[GROUPED_SIZE])
{
    char digits[GROUPED_SIZE];
    int len = snprintf(digits, sizeof digits, "%" PRId64, n < 0 ? 0 : n);
    char *at = out;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            *at++ = ',';
        }
        *at++ = digits[i];
    }
    *at = '\0';
    return out;
}
