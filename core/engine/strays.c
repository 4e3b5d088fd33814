#include "engine/strays.h"

#include "engine/forgetting.h"
#include <stdlib.h>

struct stray {
    struct stray *next;
    uint64_t id; /* as it was given to the sink */
    int64_t offset, time_ms;
    unsigned sink;
    uint32_t part; /* PART_NONE: no record caused it */
    uint32_t customer_len;
    char customer[];
};

/* The output of a window in the ring that an id stands for; NULL: its window is there no more. */
static const churn_record *output_of(struct worker *worker, uint64_t id)
{
    const struct window *window = window_at(worker, id >> 32);
    bool there = (uint32_t)window->number == (uint32_t)(id >> 32) && (uint32_t)id < window->output_count;
    return there ? &window->outputs[(uint32_t)id] : NULL;
}

static bool keep(struct worker *worker, unsigned sink, uint64_t id, const churn_record *output)
{
    uint32_t len = output->key.ptr != NULL ? output->key.len : 0;
    struct stray *stray = malloc(sizeof *stray + len);
    if (stray == NULL) {
        return out_of_memory(worker);
    }
    *stray = (struct stray){.next = worker->forgetting.strays,
                            .id = id,
                            .offset = output->offset,
                            .time_ms = output->timestamp_ms != 0 ? output->timestamp_ms : INT64_MAX,
                            .sink = sink,
                            .part = PART_NONE,
                            .customer_len = len};
    if (output->offset >= 0) {
        stray->part = parts_find(&worker->parts, output->topic, output->partition);
    }
    if (len > 0) {
        memcpy(stray->customer, output->key.ptr, len);
    }
    worker->forgetting.strays = stray;
    return output->offset < 0 || stray->part != PART_NONE || out_of_memory(worker);
}

void strays_keep(struct worker *worker)
{
    if (worker->pipeline->forgetting == NULL) {
        return;
    }
    for (unsigned sink = 0; sink < worker->pipeline->sink_count; sink++) {
        const struct owed *owed = &worker->sink_states[sink].owed;
        for (uint32_t i = 0; owed->count > 0 && i < owed->room; i++) {
            const churn_record *output = owed->slots[i] != 0 ? output_of(worker, owed->slots[i]) : NULL;
            if (output != NULL && !keep(worker, sink, owed->slots[i], output)) {
                return;
            }
        }
    }
}

static bool is_forgotten(const struct worker *worker, const struct stray *stray)
{
    static const churn_str nowhere = {.ptr = ""};
    const churn_str customer = {.ptr = stray->customer, .len = stray->customer_len};
    churn_str source = stray->part != PART_NONE ? parts_name(&worker->parts.items[stray->part]) : nowhere;
    return forgetting_covers(worker->pipeline->forgetting, customer, source, stray->offset, stray->time_ms);
}

bool strays_are_held(struct worker *worker)
{
    bool held = false;
    struct stray **at = &worker->forgetting.strays;
    while (*at != NULL) {
        struct stray *stray = *at;
        if (owed_has(&worker->sink_states[stray->sink].owed, stray->id)) {
            held = held || is_forgotten(worker, stray);
            at = &stray->next;
        } else {
            *at = stray->next;
            free(stray);
        }
    }
    return held;
}

void strays_free(struct worker *worker)
{
    for (struct stray *stray = worker->forgetting.strays, *next; stray != NULL; stray = next) {
        next = stray->next;
        free(stray);
    }
    worker->forgetting.strays = NULL;
}
