/* What the pipeline's sinks keep of given customers, as they tell it themselves (churn_sink_ops.search): letters and
 * other records in files. */
#ifndef FORGET_KEPT_H
#define FORGET_KEPT_H

#include "base/name_index.h"
#include "cli/forget_ends.h"
#include <json-c/json.h>

/* A record of one of the customers. */
struct kept_record {
    const struct section *section;
    unsigned customer; /* of those that were asked for */
    const char *place;
    int64_t at;
    struct json_object *line; /* as it lies there */
    churn_str value;          /* of a line that holds a record: the record's value in clear; else ptr NULL */
};

typedef void (*kept_record_fn)(void *ctx, const struct kept_record *record);

struct forget_kept {
    const struct pipeline *pipeline;
    const char *const *customers;
    unsigned count;
    bool erase;                     /* those that are found; else they are only told of */
    const struct source_ends *ends; /* letters of records from here on stay; NULL: none does */
    int64_t until_ms;               /* … unless their event's time is before that; INT64_MIN: none is */
    kept_record_fn found;
    void *ctx;

    /* found out */
    struct json_object *untold; /* an array of what nobody can tell the customer of; owned */

    /* the search's own */
    struct name_index ids;
    const struct section *section;
};

/* Whether what the section's sink has written can be searched. */
bool forget_kept_can(const struct section *section);
/* CHURN_OK, or with the reason in `err` which sink's records were not all looked at. To be freed either way. */
int32_t forget_kept_search(struct forget_kept *search, churn_error *err);
void forget_kept_free(struct forget_kept *search);

#endif
