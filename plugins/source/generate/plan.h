/* What the events of each type are made of: the tables of the loaded event types, made ready. */
#ifndef GENERATE_PLAN_H
#define GENERATE_PLAN_H

#include <churn/event.h>
#include <churn/result.h>

struct generator;

/* A text that lives as long as the instance. */
struct kept {
    struct kept *next;
    char text[];
};

/* A JSON string; each of its `#` is replaced by a random digit when `digits` is set. */
struct sample {
    churn_str json;
    uint32_t digits;
};

struct field_plan {
    const churn_field *field;
    churn_str name; /* "name": */
    struct sample *samples;
    uint32_t sample_count;
    int64_t low; /* INT, MONEY: range of values */
    int64_t high;
};

struct type_plan {
    churn_str name; /* in quotes */
    struct field_plan *fields;
    uint32_t field_count;
    uint64_t share_end; /* of all shares, those below this and not below the type before are this type's */
};

/* `text` as a JSON string, followed by `after`. A failure is seen at the end, in out_of_memory. */
churn_str keep_json(struct generator *g, const char *text, const char *after);

/* Plans the types that the options name. CHURN_OK, or CHURN_FATAL; a lack of memory is seen in out_of_memory. */
int32_t plan_types(struct generator *g, churn_error *err);

#endif
