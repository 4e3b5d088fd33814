/* The option `features`: which fields of a profile a model takes, in its order.
 *
 *   features: [order_count, {field: total_spent, name: spent, missing: 0}]
 */
#ifndef MODEL_FEATURES_H
#define MODEL_FEATURES_H

#include <churn/ext/storage.h>
#include <churn/option.h>

struct feature {
    const char *field; /* of the profile */
    const char *name;  /* what the model calls it */
    const char
        *missing; /* the value where a profile has none: a JSON number, or of a text field any text; NULL: none */
    const char *datatype; /* one of those that the reader allows; NULL: not given */
    uint32_t type;        /* CHURN_PROFILE_… of the field */
};

struct features {
    struct feature *items; /* their texts are the option's */
    uint32_t count;
};

/* What the reader takes. */
struct model_features_rules {
    int texts;                    /* fields that are texts */
    const char *const *datatypes; /* what `datatype` may say, ending with NULL; NULL: there is no such key */
};

static inline int feature_is_text(const struct feature *feature)
{
    return feature->type == CHURN_PROFILE_STRING || feature->type == CHURN_PROFILE_STATE;
}

/* Reads and checks the option for `create`. CHURN_OK, or CHURN_FATAL with the place in err->option. */
int32_t model_features_read(const churn_host *host, const churn_node *option, const struct model_features_rules *rules,
                            struct features *ret, churn_error *err);

void model_features_free(struct features *features);

/* CHURN_PROFILE_… of a field of profiles; 0: there is none. */
uint32_t model_features_type(const churn_host *host, const char *field);

static inline int model_features_is_number(uint32_t type)
{
    return type == CHURN_PROFILE_INT || type == CHURN_PROFILE_MONEY || type == CHURN_PROFILE_DECIMAL;
}

/* What the profile has of a field; NULL: nothing. */
const churn_str *model_features_find(churn_str field, const churn_pair *fields, uint32_t count);

#define MODEL_FEATURES_NUMBER_SIZE 64

/* Copies a number, as profiles have them and JSON writes them. 0: it is none, as if the profile lacked it; so does
 * NULL. */
int model_features_number(const churn_str *value, char text[MODEL_FEATURES_NUMBER_SIZE]);

#endif
