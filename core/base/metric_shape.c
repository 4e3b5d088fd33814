#include "base/metric_shape.h"

#include "base/json_text.h"
#include <stdlib.h>

/* Lower case, digits and `_`, and no digit first. */
static bool is_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz_0123456789";
    return name != NULL && name[0] != '\0' && !(name[0] >= '0' && name[0] <= '9') &&
           strspn(name, allowed) == strlen(name);
}

static bool ends_in_total(const char *name)
{
    size_t len = strlen(name), total = strlen("_total");
    return len > total && strcmp(name + len - total, "_total") == 0;
}

static bool are_bounds(const churn_metric *as)
{
    bool good = as->bound_count > 0 && as->bound_count <= HISTOGRAM_MAX_BOUNDS && as->bounds != NULL;
    for (uint32_t i = 1; good && i < as->bound_count; i++) {
        good = as->bounds[i - 1] < as->bounds[i];
    }
    return good;
}

static bool is_good(const churn_metric *as)
{
    bool good = is_name(as->name) && as->kind <= CHURN_METRIC_HISTOGRAM && as->per_unit >= 0 &&
                (as->label_count == 0 || as->labels != NULL);
    for (uint32_t i = 0; good && i < as->label_count; i++) {
        good = is_name(as->labels[i].name) && strcmp(as->labels[i].name, "le") != 0 && as->labels[i].value != NULL;
    }
    return good && (as->kind == METRIC_UNTYPED || (as->kind == CHURN_METRIC_COUNTER) == ends_in_total(as->name)) &&
           (as->kind != CHURN_METRIC_HISTOGRAM || are_bounds(as));
}

/* As the text format wants it; bytes that are no UTF-8 become U+FFFD. */
static void append_value(struct text *out, const char *value)
{
    for (size_t i = 0, len = strlen(value), character; i < len; i += character) {
        unsigned char c = (unsigned char)value[i];
        character = c < 0x80 ? 1 : text_character_length(value + i, len - i);
        if (character == 0) {
            text_append_string(out, "\xef\xbf\xbd");
            character = 1;
        } else if (c == '\n') {
            text_append_string(out, "\\n");
        } else {
            text_append_string(out, c == '"' || c == '\\' ? "\\" : "");
            text_append(out, value + i, character);
        }
    }
}

static char *join_labels(const churn_metric *as)
{
    struct text out = {0};
    for (uint32_t i = 0; i < as->label_count; i++) {
        text_printf(&out, "%s%s=\"", i > 0 ? "," : "", as->labels[i].name);
        append_value(&out, as->labels[i].value);
        text_append_string(&out, "\"");
    }
    text_append(&out, "", 1);
    if (out.failed) {
        text_free(&out);
    }
    return out.bytes;
}

bool metric_shape_make(struct metric_shape *shape, const char *prefix, const churn_metric *as)
{
    churn_metric whole = {0};
    memcpy(&whole, as, as->size < sizeof whole ? as->size : sizeof whole);
    *shape = (struct metric_shape){.help = whole.help != NULL ? whole.help : "",
                                   .kind = whole.kind,
                                   .per_unit = whole.per_unit > 0 ? whole.per_unit : 1};
    if (!is_good(&whole) || asprintf(&shape->family, "%s%s", prefix, whole.name) < 0) {
        shape->family = NULL;
        return false;
    }
    shape->labels = join_labels(&whole);
    if (whole.kind == CHURN_METRIC_HISTOGRAM) {
        shape->bounds.count = whole.bound_count;
        memcpy(shape->bounds.upper, whole.bounds, whole.bound_count * sizeof *whole.bounds);
    }
    return shape->labels != NULL;
}

void metric_shape_free(struct metric_shape *shape)
{
    free(shape->family);
    free(shape->labels);
}
