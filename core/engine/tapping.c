#include "engine/tapping.h"

#include "engine/protecting.h"
#include "pipeline/protect_section.h"

static void offer(struct worker *worker, enum tap_point point, churn_str customer, const churn_record *record,
                  churn_str value)
{
    churn_record shown = *record;
    shown.value = value;
    taps_offer(worker->pipeline->taps, worker->number, point, customer, &shown);
}

static void show(struct worker *worker, enum tap_point point, churn_str customer, const churn_record *record)
{
    offer(worker, point, customer, record, protecting_shown(worker, PLACE_TAP, record->value));
}

/* Of a value that broke a rule nobody can tell where personal data is in it. */
static void show_broken(struct worker *worker, enum tap_point point, churn_str customer, const churn_record *record)
{
    bool hides = worker->protector != NULL && worker->pipeline->protection->protect->hides[PLACE_TAP] &&
                 record->value.ptr != NULL && !protect_is_done(record->value);
    offer(worker, point, customer, record, hides ? churn_text(PROTECT_MASK_TEXT) : record->value);
}

void tapping_source(struct worker *worker, const churn_record *record, const churn_event *event)
{
    if (event != NULL) {
        show(worker, TAP_SOURCE, event->customer_id, record);
    } else {
        show_broken(worker, TAP_SOURCE, record->key, record);
    }
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
        if (output->kind == CHURN_RECORD_ALERT && (output->reserved | OUTPUT_AGAIN) != UINT32_MAX &&
            !protecting_is_copy(window, i)) {
            tapping_alert(worker, output);
        }
    }
}

void tapping_alert(struct worker *worker, const churn_record *output)
{
    show(worker, TAP_ALERTS, output->key, output);
}

void tapping_letter(struct worker *worker, const struct window *window)
{
    const churn_record *letter = &window->outputs[window->output_count - 1];
    show_broken(worker, TAP_DEAD_LETTERS, letter->key, letter);
}
