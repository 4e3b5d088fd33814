#include "profile/fold.h"

#include "base/json_text.h"
#include "event/protect.h"
#include <churn/time.h>
#include <stdlib.h>

#define WHY_SIZE 384
#define NAME_SHOWN 64

/* The context of a churn_delta. */
struct callback {
    struct fold_buffer *folder;
    const struct event_type *type;
    const struct event_origin *origin;
    struct arena *arena;
    char *why;    /* WHY_SIZE bytes, where `misused` */
    bool misused; /* it merged what it may not: its event is refused, whatever it answers */
    bool out_of_memory;
};

bool fold_buffer_init(struct fold_buffer *folder, const struct catalog *catalog, const struct parts *parts)
{
    *folder = (struct fold_buffer){.catalog = catalog, .parts = parts};
    folder->scratch = malloc(fields_size(&catalog->registry));
    return folder->scratch != NULL;
}

void fold_buffer_free(struct fold_buffer *folder)
{
    free(folder->scratch);
    folder->scratch = NULL;
}

/* Refuses a merge; the first one is what is said of the event. */
CHURN_PRINTF(3, 4)
static int32_t misuse(struct callback *callback, const char *name, const char *format, ...)
{
    va_list args;
    int len;
    if (!callback->misused) {
        callback->misused = true;
        len =
            snprintf(callback->why, WHY_SIZE, "apply merges into '%.*s', ", NAME_SHOWN, name != NULL ? name : "(NULL)");
        va_start(args, format);
        (void)vsnprintf(callback->why + len, WHY_SIZE - (size_t)len, format, args);
        va_end(args);
    }
    return CHURN_FATAL;
}

static int32_t merged(struct callback *callback, bool ok)
{
    callback->out_of_memory = callback->out_of_memory || !ok;
    return ok ? CHURN_OK : CHURN_FATAL;
}

static bool is_derived(const struct registry *registry, const char *name)
{
    for (uint32_t i = 0; i < registry->derived_count; i++) {
        if (str_equals(registry->derived[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* Merges a text as the store keeps it, where that is never in clear. */
static bool merge_hidden(const struct fold_buffer *folder, uint32_t field, churn_str text,
                         const struct event_origin *origin, struct fields *into, struct arena *arena)
{
    const struct registry *registry = &folder->catalog->registry;
    struct text hidden = {0};
    bool ok;
    if (protect_is_done(text)) {
        return fields_merge_text(into, field, text, origin, folder->parts, arena);
    }
    protect_append(&hidden, registry->protect, registry->fields[field].stored, NULL, text);
    ok = !hidden.failed && fields_merge_text(into, field, (churn_str){.ptr = hidden.bytes, .len = (uint32_t)hidden.len},
                                             origin, folder->parts, arena);
    text_free(&hidden);
    return ok;
}

static bool merge_text(const struct fold_buffer *folder, uint32_t field, churn_str text,
                       const struct event_origin *origin, struct fields *into, struct arena *arena)
{
    uint8_t stored = folder->catalog->registry.fields[field].stored;
    return stored == PROTECT_MASK || stored == PROTECT_HASH
               ? merge_hidden(folder, field, text, origin, into, arena)
               : fields_merge_text(into, field, text, origin, folder->parts, arena);
}

/* The field that a callback names: one that its own plugin declares. NULL: it does not. */
static const struct registry_field *declared_field(struct callback *callback, const char *name)
{
    const struct registry *registry = &callback->folder->catalog->registry;
    for (uint32_t i = 0; name != NULL && i < callback->type->table.effect_count; i++) {
        if (strcmp(event_type_effect(callback->type, i)->field, name) == 0) {
            return &registry->fields[name_index_find(&registry->names, name, strlen(name))];
        }
    }
    (void)misuse(callback, name, "%s",
                 name != NULL && is_derived(registry, name)
                     ? "which is derived: it is computed from other fields"
                     : "which its effects do not declare (a row with CHURN_FROM_NOTHING does)");
    return NULL;
}

static uint32_t index_of(const struct callback *callback, const struct registry_field *field)
{
    return (uint32_t)(field - callback->folder->catalog->registry.fields);
}

static int32_t delta_merge(churn_delta *delta, const char *name, int64_t operand)
{
    struct callback *callback = delta->ctx;
    const struct registry_field *field = declared_field(callback, name);
    if (field == NULL) {
        return CHURN_FATAL;
    }
    if (field->type == CHURN_PROFILE_STRING) {
        return misuse(callback, name, "a text, with `merge`; texts take `merge_text`");
    }
    if (field->type == CHURN_PROFILE_STATE && (operand < 0 || operand >= field->state_count)) {
        return misuse(callback, name, "whose states are 0 to %u, what is none of them", field->state_count - 1);
    }
    if (field->type == CHURN_PROFILE_TIME && (operand < CHURN_TIME_MIN || operand > CHURN_TIME_MAX)) {
        return misuse(callback, name, "a time, what is not of the years 0 to 9999");
    }
    return merged(callback, fields_merge_number(callback->folder->scratch, index_of(callback, field), field->merge,
                                                operand, callback->arena));
}

static int32_t delta_merge_text(churn_delta *delta, const char *name, churn_str text)
{
    struct callback *callback = delta->ctx;
    const struct registry_field *field = declared_field(callback, name);
    if (field == NULL) {
        return CHURN_FATAL;
    }
    if (field->type != CHURN_PROFILE_STRING) {
        return misuse(callback, name, "of type %s, with `merge_text`; it takes `merge`",
                      registry_type_name(field->type));
    }
    if (text.ptr == NULL) {
        return misuse(callback, name, "a text that is NULL");
    }
    return merged(callback, merge_text(callback->folder, index_of(callback, field), text, callback->origin,
                                       callback->folder->scratch, callback->arena));
}

static int32_t run_callback(struct fold_buffer *folder, const struct event_type *type, const churn_event *event,
                            const struct event_origin *origin, struct fields *into, struct arena *arena,
                            churn_error *err)
{
    char why[WHY_SIZE];
    struct callback callback = {.folder = folder, .type = type, .origin = origin, .arena = arena, .why = why};
    churn_delta delta = {.size = sizeof delta, .ctx = &callback, .merge = delta_merge, .merge_text = delta_merge_text};
    int32_t answer;
    fields_clear(folder->scratch);
    answer = type->table.apply(event, &delta, err);
    folder->misused = callback.misused;
    if (callback.out_of_memory) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    if (callback.misused) {
        return churn_fail(err, CHURN_REJECT, "%s", why);
    }
    if (answer != CHURN_OK) { /* whatever it is: the event is refused */
        return err->message[0] != '\0' ? CHURN_REJECT : churn_fail(err, CHURN_REJECT, "apply answered %d", answer);
    }
    return fields_merge_all(into, folder->scratch, &folder->catalog->registry, folder->parts, arena)
               ? CHURN_OK
               : churn_fail(err, CHURN_FATAL, "out of memory");
}

static bool apply_effect(const struct fold_buffer *folder, const struct effect_plan *effect, const churn_event *event,
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
            return merge_text(folder, effect->field, value->text, origin, into, arena);
        }
        operand = value->number;
        break;
    case CHURN_FROM_EVENT_TIME:
        operand = event->timestamp_ms;
        break;
    case CHURN_FROM_EVENT_TYPE:
        return fields_merge_text(into, effect->field, event->event_type, origin, folder->parts, arena);
    default:
        break;
    }
    return fields_merge_number(into, effect->field, effect->merge, operand, arena);
}

int32_t fold_event(struct fold_buffer *folder, const struct event_type *type, const churn_event *event, uint32_t part,
                   struct fields *into, struct arena *arena, churn_error *err)
{
    struct event_origin origin = {.time_ms = event->timestamp_ms, .offset = event->offset, .part = part};
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
         fields_merge_text(into, FIELD_LAST_EVENT_TYPE, event->event_type, &origin, folder->parts, arena);
    for (uint32_t i = 0; i < type->effect_count; i++) {
        ok = apply_effect(folder, &type->effects[i], event, &origin, into, arena) && ok;
    }
    return ok ? CHURN_OK : churn_fail(err, CHURN_FATAL, "out of memory");
}
