/** @file
 * Event types and decoded events. An event-type plugin is mostly two tables: the fields of `data`, and what they
 * do to the profile. Validation, extraction, generated samples, JSON Schema and the manual come from the tables.
 */
#ifndef CHURN_EVENT_H
#define CHURN_EVENT_H

#include <churn/profile.h>
#include <churn/result.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The type of a field of `data`; beside each, the member of churn_value that holds it. */
enum {
    CHURN_FIELD_STRING = 1, /**< JSON string → `text` */
    CHURN_FIELD_INT = 2,    /**< JSON number without fraction or exponent that fits 64 bits → `number` */
    CHURN_FIELD_MONEY = 3,  /**< JSON number, 0 … 999,999,999,999.9999, rounded half to even to four decimals from
                                 its decimal text → `number`, in units of 1/10,000 */
    CHURN_FIELD_BOOL = 4,   /**< true or false → `number`, 1 or 0 */
    CHURN_FIELD_TIME = 5    /**< RFC 3339 string → `number`, ms since 1970-01-01T00:00:00Z */
};

enum {
    CHURN_FIELD_REQUIRED = 1,
    CHURN_FIELD_PII = 2 /**< personal data: a masking processor replaces it, logs never show it */
};

/** One field of an event type's `data`. */
typedef struct churn_field {
    const char *name;
    const char *help;           /**< one phrase for the manual */
    const char *const *choices; /**< STRING: the only values allowed, NULL-terminated; NULL: any */
    const char *const *samples; /**< STRING: values for generated events, NULL-terminated; a `#` stands for a random
                                     digit; NULL: made from the name */
    int64_t min;                /**< INT: smallest value. MONEY: not used in validation */
    int64_t max;                /**< INT: largest value */
    int64_t sample_min;         /**< INT, MONEY (units of 1/10,000): range of generated values; 0,0: host's choice */
    int64_t sample_max;
    uint32_t type;  /**< CHURN_FIELD_STRING … */
    uint32_t flags; /**< CHURN_FIELD_REQUIRED | … */
} churn_field;

/** The value of one field in one event. */
typedef struct churn_value {
    churn_str text;   /**< STRING, unescaped */
    int64_t number;   /**< INT, MONEY, BOOL, TIME */
    uint32_t present; /**< 0 when the event lacks the field; the others are then zero */
    uint32_t reserved;
} churn_value;

/** How urgent an alert is; NONE raises no alert. */
enum { CHURN_SEVERITY_NONE = 0, CHURN_SEVERITY_INFO = 1, CHURN_SEVERITY_WARNING = 2, CHURN_SEVERITY_CRITICAL = 3 };

/** Raises the severity of an event type's alert when a STRING field has one value, such as priority = urgent. */
typedef struct churn_severity_rule {
    const char *field;
    const char *equals;
    uint32_t severity;
    uint32_t reserved;
} churn_severity_rule;

typedef struct churn_event churn_event;

/** The `ops` of a plugin of kind CHURN_KIND_EVENT; the plugin's name is the event_type. All tables are constant. */
typedef struct churn_event_type {
    uint32_t size;         /**< sizeof(churn_event_type) */
    uint32_t field_stride; /**< sizeof(churn_field); strides let rows grow in a later minor version */
    const churn_field *fields;
    uint32_t field_count;
    uint32_t effect_count;
    const churn_effect *effects;
    uint32_t effect_stride; /**< sizeof(churn_effect) */
    uint32_t derived_count;
    const churn_derived *derived;
    uint32_t derived_stride;      /**< sizeof(churn_derived) */
    uint32_t severity_rule_count; /**< the last rule that matches wins */
    const churn_severity_rule *severity_rules;
    uint32_t severity_rule_stride; /**< sizeof(churn_severity_rule) */
    uint32_t severity;             /**< default: CHURN_SEVERITY_NONE … CRITICAL; a pipeline may change it */
    uint32_t predicts;             /**< default: 1 when the event triggers a prediction; a pipeline may change it */
    uint32_t sample_weight;        /**< share among generated events, relative to the other types; 0: never */
    const char *alert_message; /**< text with {customer_id} and {name of a data field}; NULL: "<type> of <customer>" */
    /**
     * Optional: what the tables cannot say. Merges into declared fields through `delta`; must be a pure function of
     * `event`. CHURN_REJECT with a message sends the event to the dead letters; nothing of it is then applied. [worker]
     */
    int32_t (*apply)(const churn_event *event, churn_delta *delta, churn_error *err);
} churn_event_type;

/** The members of churn_event_type for a table of fields, effects, derived fields or severity rules, in the order of
 * the struct: {.size = sizeof(churn_event_type), CHURN_FIELDS(fields), CHURN_EFFECTS(effects), .predicts = 1} */
#define CHURN_FIELDS(rows)                                                                                             \
    .field_stride = sizeof(churn_field), .fields = (rows), .field_count = sizeof(rows) / sizeof((rows)[0])
#define CHURN_EFFECTS(rows)                                                                                            \
    .effect_count = sizeof(rows) / sizeof((rows)[0]), .effects = (rows), .effect_stride = sizeof(churn_effect)
#define CHURN_DERIVED(rows)                                                                                            \
    .derived_count = sizeof(rows) / sizeof((rows)[0]), .derived = (rows), .derived_stride = sizeof(churn_derived)
#define CHURN_SEVERITY_RULES(rows)                                                                                     \
    .severity_rule_count = sizeof(rows) / sizeof((rows)[0]), .severity_rules = (rows),                                 \
    .severity_rule_stride = sizeof(churn_severity_rule)

/** A decoded and validated event. Everything in it is borrowed and valid until the call it was passed to returns. */
struct churn_event {
    uint32_t size;
    int32_t partition;         /**< source position, with `topic` and `offset` */
    churn_str topic;           /**< name of the topic, file or generator; NUL-terminated */
    int64_t offset;            /**< of this record in its partition */
    churn_str event_id;        /**< 1–128 bytes */
    churn_str event_type;      /**< name of the type; NUL-terminated */
    churn_str customer_id;     /**< 1–128 bytes without control characters */
    int64_t timestamp_ms;      /**< event time, ms since 1970-01-01T00:00:00Z */
    const churn_field *fields; /**< the type's table, `value_count` rows of `field_stride` bytes */
    const churn_value *values; /**< one for each row of `fields`, in its order */
    uint32_t value_count;
    uint32_t field_stride;
    churn_str data;    /**< the text of the `data` object as received, or as processors changed it: valid JSON */
    churn_str payload; /**< the whole record, likewise */
};

/** The value of the data field `name`, or NULL when the type has no such field or the event lacks it. [any] */
static inline const churn_value *churn_event_value(const churn_event *event, const char *name)
{
    const char *row = (const char *)event->fields;
    for (uint32_t i = 0; i < event->value_count; i++, row += event->field_stride) {
        if (strcmp(((const churn_field *)(const void *)row)->name, name) == 0) {
            return event->values[i].present ? &event->values[i] : NULL;
        }
    }
    return NULL;
}

#ifdef __cplusplus
}
#endif
#endif
