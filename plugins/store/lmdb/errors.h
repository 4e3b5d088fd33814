/* What LMDB or the system said, for a person. */
#ifndef LMDB_ERRORS_H
#define LMDB_ERRORS_H

#include "settings.h"
#include <churn/result.h>

#define WAY_BACK                                                                                                       \
    "restore the folder from a backup, or move it away and start again, which counts anew what the source still holds"

/* CHURN_RETRY for what passes, such as a full disk, or CHURN_FATAL. `rc`: LMDB's, or an errno. */
int32_t error_severity(int rc);

/* Report it, with such a severity; … a lack of memory; … a record that is damaged, which is CHURN_REJECT. */
int32_t fail_rc(const struct lmdb_store *store, int rc, churn_error *err);
int32_t fail_memory(churn_error *err);
int32_t fail_corrupt(const struct lmdb_store *store, churn_str key, churn_error *err);

#endif
