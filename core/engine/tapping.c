#include "engine/tapping.h"

static void show(struct worker *worker, enum tap_point point, churn_str customer, const churn_record *record)
{
    taps_offer(worker->pipeline->taps, worker->number, point, customer, record);
}

void tapping_source(struct worker *worker, const churn_record *record, const churn_event *event)
{
    show(worker, TAP_SOURCE, event != NULL ? event->customer_id : record->key, record);
}

void tapping_event(struct worker *worker, const churn_record *record, const churn_event *event)
{
    churn_record shown = *record;
    shown.value = event->payload;
    shown.timestamp_ms = event->timestamp_ms;
    show(worker, TAP_EVENTS, event->customer_id, &shown);
}

void tapping_passing(struct worker *worker, const churn_record *record)
{
    show(worker, TAP_EVENTS, record->key, record);
}

void tapping_alerts(struct worker *worker, const struct window *window)
{
    for (uint32_t i = 0; i < window->output_count; i++) {
        const churn_record *output = &window->outputs[i];
        if (output->kind == CHURN_RECORD_ALERT && (output->reserved | OUTPUT_AGAIN) != UINT32_MAX) {
            show(worker, TAP_ALERTS, output->key, output);
        }
    }
}

void tapping_letter(struct worker *worker, const struct window *window)
{
    const churn_record *letter = &window->outputs[window->output_count - 1];
    show(worker, TAP_DEAD_LETTERS, letter->key, letter);
}
