#include "model_metadata.h"

#include "json_read.h"
#include "nearest.h"
#include <inttypes.h>
#include <stdarg.h>

struct input {
    churn_str name;
    churn_str datatype; /* len 0: the server does not say it */
    int64_t width;      /* entries a row; -1: any; 0: the server does not say it */
};

struct difference {
    char *text;
    size_t size;
    int found;
    int untold; /* something could not be compared */
    int nameless_told;
};

CHURN_PRINTF(2, 0)
static void append(struct difference *d, const char *format, va_list args)
{
    size_t used = strlen(d->text);
    (void)snprintf(d->text + used, d->size - used, "%s", used > 0 ? "; " : "");
    used = strlen(d->text);
    (void)vsnprintf(d->text + used, d->size - used, format, args);
}

CHURN_PRINTF(2, 3)
static void add(struct difference *d, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    append(d, format, args);
    va_end(args);
    d->found = 1;
}

/* What could not be compared is no difference. */
CHURN_PRINTF(2, 3)
static void tell_untold(struct difference *d, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    append(d, format, args);
    va_end(args);
    d->untold = 1;
}

static int64_t read_width(json_object *input)
{
    json_object *shape, *last;
    if (!json_object_object_get_ex(input, "shape", &shape) || !json_object_is_type(shape, json_type_array) ||
        json_object_array_length(shape) == 0) {
        return 0;
    }
    last = json_object_array_get_idx(shape, json_object_array_length(shape) - 1);
    return json_object_array_length(shape) > 1 && json_object_is_type(last, json_type_int) ? json_object_get_int64(last)
                                                                                           : -1;
}

/* 0: it has no name. */
static int read_input(json_object *inputs, size_t at, struct input *ret)
{
    json_object *input = json_object_array_get_idx(inputs, at);
    if (!json_object_is_type(input, json_type_object) || !json_read_string(input, "name", &ret->name)) {
        return 0;
    }
    if (!json_read_string(input, "datatype", &ret->datatype)) {
        ret->datatype = (churn_str){0};
    }
    ret->width = read_width(input);
    return 1;
}

static int find_input(json_object *inputs, const char *name, struct input *ret)
{
    for (size_t i = 0; i < json_object_array_length(inputs); i++) {
        if (read_input(inputs, i, ret) && churn_equal(ret->name, churn_text(name))) {
            return 1;
        }
    }
    return 0;
}

static const struct feature *find_feature(const struct model *model, churn_str name)
{
    for (uint32_t i = 0; i < model->features.count; i++) {
        if (churn_equal(name, churn_text(model->features.items[i].name))) {
            return &model->features.items[i];
        }
    }
    return NULL;
}

static void compare_datatype(const struct model *model, const struct input *input, const struct feature *f,
                             struct difference *d)
{
    const char *ours = model_datatype(model, f);
    if (input->datatype.len == 0) {
        tell_untold(d, "the server does not say the datatype of '%.*s', so it cannot be compared", (int)input->name.len,
                    input->name.ptr);
    } else if (!churn_equal(input->datatype, churn_text(ours))) {
        add(d, "'%.*s' is %.*s there and %s here", (int)input->name.len, input->name.ptr, (int)input->datatype.len,
            input->datatype.ptr, ours);
    }
}

/* 1 when some have none; told once. */
static int tell_nameless(json_object *inputs, struct difference *d)
{
    size_t count = json_object_array_length(inputs), nameless = 0;
    for (size_t i = 0; i < count; i++) {
        struct input input;
        nameless += !read_input(inputs, i, &input);
    }
    if (nameless > 0 && !d->nameless_told) {
        tell_untold(d, "the server does not say the names of %zu of %zu inputs, so they cannot be compared", nameless,
                    count);
        d->nameless_told = 1;
    }
    return nameless > 0;
}

/* No input has that name, as far as they have names. */
static void tell_unknown(json_object *inputs, const char *name, struct difference *d)
{
    char known[MODEL_NAME_MAX], best[MODEL_NAME_MAX] = "";
    struct nearest nearest = {.typed = name};
    if (tell_nameless(inputs, d)) {
        return;
    }
    for (size_t i = 0; i < json_object_array_length(inputs); i++) {
        size_t before = nearest.best != NULL ? nearest.distance : SIZE_MAX;
        struct input input;
        if (read_input(inputs, i, &input)) {
            (void)snprintf(known, sizeof known, "%.*s", (int)input.name.len, input.name.ptr);
            nearest_offer(&nearest, known);
            if (nearest.best != NULL && nearest.distance < before) {
                memcpy(best, known, sizeof best);
            }
        }
    }
    add(d, "it has no input '%s'%s%s%s", name, best[0] != '\0' ? " (did you mean '" : "", best,
        best[0] != '\0' ? "'?)" : "");
}

/* All features in one input. */
static void compare_tensor(const struct model *model, json_object *inputs, struct difference *d)
{
    struct input input;
    if (!find_input(inputs, model->tensor, &input)) {
        tell_unknown(inputs, model->tensor, d);
        return;
    }
    compare_datatype(model, &input, &model->features.items[0], d);
    if (input.width == 0) {
        tell_untold(d, "the server does not say the shape of '%s', so the number of features cannot be compared",
                    model->tensor);
    } else if (input.width > 0 && input.width != (int64_t)model->features.count) {
        add(d, "'%s' takes %" PRId64 " features, and there are %" PRIu32, model->tensor, input.width,
            model->features.count);
    }
}

static int is_in_order(const struct model *model, json_object *inputs)
{
    for (uint32_t i = 0; i < model->features.count; i++) {
        struct input input;
        if (!read_input(inputs, i, &input) || !churn_equal(input.name, churn_text(model->features.items[i].name))) {
            return 0;
        }
    }
    return 1;
}

static void tell_order(json_object *inputs, struct difference *d)
{
    size_t count = json_object_array_length(inputs);
    add(d, "its order is another:");
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(d->text);
        struct input input;
        if (read_input(inputs, i, &input)) {
            (void)snprintf(d->text + used, d->size - used, "%s %.*s", i > 0 ? "," : "", (int)input.name.len,
                           input.name.ptr);
        }
    }
}

/* An input for each feature. */
static void compare_columns(const struct model *model, json_object *inputs, struct difference *d)
{
    int same_names = !tell_nameless(inputs, d) && json_object_array_length(inputs) == model->features.count;
    struct input input;
    for (uint32_t i = 0; i < model->features.count; i++) {
        const struct feature *f = &model->features.items[i];
        if (find_input(inputs, f->name, &input)) {
            compare_datatype(model, &input, f, d);
        } else {
            tell_unknown(inputs, f->name, d);
            same_names = 0;
        }
    }
    for (size_t i = 0; i < json_object_array_length(inputs); i++) {
        if (read_input(inputs, i, &input) && find_feature(model, input.name) == NULL) {
            add(d, "it takes '%.*s'%s%.*s%s, which is not among the features", (int)input.name.len, input.name.ptr,
                input.datatype.len > 0 ? " (" : "", (int)input.datatype.len, input.datatype.ptr,
                input.datatype.len > 0 ? ")" : "");
            same_names = 0;
        }
    }
    if (same_names && !is_in_order(model, inputs)) {
        tell_order(inputs, d);
    }
}

int model_metadata_compare(const struct model *model, churn_str metadata, char *ret, size_t size)
{
    json_object *root = json_read_object(metadata), *inputs;
    struct difference difference = {.text = ret, .size = size};
    int named = root != NULL && json_object_object_get_ex(root, "inputs", &inputs) &&
                json_object_is_type(inputs, json_type_array) && json_object_array_length(inputs) > 0;
    *ret = '\0';
    if (!named) {
        tell_untold(&difference, "the server does not say which inputs it takes, so the features cannot be compared");
    } else if (model->tensor[0] != '\0') {
        compare_tensor(model, inputs, &difference);
    } else {
        compare_columns(model, inputs, &difference);
    }
    json_object_put(root);
    return difference.found ? 0 : difference.untold ? -1 : 1;
}
