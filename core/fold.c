#include "fold.h"

#include <churn/time.h>
#include <stdlib.h>

/* The context of a churn_delta. */
struct callback {
    struct folder *folder;
    const struct event_type *type;
    const struct event_origin *origin;
    struct arena *arena;
};

bool folder_init(struct folder *folder, const struct catalog *catalog, const struct sources *sources)
{
    *folder = (struct folder){.catalog = catalog, .sources = sources};
    folder->scratch = malloc(fields_size(&catalog->registry));
    return folder->scratch != NULL;
}

void folder_free(struct folder *folder)
{
    free(folder->scratch);
    folder->scratch = NULL;
}

/* The field that a callback names: one that its own plugin declares. */
static int32_t declared_field(const struct callback *callback, const char *name)
{
    for (uint32_t i = 0; i < callback->type->table.effect_count; i++) {
        if (strcmp(event_type_effect(callback->type, i)->field, name) == 0) {
            return name_index_find(&callback->folder->catalog->registry.names, name, strlen(name));
        }
    }
    return -1;
}

static int32_t delta_merge(churn_delta *delta, const char *name, int64_t operand)
{
    const struct callback *callback = delta->ctx;
    int32_t field = declared_field(callback, name);
    const struct registry_field *meta;
    if (field < 0) {
        return CHURN_FATAL;
    }
    meta = &callback->folder->catalog->registry.fields[field];
    if (meta->merge == CHURN_MERGE_LATEST ||
        (meta->type == CHURN_PROFILE_STATE && (operand < 0 || operand >= meta->state_count)) ||
        (meta->type == CHURN_PROFILE_TIME && (operand < CHURN_TIME_MIN || operand > CHURN_TIME_MAX))) {
        return CHURN_FATAL;
    }
    return fields_merge_number(callback->folder->scratch, (uint32_t)field, meta->merge, operand, callback->arena)
               ? CHURN_OK
               : CHURN_FATAL;
}

static int32_t delta_merge_text(churn_delta *delta, const char *name, churn_str text)
{
    const struct callback *callback = delta->ctx;
    int32_t field = declared_field(callback, name);
    if (field < 0 || callback->folder->catalog->registry.fields[field].merge != CHURN_MERGE_LATEST) {
        return CHURN_FATAL;
    }
    return fields_merge_text(callback->folder->scratch, (uint32_t)field, text, callback->origin,
                             callback->folder->sources, callback->arena)
               ? CHURN_OK
               : CHURN_FATAL;
}

static int32_t run_callback(struct folder *folder, const struct event_type *type, const churn_event *event,
                            const struct event_origin *origin, struct fields *into, struct arena *arena,
                            churn_error *err)
{
    struct callback callback = {.folder = folder, .type = type, .origin = origin, .arena = arena};
    churn_delta delta = {.size = sizeof delta, .ctx = &callback, .merge = delta_merge, .merge_text = delta_merge_text};
    int32_t answer;
    fields_clear(folder->scratch);
    answer = type->table.apply(event, &delta, err);
    if (answer != CHURN_OK) { /* whatever it is: the event is refused */
        return err->message[0] != '\0' ? CHURN_REJECT : churn_fail(err, CHURN_REJECT, "apply answered %d", answer);
    }
    return fields_merge_all(into, folder->scratch, &folder->catalog->registry, folder->sources, arena) ? CHURN_OK
                                                                                                       : CHURN_FATAL;
}

static bool apply_effect(const struct folder *folder, const struct effect_plan *effect, const churn_event *event,
                         const struct event_origin *origin, struct fields *into, struct arena *arena)
{
    const churn_value *value = &event->values[effect->operand];
    int64_t operand = effect->constant;
    switch (effect->from) {
    case CHURN_FROM_FIELD:
        if (!value->present) {
            return true;
        }
        if (effect->merge == CHURN_MERGE_LATEST) {
            return fields_merge_text(into, effect->field, value->text, origin, folder->sources, arena);
        }
        operand = value->number;
        break;
    case CHURN_FROM_EVENT_TIME:
        operand = event->timestamp_ms;
        break;
    case CHURN_FROM_EVENT_TYPE:
        return fields_merge_text(into, effect->field, event->event_type, origin, folder->sources, arena);
    default:
        break;
    }
    return fields_merge_number(into, effect->field, effect->merge, operand, arena);
}

int32_t fold_event(struct folder *folder, const struct event_type *type, const churn_event *event, uint32_t source,
                   struct fields *into, struct arena *arena, churn_error *err)
{
    struct event_origin origin = {.time_ms = event->timestamp_ms, .offset = event->offset, .source = source};
    bool ok;
    if (type->table.apply != NULL) {
        int32_t result = run_callback(folder, type, event, &origin, into, arena, err);
        if (result != CHURN_OK) {
            return result;
        }
    }
    ok = fields_merge_number(into, FIELD_EVENTS_TOTAL, CHURN_MERGE_ADD, 1, arena) &&
         fields_merge_number(into, FIELD_FIRST_EVENT_AT, CHURN_MERGE_MIN, event->timestamp_ms, arena) &&
         fields_merge_number(into, FIELD_LAST_EVENT_AT, CHURN_MERGE_MAX, event->timestamp_ms, arena) &&
         fields_merge_text(into, FIELD_LAST_EVENT_TYPE, event->event_type, &origin, folder->sources, arena);
    for (uint32_t i = 0; i < type->effect_count; i++) {
        ok = apply_effect(folder, &type->effects[i], event, &origin, into, arena) && ok;
    }
    return ok ? CHURN_OK : churn_fail(err, CHURN_FATAL, "out of memory");
}
