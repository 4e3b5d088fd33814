#include "request_parts.h"

static void separate(struct text_buffer *body, uint32_t i)
{
    text_puts(body, i > 0 ? "," : "");
}

void request_parts_row(const struct request_parts *parts, uint32_t row, struct text_buffer *body)
{
    text_puts(body, "[");
    for (uint32_t f = 0; f < parts->model->features.count; f++) {
        churn_str value = request_value(parts, row, f);
        separate(body, f);
        text_add(body, value.ptr, value.len);
    }
    text_puts(body, "]");
}

void request_parts_names(const struct model *model, struct text_buffer *body)
{
    text_puts(body, "[");
    for (uint32_t f = 0; f < model->features.count; f++) {
        separate(body, f);
        text_json_string(body, churn_text(model->features.items[f].name));
    }
    text_puts(body, "]");
}
