/* One event as JSON. */
#ifndef GENERATE_EVENT_H
#define GENERATE_EVENT_H

#include "plan.h"
#include "put.h"
#include "zipf.h"
#include <churn/record.h>

/* What decides the events: the same recipe gives the same bytes. */
struct recipe {
    int64_t seed; /* options */
    int64_t customers;
    double zipf_exponent;
    int64_t time_step;
    double bad_share;
    const char *customer_prefix;

    int64_t start_ms;
    struct plans plans;
    struct zipf zipf;
    churn_str prefix_json; /* customer_prefix escaped, without quotes */
    size_t event_room;     /* no event is longer, its key included */
    struct day_text day;   /* of the newest event */
};

/* Makes the options, which are checked, and start_ms ready; `types` are those to make, all where it is empty. CHURN_OK,
 * or CHURN_FATAL. recipe_free frees what was made either way. */
int32_t recipe_make(struct recipe *recipe, const churn_host *host, const churn_list *types, churn_error *err);
void recipe_free(struct recipe *recipe);

/* Makes event `index` of all workers at `at`, where event_room bytes are free, and sets the value, the key and the
 * timestamp of `record`, which point there; returns where it ends. */
char *make_event(struct recipe *recipe, int64_t index, char *at, churn_record *record);

#endif
