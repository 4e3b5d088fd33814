#include "columns.h"

#include <math.h>
#include <stdlib.h>

/* --- Those that the file lists --- */

static int find(const char *const *names, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static int32_t take_listed(const struct feature *f, uint32_t at, struct column *column, churn_error *err)
{
    char place[CHURN_ERROR_OPTION_SIZE];
    column->field = churn_text(f->field);
    column->missing = f->missing != NULL ? (float)strtod(f->missing, NULL) : NAN;
    (void)snprintf(place, sizeof place, "features.%u.missing", at);
    return isinf(column->missing)
               ? churn_fail_option(err, place, "'%s' is beyond what XGBoost computes with", f->missing)
               : CHURN_OK;
}

static int32_t take_list(const struct features *features, const char *const *names, uint32_t count,
                         struct column *columns, churn_error *err)
{
    int32_t rc = CHURN_OK;
    for (uint32_t i = 0; i < features->count && rc == CHURN_OK; i++) {
        int at = find(names, count, features->items[i].name);
        char place[CHURN_ERROR_OPTION_SIZE];
        (void)snprintf(place, sizeof place, "features.%u", i);
        rc = at >= 0 ? take_listed(&features->items[i], i, &columns[at], err)
                     : churn_fail_option(err, place, "the model has no feature '%s'", features->items[i].name);
    }
    return rc;
}

/* --- Those that it does not: fields of their own name --- */

static void add_name(char *list, size_t size, const char *name, uint32_t *count)
{
    size_t len = strlen(list);
    (void)snprintf(list + len, size - len, "%s%s", *count > 0 ? ", " : "", name);
    ++*count;
}

static int32_t take_others(const churn_host *host, const char *const *names, uint32_t count, struct column *columns,
                           churn_error *err)
{
    char lacking[320] = "", unfit[320] = "";
    uint32_t lacking_count = 0, unfit_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t type = columns[i].field.ptr == NULL ? model_features_type(host, names[i]) : CHURN_PROFILE_INT;
        columns[i].field = columns[i].field.ptr == NULL ? churn_text(names[i]) : columns[i].field;
        if (type == 0) {
            add_name(lacking, sizeof lacking, names[i], &lacking_count);
        } else if (!model_features_is_number(type)) {
            add_name(unfit, sizeof unfit, names[i], &unfit_count);
        }
    }
    if (lacking_count > 0) {
        return churn_fail_option(err, "model",
                                 "no profile has a field for %u of the model's %u features: %s (`features:` names the "
                                 "fields of those that are called otherwise)",
                                 lacking_count, count, lacking);
    }
    return unfit_count == 0 ? CHURN_OK
                            : churn_fail_option(err, "model", "these fields of profiles are no numbers: %s", unfit);
}

int32_t columns_bind(const churn_host *host, const churn_node *option, const char *const *names, uint32_t count,
                     struct column **ret, churn_error *err)
{
    const struct model_features_rules numbers = {0};
    struct features features = {0};
    struct column *columns = calloc(count, sizeof *columns);
    int32_t rc = CHURN_OK;
    if (columns == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    for (uint32_t i = 0; i < count; i++) {
        columns[i].missing = NAN;
    }
    if (option != NULL && (option->kind != CHURN_NODE_LIST || option->count > 0)) {
        rc = model_features_read(host, option, &numbers, &features, err);
    }
    rc = rc == CHURN_OK ? take_list(&features, names, count, columns, err) : rc;
    rc = rc == CHURN_OK ? take_others(host, names, count, columns, err) : rc;
    model_features_free(&features);
    if (rc != CHURN_OK) {
        free(columns);
        return rc;
    }
    *ret = columns;
    return CHURN_OK;
}

/* --- A row --- */

/* As Python reads it: a double of the text, and the nearest float of that. */
static float read_number(const churn_str *value, float missing)
{
    char text[MODEL_FEATURES_NUMBER_SIZE];
    float number = model_features_number(value, text) ? (float)strtod(text, NULL) : missing;
    return isinf(number) ? missing : number;
}

void columns_fill(const struct column *columns, uint32_t count, const churn_pair *fields, uint32_t field_count,
                  float *row)
{
    for (uint32_t c = 0; c < count; c++) {
        row[c] = read_number(model_features_find(columns[c].field, fields, field_count), columns[c].missing);
    }
}
