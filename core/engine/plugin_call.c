#include "engine/plugin_call.h"

bool worker_blame(struct worker *worker, const struct section *section, const char *format, ...)
{
    char what[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return worker_fail(worker, "%s %s breaks the rules of its plugin interface: its %s (%s)",
                       role_name(section->loaded->plugin.kind), section->label, what, section->loaded->path);
}

void plugin_poison(const struct worker *worker, unsigned plugin, const char *topic, int32_t partition, int64_t offset,
                   struct reject *reject)
{
    unsigned deaths = journal_deaths(&worker->seat, plugin, topic, partition, offset);
    reject_set(reject, REJECT_CRASHED_PLUGIN, "%s ended the process %u time%s at this event",
               journal_plugin(worker->seat.journal, plugin), deaths, deaths == 1 ? "" : "s");
}

int32_t plugin_fold(struct worker *worker, const struct event_type *type, const churn_event *event, uint32_t part,
                    struct fields *into, struct arena *arena, struct reject *reject)
{
    bool calls = type->table.apply != NULL;
    unsigned number = pipeline_rules(worker->pipeline, type)->journal_number;
    churn_error err;
    int32_t result;
    if (calls && !journal_enter(&worker->seat, number, event->topic.ptr, event->partition, event->offset, 1)) {
        plugin_poison(worker, number, event->topic.ptr, event->partition, event->offset, reject);
        return CHURN_REJECT;
    }
    clear_error(&err);
    result = fold_event(&worker->folder, type, event, part, into, arena, &err);
    if (calls) {
        journal_leave(&worker->seat, false); /* it may be folded again: cleared once its window is done */
    }
    if (result != CHURN_OK) {
        err.message[sizeof err.message - 1] = '\0';
        reject_set(reject, REJECT_BY_PLUGIN, "%s: %s", type->name.ptr, err.message);
    }
    return result;
}
