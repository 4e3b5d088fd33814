/* The instance. */
#ifndef GENERATE_GENERATOR_H
#define GENERATE_GENERATOR_H

#include "plan.h"
#include "text_buffer.h"
#include "zipf.h"
#include <churn/host.h>
#include <churn/option.h>
#include <churn/source.h>
#include <churn/time.h>
#include <stdbool.h>

struct generator {
    int64_t events; /* options */
    int64_t rate;
    int64_t customers;
    double zipf_exponent;
    int64_t seed;
    const char *start_time;
    int64_t time_step;
    double bad_share;
    churn_list types;
    const char *customer_prefix;

    const churn_host *host;
    struct type_plan *plans;
    uint32_t plan_count;
    uint64_t share_total;
    struct kept *kept; /* the texts that the plans point to */
    struct text_buffer scratch;
    bool out_of_memory;
    struct zipf zipf;
    churn_str prefix_json; /* customer_prefix escaped, without quotes */
    int64_t start_ms;
    int64_t limit;     /* number of events of all workers */
    int64_t own_limit; /* of this one */
    int64_t next;      /* own offset of the event to make next */
    size_t event_room; /* no event is longer */
    char topic[96];
    churn_source_listener listener;
    bool announced;
    bool paced;      /* pace_* are set */
    int64_t pace_ms; /* when event pace_next was due */
    int64_t pace_next;
    int64_t day; /* whose text is day_text */
    char day_text[CHURN_TIME_SIZE];
    char *buffer;
    size_t buffer_size;
};

#endif
