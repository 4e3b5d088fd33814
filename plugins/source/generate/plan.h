/* What the events of each type are made of: the tables of the loaded event types, made ready. */
#ifndef GENERATE_PLAN_H
#define GENERATE_PLAN_H

#include <churn/event.h>
#include <churn/host.h>
#include <churn/option.h>
#include <stdbool.h>
#include <stddef.h>

/* A text that lives as long as the plans. */
struct kept {
    struct kept *next;
    char text[];
};

/* A JSON string for a field; each of its `#` is replaced by a random digit when `digits` is set. */
struct sample {
    churn_str json;
    uint32_t digits;
};

/* How values of a field are made. */
struct field_plan {
    const churn_field *field;
    churn_str name; /* "name": */
    struct sample *samples;
    uint32_t sample_count;
    int64_t low; /* INT, MONEY: range of values */
    int64_t high;
};

/* How events of a type are made. */
struct type_plan {
    churn_str name; /* in quotes */
    struct field_plan *fields;
    uint32_t field_count;
    uint64_t share_end; /* of all shares, those below this and not below the type before are this type's */
};

/* Of all types that events are made of. Begins zeroed. */
struct plans {
    struct type_plan *types;
    uint32_t count;
    uint64_t share_total;
    size_t room;        /* no event's type and data are longer */
    struct kept *kept;  /* the texts that the plans point to */
    bool out_of_memory; /* something was left out, so the plans are of no use */
};

/* Plans the types that are named, or all that the host has loaded where none is: CHURN_OK, or CHURN_FATAL with the
 * option `types` at fault. A lack of memory is seen in out_of_memory. */
int32_t plans_make(struct plans *plans, const churn_host *host, const churn_list *named, churn_error *err);

/* `text` as a JSON string, kept as long as the plans are. A lack of memory is seen in out_of_memory. */
churn_str plans_keep_json(struct plans *plans, const char *text);

/* A type, each as often as its share says. */
const struct type_plan *plans_pick(const struct plans *plans, uint64_t *random);

void plans_free(struct plans *plans);

#endif
