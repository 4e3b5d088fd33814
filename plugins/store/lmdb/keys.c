#include "keys.h"

#include <inttypes.h>

int32_t key_check(churn_str key, churn_error *err)
{
    if (key.len == 0 || key.len > MAX_KEY) {
        return churn_fail(err, CHURN_FATAL, "a key of %" PRIu32 " bytes does not fit: LMDB takes 1 to %d", key.len,
                          MAX_KEY);
    }
    return CHURN_OK;
}
