#include "prediction_record.h"

#include <churn/ext/tap.h>

static void append_member(struct text_buffer *text, const char *name, churn_str value)
{
    text_puts(text, ",\"");
    text_puts(text, name);
    text_puts(text, "\":");
    text_json_string(text, value);
}

void prediction_record_append(struct text_buffer *text, const struct trigger *t, const struct cached_prediction *p)
{
    text_puts(text, "{\"request_id\":");
    text_json_string(text, t->request_id);
    append_member(text, "customer_id", t->customer_id);
    text_puts(text, ",\"churn_probability\":");
    text_add(text, p->churn_probability.ptr, p->churn_probability.len);
    if (p->risk_level.len > 0) {
        append_member(text, "risk_level", p->risk_level);
    }
    if (p->model.len > 0) {
        append_member(text, "model", p->model);
    }
    if (p->model_version.len > 0) {
        append_member(text, "model_version", p->model_version);
    }
    append_member(text, "predicted_at", p->predicted_at);
    append_member(text, "event_id", t->event_id);
    append_member(text, "event_type", t->event_type);
    append_member(text, "timestamp", t->timestamp);
    if (p->features.len > 0) {
        text_puts(text, ",\"features\":");
        text_add(text, p->features.ptr, p->features.len);
    }
    text_puts(text, "}");
}

void prediction_record_show(const churn_host *host, const struct trigger *trigger, const struct cached_prediction *p)
{
    const churn_tap *tap = host->get_extension(host, CHURN_TAP_ID);
    struct text_buffer text = {0};
    churn_record record = {.size = sizeof record,
                           .kind = CHURN_RECORD_EVENT,
                           .key = trigger->customer_id,
                           .timestamp_ms = trigger->timestamp_ms};
    if (tap == NULL || !tap->watched(host, CHURN_TAP_PREDICTIONS)) {
        return;
    }
    prediction_record_append(&text, trigger, p);
    record.value = text_str(&text);
    if (!text.failed) {
        tap->offer(host, CHURN_TAP_PREDICTIONS, &record);
    }
    text_free(&text);
}
