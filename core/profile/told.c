#include "profile/told.h"

#include "base/decimal.h"
#include "base/json_text.h"
#include <stddef.h>

void told_read(struct told *told, const churn_pair *fields, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        int64_t *into = str_equals(fields[i].name, "below")     ? &told->below
                        : str_equals(fields[i].name, "counted") ? &told->counted
                                                                : NULL;
        if (into != NULL) {
            (void)decimal_parse_int64(fields[i].value.ptr, fields[i].value.len, into);
        }
    }
}

int64_t told_reached(const struct told *told, int64_t checkpoint)
{
    return told->counted >= checkpoint ? told->counted : TOLD_NOTHING; /* else an older churnd has gone on since */
}

int64_t told_checkpoint(const churn_pair *fields, uint32_t count)
{
    int64_t offset = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (str_equals(fields[i].name, "offset") &&
            !decimal_parse_int64(fields[i].value.ptr, fields[i].value.len, &offset)) {
            offset = 0;
        }
    }
    return offset;
}
