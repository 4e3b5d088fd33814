#include "plan.h"

#include "generator.h"
#include "put.h"
#include <churn/ext/event_types.h>
#include <stdlib.h>

#define MAX_MONEY INT64_C(9999999999999999)

churn_str keep_json(struct generator *g, const char *text, const char *after)
{
    struct kept *kept;
    text_clear(&g->scratch);
    text_json_string(&g->scratch, (churn_str){.ptr = text, .len = (uint32_t)strlen(text)});
    text_puts(&g->scratch, after);
    kept = g->scratch.failed ? NULL : malloc(sizeof *kept + g->scratch.len);
    if (kept == NULL) {
        g->out_of_memory = true;
        return (churn_str){.ptr = ""};
    }
    kept->next = g->kept;
    g->kept = kept;
    memcpy(kept->text, g->scratch.ptr, g->scratch.len);
    return (churn_str){.ptr = kept->text, .len = (uint32_t)g->scratch.len};
}

static void *zeroed(struct generator *g, size_t count, size_t size)
{
    void *memory = calloc(count + 1, size);
    g->out_of_memory = g->out_of_memory || memory == NULL;
    return memory;
}

/* The texts of a STRING field: its choices, else its samples (a `#` becomes a digit), else one made from its name. */
static void plan_samples(struct generator *g, struct field_plan *plan)
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
    plan->samples = zeroed(g, count, sizeof *plan->samples);
    for (; plan->samples != NULL && plan->sample_count < count; plan->sample_count++) {
        plan->samples[plan->sample_count] =
            (struct sample){.json = keep_json(g, texts[plan->sample_count], ""), .digits = field->choices == NULL};
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
static size_t plan_field(struct generator *g, struct field_plan *plan, const churn_field *field)
{
    size_t room = NUMBER_ROOM;
    plan->field = field;
    plan->name = keep_json(g, field->name, ":");
    if (field->type == CHURN_FIELD_INT || field->type == CHURN_FIELD_MONEY) {
        plan_range(plan);
    } else if (field->type == CHURN_FIELD_STRING) {
        plan_samples(g, plan);
    }
    for (uint32_t i = 0; i < plan->sample_count; i++) {
        room = plan->samples[i].json.len > room ? plan->samples[i].json.len : room;
    }
    return room + plan->name.len + 1;
}

static void plan_type(struct generator *g, const churn_event_type *type, const char *name, uint32_t share)
{
    struct type_plan *plan = &g->plans[g->plan_count++];
    size_t room = 0;
    *plan = (struct type_plan){.name = keep_json(g, name, ""), .share_end = g->share_total += share};
    plan->fields = zeroed(g, type->field_count, sizeof *plan->fields);
    for (uint32_t i = 0; i < type->field_count && plan->fields != NULL; i++) {
        const char *row = (const char *)type->fields + (size_t)i * type->field_stride;
        room += plan_field(g, &plan->fields[plan->field_count++], (const churn_field *)(const void *)row);
    }
    room += plan->name.len;
    g->event_room = room > g->event_room ? room : g->event_room;
}

/* How often a type is made: what it says of itself, and at least once in a while when the option names it. */
static uint32_t share_of(const struct generator *g, const churn_event_type *type, const char *name)
{
    for (uint32_t i = 0; i < g->types.count; i++) {
        if (strcmp(g->types.items[i], name) == 0) {
            return type->sample_weight > 0 ? type->sample_weight : 1;
        }
    }
    return g->types.count > 0 ? 0 : type->sample_weight;
}

static int32_t check_names(const struct generator *g, const churn_event_types *loaded, churn_error *err)
{
    for (uint32_t i = 0; i < g->types.count; i++) {
        uint32_t at = 0, count = loaded->count(g->host);
        const char *name = "";
        while (at < count && (loaded->at(g->host, at, &name) == NULL || strcmp(name, g->types.items[i]) != 0)) {
            at++;
        }
        if (at == count) {
            return churn_fail_option(err, "types", "there is no event type `%s` in this pipeline", g->types.items[i]);
        }
    }
    return CHURN_OK;
}

int32_t plan_types(struct generator *g, churn_error *err)
{
    const churn_event_types *loaded = g->host->get_extension(g->host, CHURN_EVENT_TYPES_ID);
    uint32_t count = loaded != NULL ? loaded->count(g->host) : 0;
    int32_t result = count > 0 ? check_names(g, loaded, err) : CHURN_OK;
    if (result != CHURN_OK) {
        return result;
    }
    g->plans = zeroed(g, count, sizeof *g->plans);
    for (uint32_t i = 0; i < count && g->plans != NULL; i++) {
        const char *name = "";
        const churn_event_type *type = loaded->at(g->host, i, &name);
        uint32_t share = share_of(g, type, name);
        if (share > 0) {
            plan_type(g, type, name, share);
        }
    }
    if (g->plan_count == 0 && !g->out_of_memory) {
        return churn_fail_option(err, "types", "no event type is loaded that events can be made of");
    }
    return CHURN_OK;
}
