#include "plan.h"

#include "put.h"
#include "random.h"
#include "text_buffer.h"
#include <churn/ext/event_types.h>
#include <stdlib.h>

#define MAX_MONEY INT64_C(9999999999999999)

/* `text` as a JSON string, followed by `after`. */
static churn_str keep_json(struct plans *plans, const char *text, const char *after)
{
    struct text_buffer json = {0};
    struct kept *kept;
    churn_str result = {.ptr = ""};
    text_json_string(&json, churn_text(text));
    text_puts(&json, after);
    kept = json.failed ? NULL : malloc(sizeof *kept + json.len);
    if (kept == NULL) {
        plans->out_of_memory = true;
    } else {
        kept->next = plans->kept;
        plans->kept = kept;
        memcpy(kept->text, json.ptr, json.len);
        result = (churn_str){.ptr = kept->text, .len = (uint32_t)json.len};
    }
    text_free(&json);
    return result;
}

churn_str plans_keep_json(struct plans *plans, const char *text)
{
    return keep_json(plans, text, "");
}

static void *zeroed(struct plans *plans, size_t count, size_t size)
{
    void *memory = calloc(count + 1, size);
    plans->out_of_memory = plans->out_of_memory || memory == NULL;
    return memory;
}

/* The texts of a STRING field: its choices, else its samples (a `#` becomes a digit), else one made from its name. */
static void plan_samples(struct plans *plans, struct field_plan *plan)
{
    const churn_field *field = plan->field;
    const char *const *texts = field->choices != NULL ? field->choices : field->samples;
    char made[160];
    const char *const from_name[] = {made, NULL};
    size_t name_len = strlen(field->name);
    uint32_t count = 0;
    if (texts == NULL || texts[0] == NULL) {
        name_len -= name_len > 3 && strcmp(field->name + name_len - 3, "_id") == 0 ? 3 : 0;
        (void)snprintf(made, sizeof made, "%.*s-######", (int)(name_len < 128 ? name_len : 128), field->name);
        texts = from_name;
    }
    while (texts[count] != NULL) {
        count++;
    }
    plan->samples = zeroed(plans, count, sizeof *plan->samples);
    for (; plan->samples != NULL && plan->sample_count < count; plan->sample_count++) {
        plan->samples[plan->sample_count] =
            (struct sample){.json = keep_json(plans, texts[plan->sample_count], ""), .digits = field->choices == NULL};
    }
}

static void plan_range(struct field_plan *plan)
{
    const churn_field *field = plan->field;
    bool money = field->type == CHURN_FIELD_MONEY;
    int64_t min = money ? 0 : field->min, max = money ? MAX_MONEY : field->max;
    if (field->sample_min != 0 || field->sample_max != 0) {
        plan->low = field->sample_min;
        plan->high = field->sample_max;
    } else if (money) {
        plan->low = 1 * MONEY_UNIT;
        plan->high = 500 * MONEY_UNIT;
    } else {
        plan->low = min < 0 && max >= 0 ? 0 : min;
        plan->high = plan->low > INT64_MAX - 999 ? INT64_MAX : plan->low + 999;
    }
    plan->low = plan->low < min ? min : plan->low > max ? max : plan->low;
    plan->high = plan->high > max ? max : plan->high;
    plan->high = plan->high < plan->low ? plan->low : plan->high;
}

/* Room that the field takes in an event. */
static size_t plan_field(struct plans *plans, struct field_plan *plan, const churn_field *field)
{
    size_t room = NUMBER_ROOM;
    plan->field = field;
    plan->name = keep_json(plans, field->name, ":");
    if (field->type == CHURN_FIELD_INT || field->type == CHURN_FIELD_MONEY) {
        plan_range(plan);
    } else if (field->type == CHURN_FIELD_STRING) {
        plan_samples(plans, plan);
    }
    for (uint32_t i = 0; i < plan->sample_count; i++) {
        room = plan->samples[i].json.len > room ? plan->samples[i].json.len : room;
    }
    return room + plan->name.len + 1;
}

static void plan_type(struct plans *plans, const churn_event_type *type, const char *name, uint32_t share)
{
    struct type_plan *plan = &plans->types[plans->count++];
    size_t room = 0;
    *plan = (struct type_plan){.name = keep_json(plans, name, ""), .share_end = plans->share_total += share};
    plan->fields = zeroed(plans, type->field_count, sizeof *plan->fields);
    for (uint32_t i = 0; i < type->field_count && plan->fields != NULL; i++) {
        const char *row = (const char *)type->fields + (size_t)i * type->field_stride;
        room += plan_field(plans, &plan->fields[plan->field_count++], (const churn_field *)(const void *)row);
    }
    room += plan->name.len;
    plans->room = room > plans->room ? room : plans->room;
}

/* How often a type is made: what it says of itself, and at least once in a while when it is named. */
static uint32_t share_of(const churn_list *named, const churn_event_type *type, const char *name)
{
    for (uint32_t i = 0; i < named->count; i++) {
        if (strcmp(named->items[i], name) == 0) {
            return type->sample_weight > 0 ? type->sample_weight : 1;
        }
    }
    return named->count > 0 ? 0 : type->sample_weight;
}

static int32_t check_names(const churn_host *host, const churn_event_types *loaded, const churn_list *named,
                           churn_error *err)
{
    for (uint32_t i = 0; i < named->count; i++) {
        uint32_t at = 0, count = loaded->count(host);
        const char *name = "";
        while (at < count && (loaded->at(host, at, &name) == NULL || strcmp(name, named->items[i]) != 0)) {
            at++;
        }
        if (at == count) {
            return churn_fail_option(err, "types", "there is no event type `%s` in this pipeline", named->items[i]);
        }
    }
    return CHURN_OK;
}

int32_t plans_make(struct plans *plans, const churn_host *host, const churn_list *named, churn_error *err)
{
    const churn_event_types *loaded = host->get_extension(host, CHURN_EVENT_TYPES_ID);
    uint32_t count = loaded != NULL ? loaded->count(host) : 0;
    int32_t result = count > 0 ? check_names(host, loaded, named, err) : CHURN_OK;
    if (result != CHURN_OK) {
        return result;
    }
    plans->types = zeroed(plans, count, sizeof *plans->types);
    for (uint32_t i = 0; i < count && plans->types != NULL; i++) {
        const char *name = "";
        const churn_event_type *type = loaded->at(host, i, &name);
        uint32_t share = share_of(named, type, name);
        if (share > 0) {
            plan_type(plans, type, name, share);
        }
    }
    if (plans->count == 0 && !plans->out_of_memory) {
        return churn_fail_option(err, "types", "no event type is loaded that events can be made of");
    }
    return CHURN_OK;
}

const struct type_plan *plans_pick(const struct plans *plans, uint64_t *random)
{
    uint64_t share = random_below(random, plans->share_total);
    const struct type_plan *plan = plans->types;
    while (share >= plan->share_end) {
        plan++;
    }
    return plan;
}

void plans_free(struct plans *plans)
{
    for (uint32_t i = 0; i < plans->count; i++) {
        for (uint32_t j = 0; j < plans->types[i].field_count; j++) {
            free(plans->types[i].fields[j].samples);
        }
        free(plans->types[i].fields);
    }
    free(plans->types);
    for (struct kept *kept = plans->kept, *next; kept != NULL; kept = next) {
        next = kept->next;
        free(kept);
    }
}
