#include "columns.h"

#include <math.h>
#include <stdlib.h>

/* --- What the file says of one --- */

struct row {
    const char *field, *name, *missing;
};

static int is_text(const churn_node *node)
{
    return node->kind == CHURN_NODE_SCALAR && !(node->flags & CHURN_NODE_NULL) && node->text[0] != '\0';
}

static int32_t read_entry(uint32_t at, const char *key, const churn_node *value, struct row *row, churn_error *err)
{
    char place[CHURN_ERROR_OPTION_SIZE];
    const struct {
        const char *name;
        const char **value;
    } entries[] = {{"field", &row->field}, {"name", &row->name}, {"missing", &row->missing}};
    (void)snprintf(place, sizeof place, "features.%u.%.32s", at, key);
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        if (strcmp(key, entries[i].name) == 0) {
            *entries[i].value = value->text;
            return is_text(value) ? CHURN_OK : churn_fail_option(err, place, "a single value belongs here");
        }
    }
    return churn_fail_option(err, place, "is not known; a feature has field, name, missing");
}

static int32_t read_row(uint32_t at, const churn_node *node, struct row *row, churn_error *err)
{
    char place[CHURN_ERROR_OPTION_SIZE];
    int32_t rc = CHURN_OK;
    *row = (struct row){0};
    (void)snprintf(place, sizeof place, "features.%u", at);
    if (node->kind != CHURN_NODE_MAP) {
        return churn_fail_option(err, place,
                                 "each feature is written {field: FIELD, name: FEATURE, missing: NUMBER}, "
                                 "the last two where they are needed");
    }
    for (uint32_t i = 0; i < node->count && rc == CHURN_OK; i++) {
        rc = read_entry(at, node->keys[i], &node->items[i], row, err);
    }
    if (rc == CHURN_OK && row->field == NULL) {
        return churn_fail_option(err, place, "`field` is missing: the field of the profile");
    }
    row->name = row->name != NULL ? row->name : row->field;
    return rc;
}

static int32_t read_missing(uint32_t at, const char *text, float *ret, churn_error *err)
{
    char place[CHURN_ERROR_OPTION_SIZE], *end;
    double number = strtod(text, &end);
    (void)snprintf(place, sizeof place, "features.%u.missing", at);
    if (*end != '\0' || !isfinite((float)number)) {
        return churn_fail_option(err, place, "must be a number; left out, a value that is missing is so for the model");
    }
    *ret = (float)number;
    return CHURN_OK;
}

static int find(const char *const *names, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static int32_t read_list(const churn_node *features, const char *const *names, uint32_t count, struct column *columns,
                         churn_error *err)
{
    if (features->kind != CHURN_NODE_LIST) {
        return churn_fail_option(err, "features", "a list belongs here, each item {field: FIELD, …}");
    }
    for (uint32_t i = 0; i < features->count; i++) {
        char place[CHURN_ERROR_OPTION_SIZE];
        struct row row;
        int32_t rc = read_row(i, &features->items[i], &row, err), at;
        if (rc != CHURN_OK) {
            return rc;
        }
        (void)snprintf(place, sizeof place, "features.%u", i);
        at = find(names, count, row.name);
        if (at < 0) {
            return churn_fail_option(err, place, "the model has no feature '%s'", row.name);
        }
        if (columns[at].field.ptr != NULL) {
            return churn_fail_option(err, place, "the feature '%s' is here twice", row.name);
        }
        columns[at].field = churn_text(row.field);
        rc = row.missing != NULL ? read_missing(i, row.missing, &columns[at].missing, err) : CHURN_OK;
        if (rc != CHURN_OK) {
            return rc;
        }
    }
    return CHURN_OK;
}

/* --- What profiles have --- */

static uint32_t type_of(const churn_host *host, const churn_storage *storage, churn_str name)
{
    churn_profile_field field;
    for (uint32_t i = 0; storage->field_at(host, i, &field); i++) {
        if (churn_equal(field.name, name)) {
            return field.type;
        }
    }
    return 0;
}

static void add_name(char *list, size_t size, const char *name, uint32_t *count)
{
    size_t len = strlen(list);
    (void)snprintf(list + len, size - len, "%s%s", *count > 0 ? ", " : "", name);
    ++*count;
}

static int32_t check_fields(const churn_host *host, const struct column *columns, const char *const *names,
                            uint32_t count, churn_error *err)
{
    const churn_storage *storage = host->get_extension(host, CHURN_STORAGE_ID);
    char lacking[320] = "", unfit[320] = "";
    uint32_t lacking_count = 0, unfit_count = 0;
    if (storage == NULL || storage->size < offsetof(churn_storage, field_at) + sizeof storage->field_at) {
        return CHURN_OK; /* there is no store, as `start` says */
    }
    for (uint32_t i = 0; i < count; i++) {
        switch (type_of(host, storage, columns[i].field)) {
        case 0:
            add_name(lacking, sizeof lacking, names[i], &lacking_count);
            break;
        case CHURN_PROFILE_INT:
        case CHURN_PROFILE_MONEY:
        case CHURN_PROFILE_DECIMAL:
            break;
        default:
            add_name(unfit, sizeof unfit, columns[i].field.ptr, &unfit_count);
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

int32_t columns_bind(const churn_host *host, const churn_node *features, const char *const *names, uint32_t count,
                     struct column **ret, churn_error *err)
{
    struct column *columns = calloc(count, sizeof *columns);
    int32_t rc = CHURN_OK;
    if (columns == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    for (uint32_t i = 0; i < count; i++) {
        columns[i].missing = NAN;
    }
    rc = features != NULL ? read_list(features, names, count, columns, err) : CHURN_OK;
    for (uint32_t i = 0; i < count; i++) {
        columns[i].field = columns[i].field.ptr != NULL ? columns[i].field : churn_text(names[i]);
    }
    rc = rc == CHURN_OK ? check_fields(host, columns, names, count, err) : rc;
    if (rc != CHURN_OK) {
        free(columns);
        return rc;
    }
    *ret = columns;
    return CHURN_OK;
}

/* --- A row --- */

/* As Python reads it: a double of the text, and the nearest float of that. */
static float read_number(churn_str text, float missing)
{
    char copy[64], *end;
    float number;
    if (text.len == 0 || text.len >= sizeof copy) {
        return missing;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    number = (float)strtod(copy, &end);
    return *end == '\0' && isfinite(number) ? number : missing;
}

void columns_fill(const struct column *columns, uint32_t count, const churn_pair *fields, uint32_t field_count,
                  float *row)
{
    for (uint32_t c = 0; c < count; c++) {
        row[c] = columns[c].missing;
        for (uint32_t i = 0; i < field_count; i++) {
            if (churn_equal(fields[i].name, columns[c].field)) {
                row[c] = read_number(fields[i].value, columns[c].missing);
                break;
            }
        }
    }
}
