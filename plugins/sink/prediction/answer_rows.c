#include "answer_rows.h"

#include "json_read.h"
#include <json-c/json_pointer.h>
#include <stdlib.h>

static int is_number(json_object *value)
{
    return json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double);
}

static int is_nested(json_object *value)
{
    return json_object_is_type(value, json_type_array) || json_object_is_type(value, json_type_object);
}

/* --- Where the predictions are --- */

/* Of several outputs the probability is the one of floating point; a label is whole. NULL: none is, or more than one.
 */
static json_object *float_output(json_object *outputs)
{
    json_object *found = NULL;
    for (size_t i = 0; i < json_object_array_length(outputs); i++) {
        json_object *output = json_object_array_get_idx(outputs, i);
        churn_str datatype;
        if (json_object_is_type(output, json_type_object) && json_read_string(output, "datatype", &datatype) &&
            datatype.len > 2 && memcmp(datatype.ptr, "FP", 2) == 0) {
            if (found != NULL) {
                return NULL;
            }
            found = output;
        }
    }
    return found;
}

static json_object *kserve_data(json_object *root, const char **ret_reason)
{
    json_object *outputs, *output, *data;
    if (!json_object_is_type(root, json_type_object) || !json_object_object_get_ex(root, "outputs", &outputs) ||
        !json_object_is_type(outputs, json_type_array) || json_object_array_length(outputs) == 0) {
        *ret_reason = "its answer has no outputs";
        return NULL;
    }
    output = json_object_array_length(outputs) == 1 ? json_object_array_get_idx(outputs, 0) : float_output(outputs);
    if (!json_object_is_type(output, json_type_object) || !json_object_object_get_ex(output, "data", &data)) {
        *ret_reason = "its answer has several outputs; say which one by `answer`, such as /outputs/1/data";
        return NULL;
    }
    return data;
}

/* Borrowed from the answer. */
static json_object *find_predictions(const struct model *model, json_object *root, const char **ret_reason)
{
    const char *pointer = model->answer != NULL ? model->answer : "/predictions";
    json_object *found = NULL;
    if (model->answer == NULL && model->format == FORMAT_KSERVE_V2) {
        return kserve_data(root, ret_reason);
    }
    if (*pointer == '\0') {
        return root;
    }
    if (json_pointer_get(root, pointer, &found) != 0) {
        *ret_reason = "its answer has nothing where `answer` points to";
        return NULL;
    }
    return found;
}

/* --- Rows --- */

/* The rows of what was found. A flat list holds one number a row, or two. */
struct rows {
    json_object *all;
    size_t width; /* entries of the flat list a row; 0: it is the only row itself */
};

static int tell_rows(json_object *found, uint32_t count, struct rows *ret)
{
    size_t length = json_object_is_type(found, json_type_array) ? json_object_array_length(found) : 0;
    json_object *first = length > 0 ? json_object_array_get_idx(found, 0) : NULL;
    *ret = (struct rows){.all = found};
    if (length == 0) {
        return count == 1 && !json_object_is_type(found, json_type_array);
    }
    ret->width = length == count ? 1 : 2;
    return length == count || (length == (size_t)count * 2 && !is_nested(first));
}

static json_object *last_of_object(json_object *row)
{
    json_object *last = NULL;
    unsigned numbers = 0;
    json_object_object_foreach(row, name, value)
    {
        (void)name;
        last = is_number(value) ? value : last;
        numbers += is_number(value) != 0;
    }
    return numbers <= 2 ? last : NULL;
}

/* The number of a row: itself, or the last one of at most two in its list or object, which may have a label besides. */
static json_object *number_of(json_object *row)
{
    for (unsigned depth = 0; depth < 3 && json_object_is_type(row, json_type_array); depth++) {
        size_t length = json_object_array_length(row);
        if (length == 0 || length > 2) {
            return NULL;
        }
        row = json_object_array_get_idx(row, length - 1);
    }
    return json_object_is_type(row, json_type_object) ? last_of_object(row) : row;
}

static json_object *row_at(const struct rows *rows, uint32_t i)
{
    return rows->width == 0 ? rows->all : json_object_array_get_idx(rows->all, i * rows->width + rows->width - 1);
}

/* The texts beside a number: of the whole answer, or of its row. What is called like one and is none means another
 * thing in a form that leaves this open. */
static void read_texts(json_object *from, struct answer *answer)
{
    if (json_object_is_type(from, json_type_object)) {
        (void)answer_read_text(from, "risk_level", answer->risk_level);
        (void)answer_read_text(from, "model_version", answer->model_version);
    }
}

static struct answer *read_row(json_object *root, json_object *row, const char **ret_reason)
{
    struct answer *answer = calloc(1, sizeof *answer);
    if (answer == NULL) {
        *ret_reason = "memory ran out";
        return NULL;
    }
    if (!answer_set_probability(number_of(row), answer)) {
        *ret_reason = "its answer is no number from 0 to 1, and no two of which the last one is";
        free(answer);
        return NULL;
    }
    read_texts(root, answer);
    read_texts(row, answer);
    return answer;
}

int answer_rows_read(const struct model *model, churn_str body, uint32_t count, struct answer **answers,
                     const char **ret_reason)
{
    json_object *root = json_read(body), *found;
    struct rows rows;
    uint32_t good = 0;
    *ret_reason = NULL;
    if (root == NULL) {
        *ret_reason = "its answer is not JSON";
        return 0;
    }
    found = find_predictions(model, root, ret_reason);
    if (*ret_reason == NULL && !tell_rows(found, count, &rows)) {
        *ret_reason = "its answer has another number of rows than the request";
    }
    if (*ret_reason == NULL) {
        for (uint32_t i = 0; i < count; i++) {
            answers[i] = read_row(root, row_at(&rows, i), ret_reason);
            good += answers[i] != NULL;
        }
    }
    json_object_put(root);
    return good > 0;
}
