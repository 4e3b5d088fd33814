#include "request_body.h"

#include "request_parts.h"
#include "request_row.h"
#include "template.h"
#include <inttypes.h>
#include <stdlib.h>

static void put_number(struct text_buffer *body, uint32_t number)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%" PRIu32, number);
    text_puts(body, text);
}

static void put_member(struct text_buffer *body, const char *name, churn_str value)
{
    text_puts(body, name);
    text_json_string(body, value);
}

static void separate(struct text_buffer *body, uint32_t i)
{
    text_puts(body, i > 0 ? "," : "");
}

/* --- churnd's own --- */

/* About one customer; of several, one object behind the other. */
static void write_churnd(const struct request_parts *parts, struct text_buffer *body)
{
    for (uint32_t r = 0; r < parts->count; r++) {
        trigger_write_open(body, parts->rows[r].trigger);
        text_puts(body, ",\"profile\":");
        text_add(body, parts->profiles[r].ptr, parts->profiles[r].len);
        text_puts(body, "}");
    }
}

/* --- MLflow: POST /invocations --- */

static void write_mlflow(const struct request_parts *parts, struct text_buffer *body)
{
    text_puts(body, "{\"dataframe_split\":{\"columns\":");
    request_parts_names(parts->model, body);
    text_puts(body, ",\"data\":[");
    for (uint32_t r = 0; r < parts->count; r++) {
        separate(body, r);
        request_parts_row(parts, r, body);
    }
    text_puts(body, "]}}");
}

/* --- KServe's protocol, version 2 --- */

static void open_input(const struct request_parts *parts, const char *name, const char *datatype, uint32_t width,
                       struct text_buffer *body)
{
    put_member(body, "{\"name\":", churn_text(name));
    text_puts(body, ",\"shape\":[");
    put_number(body, parts->count);
    text_puts(body, ",");
    put_number(body, width);
    put_member(body, "],\"datatype\":", churn_text(datatype));
    text_puts(body, ",\"data\":[");
}

/* All features in one tensor, row by row. */
static void write_tensor(const struct request_parts *parts, struct text_buffer *body)
{
    const struct model *model = parts->model;
    uint32_t width = model->features.count;
    open_input(parts, model->tensor, model_datatype(model, &model->features.items[0]), width, body);
    for (uint32_t i = 0; i < parts->count * width; i++) {
        separate(body, i);
        text_add(body, parts->values[i].ptr, parts->values[i].len);
    }
    text_puts(body, "]}");
}

/* A tensor for each feature: a column. */
static void write_columns(const struct request_parts *parts, struct text_buffer *body)
{
    const struct model *model = parts->model;
    for (uint32_t f = 0; f < model->features.count; f++) {
        const struct feature *feature = &model->features.items[f];
        separate(body, f);
        open_input(parts, feature->name, model_datatype(model, feature), 1, body);
        for (uint32_t r = 0; r < parts->count; r++) {
            churn_str value = request_value(parts, r, f);
            separate(body, r);
            text_add(body, value.ptr, value.len);
        }
        text_puts(body, "]}");
    }
}

static void write_kserve(const struct request_parts *parts, struct text_buffer *body)
{
    const struct model *model = parts->model;
    text_puts(body, "{");
    if (parts->count == 1) { /* of several, none stands for all */
        put_member(body, "\"id\":", parts->rows[0].trigger->request_id);
        text_puts(body, ",");
    }
    if (model->tensor[0] != '\0') {
        text_puts(body, "\"inputs\":[");
        write_tensor(parts, body);
    } else { /* MLServer makes a table of them, whose columns have names; other servers let that pass */
        text_puts(body, "\"parameters\":{\"content_type\":\"pd\"},\"inputs\":[");
        write_columns(parts, body);
    }
    text_puts(body, "]");
    for (uint32_t i = 0; i < model->outputs.count; i++) {
        put_member(body, i == 0 ? ",\"outputs\":[{\"name\":" : "},{\"name\":", churn_text(model->outputs.items[i]));
    }
    text_puts(body, model->outputs.count > 0 ? "}]}" : "}");
}

void request_body_write(const struct model *model, const struct request_row *rows, uint32_t count,
                        struct text_buffer *body)
{
    static void (*const writers[])(const struct request_parts *,
                                   struct text_buffer *) = {[FORMAT_CHURND] = write_churnd,
                                                            [FORMAT_KSERVE_V2] = write_kserve,
                                                            [FORMAT_MLFLOW] = write_mlflow,
                                                            [FORMAT_TEMPLATE] = template_write};
    struct request_parts parts = {.model = model,
                                  .rows = rows,
                                  .count = count,
                                  .values = calloc((size_t)count * model->features.count + 1, sizeof *parts.values),
                                  .profiles = calloc(count, sizeof *parts.profiles)};
    if (parts.values == NULL || parts.profiles == NULL) {
        body->failed = 1;
    } else {
        for (uint32_t r = 0; r < count; r++) {
            parts.profiles[r] = request_row_split(model, rows[r].row, &parts.values[(size_t)r * model->features.count]);
        }
        writers[model->format](&parts, body);
    }
    free(parts.values);
    free(parts.profiles);
}
