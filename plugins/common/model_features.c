#include "model_features.h"

#include "json_number.h"
#include "nearest.h"
#include <churn/store.h>
#include <math.h>
#include <stdlib.h>

#define PATH_SIZE CHURN_ERROR_OPTION_SIZE

/* `features.2`, or where `key` is given `features.2.key`. */
static const char *path_of(char *path, uint32_t item, const char *key)
{
    (void)snprintf(path, PATH_SIZE, "features.%u%s%s", item, key != NULL ? "." : "", key != NULL ? key : "");
    return path;
}

/* The profile's field of that name; type 0: it has none, and `nearest` (may be NULL) knows what was meant. */
static uint32_t type_of(const churn_host *host, const char *name, struct nearest *nearest)
{
    const churn_storage *storage = host->get_extension(host, CHURN_STORAGE_ID);
    churn_profile_field field;
    if (storage == NULL || storage->size < offsetof(churn_storage, field_at) + sizeof storage->field_at) {
        return CHURN_PROFILE_INT; /* there is no store, as `start` says */
    }
    for (uint32_t i = 0; storage->field_at(host, i, &field); i++) {
        if (churn_equal(field.name, churn_text(name))) {
            return field.type;
        }
        if (nearest != NULL) {
            nearest_offer(nearest, field.name.ptr);
        }
    }
    return 0;
}

uint32_t model_features_type(const churn_host *host, const char *field)
{
    return type_of(host, field, NULL);
}

static int32_t check_field(const churn_host *host, const struct model_features_rules *rules, struct feature *f,
                           const char *path, churn_error *err)
{
    struct nearest nearest = {.typed = f->field};
    char hint[160];
    f->type = type_of(host, f->field, &nearest);
    if (f->type == 0) {
        return churn_fail_option(err, path, "profiles have no field '%s'%s", f->field,
                                 nearest_text(&nearest, hint, sizeof hint));
    }
    if (f->type == CHURN_PROFILE_TIME) {
        return churn_fail_option(err, path,
                                 "'%s' is a time, which no model takes as it is; what is meant is the number of days "
                                 "since then: a feature {days_since: %s}",
                                 f->field, f->field);
    }
    if (feature_is_text(f) && !rules->texts) {
        return churn_fail_option(err, path, "'%s' is a text, and this form takes numbers alone", f->field);
    }
    return CHURN_OK;
}

static int32_t check_missing(const struct feature *f, const char *path, churn_error *err)
{
    if (f->missing == NULL || feature_is_text(f) ||
        (json_number_is(f->missing) && isfinite(strtod(f->missing, NULL)))) {
        return CHURN_OK;
    }
    return churn_fail_option(err, path, "'%s' is not a number that models take, and '%s' is one", f->missing, f->field);
}

static int32_t check_datatype(const struct model_features_rules *rules, const struct feature *f, const char *path,
                              churn_error *err)
{
    char all[128] = "";
    for (uint32_t i = 0; f->datatype != NULL && rules->datatypes[i] != NULL; i++) {
        size_t used = strlen(all);
        if (strcmp(rules->datatypes[i], f->datatype) == 0) {
            return CHURN_OK;
        }
        (void)snprintf(all + used, sizeof all - used, "%s%s", i > 0 ? ", " : "", rules->datatypes[i]);
    }
    return f->datatype == NULL ? CHURN_OK : churn_fail_option(err, path, "'%s' is not one of %s", f->datatype, all);
}

static int32_t read_entry(const struct model_features_rules *rules, const char *key, const churn_node *value,
                          struct feature *f, const char *path, churn_error *err)
{
    const struct {
        const char *name;
        const char **text;
    } keys[] = {{"field", &f->field}, {"name", &f->name}, {"missing", &f->missing}, {"datatype", &f->datatype}};
    size_t count = sizeof keys / sizeof keys[0] - (rules->datatypes == NULL);
    struct nearest nearest = {.typed = key};
    char hint[160];
    for (size_t i = 0; i < count; i++) {
        nearest_offer(&nearest, keys[i].name);
        if (strcmp(key, keys[i].name) != 0) {
            continue;
        }
        if (value->kind != CHURN_NODE_SCALAR) {
            return churn_fail_option(err, path, "a single value belongs here");
        }
        *keys[i].text = (value->flags & CHURN_NODE_NULL) != 0 ? NULL : value->text;
        return *keys[i].text != NULL && **keys[i].text == '\0' && keys[i].text != &f->missing
                   ? churn_fail_option(err, path, "must not be empty")
                   : CHURN_OK; /* a text that is missing may be empty */
    }
    return churn_fail_option(err, path, "unknown option '%s'%s", key, nearest_text(&nearest, hint, sizeof hint));
}

static int32_t read_item(const struct model_features_rules *rules, const churn_node *item, uint32_t number,
                         struct feature *f, churn_error *err)
{
    char path[PATH_SIZE];
    int32_t rc = CHURN_OK;
    if (item->kind == CHURN_NODE_SCALAR) {
        f->field = item->text;
    }
    for (uint32_t i = 0; item->kind == CHURN_NODE_MAP && i < item->count && rc == CHURN_OK; i++) {
        rc = read_entry(rules, item->keys[i], &item->items[i], f, path_of(path, number, item->keys[i]), err);
    }
    if (rc == CHURN_OK && (f->field == NULL || *f->field == '\0')) {
        rc = churn_fail_option(err, path_of(path, number, NULL),
                               "a field of the profile belongs here, as NAME or {field: NAME, missing: VALUE}");
    }
    f->name = f->name != NULL ? f->name : f->field;
    return rc;
}

static int32_t check_name(const struct features *features, uint32_t number, const char *path, churn_error *err)
{
    for (uint32_t i = 0; i < number; i++) {
        if (strcmp(features->items[i].name, features->items[number].name) == 0) {
            return churn_fail_option(err, path, "'%s' is there twice; give one of them another `name`",
                                     features->items[i].name);
        }
    }
    return CHURN_OK;
}

static int32_t read_all(const churn_host *host, const churn_node *option, const struct model_features_rules *rules,
                        struct features *ret, churn_error *err)
{
    int32_t rc = CHURN_OK;
    for (uint32_t i = 0; i < option->count && rc == CHURN_OK; i++) {
        const churn_node *item = &option->items[i];
        struct feature *f = &ret->items[i];
        int is_map = item->kind == CHURN_NODE_MAP;
        char path[PATH_SIZE];
        rc = read_item(rules, item, i, f, err);
        rc = rc == CHURN_OK ? check_field(host, rules, f, path_of(path, i, is_map ? "field" : NULL), err) : rc;
        rc = rc == CHURN_OK ? check_missing(f, path_of(path, i, "missing"), err) : rc;
        rc = rc == CHURN_OK ? check_datatype(rules, f, path_of(path, i, "datatype"), err) : rc;
        rc = rc == CHURN_OK ? check_name(ret, i, path_of(path, i, NULL), err) : rc;
    }
    return rc;
}

int32_t model_features_read(const churn_host *host, const churn_node *option, const struct model_features_rules *rules,
                            struct features *ret, churn_error *err)
{
    int32_t rc;
    *ret = (struct features){0};
    if (option == NULL || option->count == 0) {
        return churn_fail_option(err, "features", "must be given: the fields of the profile that the model takes");
    }
    if (option->kind != CHURN_NODE_LIST) {
        return churn_fail_option(err, "features", "a list belongs here, in the order that the model wants");
    }
    ret->items = calloc(option->count, sizeof *ret->items);
    if (ret->items == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    ret->count = option->count;
    rc = read_all(host, option, rules, ret, err);
    if (rc != CHURN_OK) {
        model_features_free(ret);
    }
    return rc;
}

void model_features_free(struct features *features)
{
    free(features->items);
    *features = (struct features){0};
}

const churn_str *model_features_find(churn_str field, const churn_pair *fields, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (churn_equal(fields[i].name, field)) {
            return &fields[i].value;
        }
    }
    return NULL;
}

int model_features_number(const churn_str *value, char text[MODEL_FEATURES_NUMBER_SIZE])
{
    if (value == NULL || value->len >= MODEL_FEATURES_NUMBER_SIZE) {
        return 0;
    }
    memcpy(text, value->ptr, value->len);
    text[value->len] = '\0';
    return json_number_is(text);
}
