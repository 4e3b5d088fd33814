#include "engine/window.h"

#include <stdlib.h>

/* Makes room for one more element of the array that `array_pointer` points to. */
static bool grow(void *array_pointer, uint32_t *room, uint32_t count, size_t element)
{
    if (count == *room) {
        uint32_t more = *room != 0 ? *room * 2 : 64;
        void *array, *grown;
        memcpy(&array, array_pointer, sizeof array);
        grown = realloc(array, more * element);
        if (grown == NULL) {
            return false;
        }
        memcpy(array_pointer, &grown, sizeof grown);
        *room = more;
    }
    return true;
}

bool window_init(struct window *window, struct arena_pool *pool, uint32_t sink_count)
{
    *window = (struct window){.arena = {.pool = pool}};
    window->sinks = calloc(sink_count + 1, sizeof *window->sinks);
    return window->sinks != NULL;
}

void window_free(struct window *window)
{
    arena_reset(&window->arena);
    free(window->events);
    free(window->deltas);
    free(window->outputs);
    free(window->positions);
    free(window->bare);
    free(window->sinks);
    *window = (struct window){0};
}

void window_reset(struct window *window, uint32_t sink_count)
{
    arena_reset(&window->arena);
    window->state = WINDOW_FREE;
    window->has_letters = window->announced = window->written = window->set_aside = window->has_raised = false;
    window->event_count = window->delta_count = window->output_count = window->position_count = 0;
    window->record_count = window->stored = window->bare_count = window->triggers = 0;
    memset(window->alerts, 0, sizeof window->alerts);
    memset(window->sinks, 0, sink_count * sizeof *window->sinks);
}

bool window_note_bare(struct window *window)
{
    if (!grow(&window->bare, &window->bare_room, window->bare_count, sizeof *window->bare)) {
        return false;
    }
    window->bare[window->bare_count++] = window->output_count - 1;
    return true;
}

/* NULL when nothing is noted of it. */
static struct window_position *position_of(const struct window *window, uint32_t part)
{
    for (uint32_t i = window->position_count; i-- > 0;) { /* records come in runs: the newest first */
        if (window->positions[i].part == part) {
            return &window->positions[i];
        }
    }
    return NULL;
}

bool window_note_passed(struct window *window, uint32_t part, int64_t next)
{
    struct window_position *position = position_of(window, part);
    if (position != NULL) {
        position->next = next > position->next ? next : position->next;
        return true;
    }
    if (!grow(&window->positions, &window->position_room, window->position_count, sizeof *window->positions)) {
        return false;
    }
    window->positions[window->position_count++] =
        (struct window_position){.part = part, .next = next, .last = WITNESS_NONE};
    return true;
}

bool window_note_position(struct window *window, uint32_t part, int64_t offset)
{
    window->record_count++;
    return window_note_passed(window, part, offset + 1);
}

void window_note_witness(struct window *window, uint32_t part, struct witness witness)
{
    struct window_position *position = position_of(window, part);
    if (position != NULL && witness.offset > position->last.offset) {
        position->last = witness;
    }
}

churn_record *window_add_output(struct window *window, uint32_t kind, const churn_record *from)
{
    if (!grow(&window->outputs, &window->output_room, window->output_count, sizeof *window->outputs)) {
        return NULL;
    }
    churn_record *output = &window->outputs[window->output_count];
    *output = (churn_record){.size = sizeof *output,
                             .kind = kind,
                             .topic = from->topic,
                             .partition = from->partition,
                             .offset = from->offset,
                             .timestamp_ms = from->timestamp_ms,
                             .id = window->number << 32 | window->output_count};
    window->output_count++;
    return output;
}

struct delta *window_delta(struct window *window, struct customer *customer, const struct registry *registry)
{
    struct delta *delta = customer->filling;
    if (delta != NULL) {
        return delta;
    }
    if (!grow(&window->deltas, &window->delta_room, window->delta_count, sizeof(struct delta *))) {
        return NULL;
    }
    delta = arena_alloc(&window->arena, sizeof *delta + registry->field_count * sizeof(union field_value));
    if (delta == NULL) {
        return NULL;
    }
    delta->customer = customer;
    delta->ranges = NULL;
    delta->first_event = delta->last_event = NO_EVENT;
    delta->event_count = delta->skipped = 0;
    delta->state = DELTA_FOLDED;
    delta->has_late = false;
    delta->doubt_ms = 0;
    fields_clear(&delta->fields);
    window->deltas[window->delta_count++] = delta;
    customer->filling = delta;
    return delta;
}

static struct range *find_range(const struct delta *delta, uint32_t part)
{
    struct range *range = delta->ranges;
    while (range != NULL && range->part != part) {
        range = range->next;
    }
    return range;
}

const struct range *delta_range(const struct delta *delta, uint32_t part)
{
    return find_range(delta, part);
}

static bool note_range(struct window *window, struct delta *delta, uint32_t part, int64_t offset)
{
    struct range *range = find_range(delta, part);
    if (range == NULL) {
        range = delta->ranges == NULL ? &delta->range : arena_alloc(&window->arena, sizeof *range);
        if (range == NULL) {
            return false;
        }
        *range = (struct range){.next = delta->ranges, .low = offset, .part = part};
        delta->ranges = range;
    }
    range->high = offset;
    return true;
}

bool window_add_event(struct window *window, struct delta *delta, const struct window_event *event)
{
    uint32_t index = window->event_count;
    bool late = event->late == LATE_REDRIVEN || event->late == LATE_DOUBTED;
    if (!grow(&window->events, &window->event_room, index, sizeof *window->events) ||
        (!late && !note_range(window, delta, event->part, event->offset))) {
        return false;
    }
    window->events[index] = *event;
    window->events[index].next = NO_EVENT;
    window->events[index].first_output = window->output_count;
    window->events[index].counted = false;
    delta->has_late = delta->has_late || event->late != NOT_LATE;
    if (delta->first_event == NO_EVENT) {
        delta->first_event = index;
    } else {
        window->events[delta->last_event].next = index;
    }
    delta->last_event = index;
    delta->event_count++;
    window->event_count++;
    return true;
}
