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

/* What the profile has of a feature's field; NULL: nothing. */
const churn_str *model_features_find(const struct feature *feature, const churn_pair *fields, uint32_t count);

#endif
