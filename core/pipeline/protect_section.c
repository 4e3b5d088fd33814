#include "pipeline/protect_section.h"

#include "base/suggest.h"
#include <stdio.h>
#include <stdlib.h>

_Static_assert((int)PROTECT_PLACES == (int)PLACE_UNIFORM, "an option for each place");

static const char *const place_names[PROTECT_PLACES] = {
    [PLACE_EVENTS] = "events", [PLACE_ALERTS] = "alerts", [PLACE_PREDICTIONS] = "predictions",
    [PLACE_STORE] = "store",   [PLACE_TAP] = "tap",       [PLACE_PAGE] = "page"};

struct reading {
    struct pipeline *pipeline;
    struct config *config;
    const struct node *section; /* `protect:`; NULL: not given */
    const struct node *fields;  /* what it says of single ones; NULL: nothing */
    struct protection *protection;
    bool ok;
};

/* What is to become of a field at a place, and where the file says so. */
struct choice {
    uint8_t action;
    bool own; /* of the field itself, not of the whole place */
    const struct node *at;
};

static int find_word(const char *const *words, unsigned count, const char *text)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(words[i], text) == 0) {
            return (int)i;
        }
    }
    return -1;
}

/* The word that was meant, for a message. */
static const char *meant(const char *const *words, unsigned count, const char *text, char *hint, size_t size)
{
    struct suggest suggest = {.typed = text};
    for (unsigned i = 0; i < count; i++) {
        suggest_offer(&suggest, words[i]);
    }
    return suggest_text(&suggest, hint, size);
}

/* ---- keys ---- */

static void read_keys(struct reading *r)
{
    const churn_map *keys = &r->protection->settings.keys;
    const struct node *node = config_get(r->section, "keys");
    char message[256];
    for (uint32_t i = 0; i < keys->count; i++) {
        const struct node *value = config_get(node, keys->keys[i]);
        const char *twin;
        struct key key;
        if (!seal_is_id(keys->keys[i])) {
            config_error(r->config, config_get_key(node, keys->keys[i]),
                         "protect: keys: a key's id has 1 to %d letters, digits, '-', '_' and '.'", SEAL_MAX_ID);
            r->ok = false;
        } else if (!key_parse(keys->values[i], &key, message, sizeof message)) {
            config_error(r->config, value, "protect: keys: %s: %s", keys->keys[i], message);
            r->ok = false;
        } else if ((twin = seal_ring_find(&r->protection->protect->ring, &key)) != NULL) {
            config_error(r->config, value, "protect: keys: %s is the key %s once more: each id needs a key of its own",
                         keys->keys[i], twin);
            key_wipe(&key);
            r->ok = false;
        } else {
            r->ok = seal_ring_add(&r->protection->protect->ring, keys->keys[i], &key) && r->ok;
            key_wipe(&key);
        }
    }
}

static void read_hash_key(struct reading *r)
{
    const char *text = r->protection->settings.hash_key;
    struct protect *protect = r->protection->protect;
    char message[256];
    if (text == NULL) {
        return;
    }
    protect->has_hash_key = key_parse(text, &protect->hash_key, message, sizeof message);
    if (!protect->has_hash_key) {
        config_error(r->config, config_get(r->section, "hash_key"), "protect: hash_key: %s", message);
        r->ok = false;
    }
}

static void read_salts(struct reading *r)
{
    const struct node *at = config_get(r->section, "customer_keys");
    struct pipeline *pipeline = r->pipeline;
    r->protection->protect->salts = r->section != NULL && r->protection->settings.customer_keys != 0;
    if (!r->protection->protect->salts) {
        return;
    }
    if (config_is_absent(config_get(&pipeline->config.root, "store")) ||
        config_is_absent(config_get(&pipeline->config.root, "forget"))) {
        config_error(r->config, at,
                     "protect: customer_keys: each customer's salt lies in the store, and `churnd forget` erases it: "
                     "sections 'store:' and 'forget:' are needed");
        r->ok = false;
    }
}

/* What was said of a key that cannot be read is enough. */
static bool has_key(const struct reading *r, enum protect_action action)
{
    const struct protection *protection = r->protection;
    return (action != PROTECT_ENCRYPT || protection->protect->ring.count > 0 || protection->settings.keys.count > 0) &&
           (action != PROTECT_HASH || protection->protect->has_hash_key || protection->settings.hash_key != NULL);
}

/* Notes that an action is taken at a place: its key must be there. */
static void use(struct reading *r, enum protect_action action, const struct node *at, const char *where)
{
    if (!has_key(r, action)) {
        config_error(r->config, at, "protect: %s: %s needs a key: %s", where, settings_protect_actions[action],
                     action == PROTECT_HASH ? "add 'hash_key: ${NAME}' to protect:, or choose mask or clear"
                                            : "add 'keys: {ID: ${NAME}}' to protect:, or choose mask or clear");
        r->ok = false;
    }
}

/* ---- the fields that the file names ---- */

static bool is_marked(const churn_field *field)
{
    return (field->flags & CHURN_FIELD_PII) != 0;
}

/* What is known of a name. */
struct known {
    const char *type; /* an event type that has such a field */
    bool field, profile, marked;
};

static struct known look_up(const struct reading *r, const char *name)
{
    const struct catalog *catalog = &r->pipeline->catalog;
    int32_t index = name_index_find(&catalog->registry.names, name, strlen(name));
    struct known known = {.profile = index >= 0, .marked = index >= 0 && catalog->registry.fields[index].pii};
    for (uint32_t t = 0; t < catalog->type_count; t++) {
        for (uint32_t i = 0; i < catalog->types[t].table.field_count; i++) {
            const churn_field *field = event_type_field(&catalog->types[t], i);
            if (strcmp(field->name, name) == 0) {
                known.field = true;
                known.type = known.type != NULL && !is_marked(field) ? known.type : catalog->types[t].name.ptr;
                known.marked = known.marked || is_marked(field);
            }
        }
    }
    return known;
}

/* The nearest name that is marked, for a message. */
static const char *meant_field(const struct reading *r, const char *name, char *hint, size_t size)
{
    const struct catalog *catalog = &r->pipeline->catalog;
    struct suggest suggest = {.typed = name};
    for (uint32_t t = 0; t < catalog->type_count; t++) {
        for (uint32_t i = 0; i < catalog->types[t].table.field_count; i++) {
            const churn_field *field = event_type_field(&catalog->types[t], i);
            if (is_marked(field)) {
                suggest_offer(&suggest, field->name);
            }
        }
    }
    for (uint32_t i = 0; i < catalog->registry.field_count; i++) {
        if (catalog->registry.fields[i].pii) {
            suggest_offer(&suggest, catalog->registry.fields[i].name.ptr);
        }
    }
    return suggest_text(&suggest, hint, size);
}

static void check_name(struct reading *r, const struct node *key)
{
    struct known known = look_up(r, key->text);
    char hint[96];
    if (!known.field && !known.profile) {
        config_error(r->config, key, "protect: fields: no event type that is loaded has a field '%s'%s", key->text,
                     meant_field(r, key->text, hint, sizeof hint));
        r->ok = false;
    } else if (!known.marked) {
        config_error(r->config, key,
                     "protect: fields: %s is not marked as personal data (CHURN_FIELD_PII) %s%s, and only such fields "
                     "are protected; `churnd describe` shows them",
                     key->text, known.field ? "by event type " : "in any field that it comes from",
                     known.field ? known.type : "");
        r->ok = false;
    }
}

static void check_action(struct reading *r, const struct node *key, const struct node *value)
{
    char hint[96];
    if (value->bad) {
        r->ok = false;
    } else if (value->kind != NODE_SCALAR || find_word(settings_protect_actions, PROTECT_ACTIONS, value->text) < 0) {
        config_error(r->config, value, "protect: fields: %s: clear, mask, hash or encrypt belongs here%s", key->text,
                     value->kind == NODE_SCALAR
                         ? meant(settings_protect_actions, PROTECT_ACTIONS, value->text, hint, sizeof hint)
                         : "");
        r->ok = false;
    }
}

static void check_place(struct reading *r, const struct node *key, const struct node *place)
{
    char hint[96];
    if (find_word(place_names, PROTECT_PLACES, place->text) < 0) {
        config_error(r->config, place,
                     "protect: fields: %s: '%s' is not one of events, alerts, predictions, store, tap, page%s",
                     key->text, place->text, meant(place_names, PROTECT_PLACES, place->text, hint, sizeof hint));
        r->ok = false;
    }
}

static void check_fields(struct reading *r)
{
    const struct node *fields = config_get(r->section, "fields");
    if (config_is_absent(fields)) {
        return;
    }
    if (fields->kind != NODE_MAP) {
        config_error(r->config, fields,
                     "protect: fields: names of fields belong here, as in 'session_id: hash' or 'reason: {alerts: "
                     "mask}'");
        r->ok = false;
        return;
    }
    r->fields = fields;
    for (unsigned i = 0; i < fields->count; i++) {
        const struct node *key = &fields->keys[i], *value = &fields->items[i];
        check_name(r, key);
        for (unsigned k = 0; value->kind == NODE_MAP && k < value->count; k++) {
            check_place(r, key, &value->keys[k]);
            check_action(r, key, &value->items[k]);
        }
        if (value->kind != NODE_MAP) {
            check_action(r, key, value);
        }
    }
}

/* ---- what becomes of a field ---- */

/* What the file says of this name itself at a place; false: nothing. */
static bool said(const struct reading *r, const char *name, unsigned place, struct choice *ret)
{
    const struct node *node = config_get(r->fields, name);
    int action;
    if (node != NULL && node->kind == NODE_MAP) {
        node = config_get(node, place_names[place]);
    }
    action = node != NULL && node->kind == NODE_SCALAR
                 ? find_word(settings_protect_actions, PROTECT_ACTIONS, node->text)
                 : -1;
    *ret = (struct choice){.action = action >= 0 ? (uint8_t)action : PROTECT_CLEAR, .own = true, .at = node};
    return action >= 0;
}

static struct choice of_place(const struct reading *r, unsigned place)
{
    const struct node *node = config_get(r->section, place_names[place]);
    return (struct choice){.action = (uint8_t)r->protection->settings.places[place],
                           .at = node != NULL ? node : r->section};
}

static struct choice choose(const struct reading *r, const char *name, unsigned place)
{
    struct choice choice;
    return said(r, name, place, &choice) ? choice : of_place(r, place);
}

/* ---- events and alerts ---- */

/* Whether another text in its place is still a value of the field. */
static bool takes_any_text(const churn_field *field)
{
    return field->type == CHURN_FIELD_STRING && field->choices == NULL;
}

static bool plan_field(struct reading *r, unsigned place, uint32_t type, uint32_t row, const struct choice *choice,
                       const char *where, bool is_event)
{
    const struct event_type *of = &r->pipeline->catalog.types[type];
    const churn_field *field = event_type_field(of, row);
    uint8_t *plan;
    if (choice->action == PROTECT_CLEAR) {
        return true;
    }
    if (is_event && choice->action != PROTECT_ENCRYPT && !takes_any_text(field)) {
        config_error(r->config, choice->at,
                     "%s: %s: data.%s of %s takes no such text, so that nobody could read the event again: choose "
                     "encrypt or clear for it",
                     where, settings_protect_actions[choice->action], field->name, of->name.ptr);
        r->ok = false;
        return true;
    }
    use(r, choice->action, choice->at, place < PLACE_UNIFORM ? place_names[place] : "a sink's");
    plan = protect_plan(r->protection->protect, place, type);
    if (plan != NULL) {
        plan[row] = choice->action;
    }
    return plan != NULL;
}

static bool plan_events(struct reading *r, unsigned place, const char *where, bool is_event, const struct choice *all)
{
    const struct catalog *catalog = &r->pipeline->catalog;
    bool memory = true;
    for (uint32_t t = 0; t < catalog->type_count; t++) {
        for (uint32_t i = 0; i < catalog->types[t].table.field_count; i++) {
            const churn_field *field = event_type_field(&catalog->types[t], i);
            struct choice choice = all != NULL ? *all : choose(r, field->name, place);
            memory = (!is_marked(field) || plan_field(r, place, t, i, &choice, where, is_event)) && memory;
        }
    }
    return memory;
}

/* ---- profiles ---- */

static bool is_number(const struct registry_field *field)
{
    return field->merge != CHURN_MERGE_LATEST;
}

/* What becomes of a profile field: what is said of it, else the most that is said of any field that goes into it. */
static struct choice choose_profile(const struct reading *r, uint32_t index, unsigned place)
{
    const struct catalog *catalog = &r->pipeline->catalog;
    struct choice choice, best = of_place(r, place);
    bool found = false;
    if (said(r, catalog->registry.fields[index].name.ptr, place, &choice)) {
        return choice;
    }
    for (uint32_t t = 0; t < catalog->type_count; t++) {
        const struct event_type *type = &catalog->types[t];
        for (uint32_t i = 0; i < type->effect_count; i++) {
            const struct effect_plan *effect = &type->effects[i];
            const churn_field *operand = event_type_field(type, effect->operand);
            if (effect->field == index && effect->from == CHURN_FROM_FIELD && is_marked(operand)) {
                choice = choose(r, operand->name, place);
                best = !found || choice.action > best.action ? choice : best;
                found = true;
            }
        }
    }
    return best;
}

/* Numbers add up, so the store needs them as they are; elsewhere they can be masked. */
static uint8_t fit_number(struct reading *r, const struct registry_field *field, unsigned place,
                          const struct choice *choice)
{
    if (choice->action == PROTECT_CLEAR) {
        return PROTECT_CLEAR;
    }
    if (place != PLACE_STORE) {
        return PROTECT_MASK;
    }
    if (choice->own) {
        config_error(r->config, choice->at,
                     "protect: fields: the profile field %s (%s, merged by %s) can only be clear in the store: "
                     "texts of the newest event can be masked, hashed or encrypted there",
                     field->name.ptr, registry_type_name(field->type), registry_merge_name(field->merge));
        r->ok = false;
    } else {
        config_warning(r->config, choice->at,
                       "protect: store: the profile field %s (%s, merged by %s) stays in clear there; 'fields: "
                       "{%s: {store: clear}}' says that this is meant",
                       field->name.ptr, registry_type_name(field->type), registry_merge_name(field->merge),
                       field->name.ptr);
    }
    return PROTECT_CLEAR;
}

static void plan_profile(struct reading *r, unsigned place)
{
    struct registry *registry = &r->pipeline->catalog.registry;
    uint8_t *plan = r->protection->protect->profile[place];
    for (uint32_t i = 0; i < registry->field_count; i++) {
        struct registry_field *field = &registry->fields[i];
        struct choice choice;
        if (!field->pii) {
            continue;
        }
        choice = choose_profile(r, i, place);
        plan[i] = is_number(field) ? fit_number(r, field, place, &choice) : choice.action;
        use(r, plan[i], choice.at, place_names[place]);
        field->stored = place == PLACE_STORE ? plan[i] : field->stored;
    }
    for (uint32_t i = 0; place != PLACE_STORE && i < registry->derived_count; i++) {
        const struct registry_derived *derived = &registry->derived[i];
        uint8_t of = plan[derived->numerator];
        of = derived->kind == CHURN_DERIVE_RATIO && plan[derived->denominator] > of ? plan[derived->denominator] : of;
        plan[registry->field_count + i] = of;
    }
}

/* The same for all of them, as a sink says. */
static void plan_uniform_profile(struct reading *r, uint8_t action)
{
    const struct registry *registry = &r->pipeline->catalog.registry;
    for (uint32_t i = 0; i < registry->field_count; i++) {
        const struct registry_field *field = &registry->fields[i];
        if (field->pii) {
            r->protection->protect->profile[PLACE_UNIFORM + action][i] =
                is_number(field) && action != PROTECT_CLEAR ? PROTECT_MASK : action;
        }
    }
}

/* ---- sinks ---- */

unsigned protect_section_place(const struct section *sink)
{
    if (sink->sink.protect > 0) {
        return PLACE_UNIFORM + (unsigned)sink->sink.protect - 1;
    }
    return sink->input == CHURN_RECORD_EVENT   ? PLACE_EVENTS
           : sink->input == CHURN_RECORD_ALERT ? PLACE_ALERTS
                                               : PLACE_PREDICTIONS;
}

static void join_group(struct protect_group *groups, unsigned *count, unsigned place, uint32_t bit)
{
    unsigned i = 0;
    while (i < *count && groups[i].place != place) {
        i++;
    }
    groups[i].place = place;
    groups[i].bits |= bit;
    *count += i == *count;
}

static bool plan_sink(struct reading *r, const struct section *sink)
{
    struct protection *protection = r->protection;
    unsigned place = protect_section_place(sink);
    struct choice all = {.action = (uint8_t)(place - PLACE_UNIFORM), .at = config_get(sink->node, "protect")};
    char where[SECTION_MAX_NAME + 16];
    if (sink->input == CHURN_RECORD_EVENT) {
        join_group(protection->events, &protection->event_groups, place, sink->bit);
    } else if (sink->input == CHURN_RECORD_ALERT) {
        join_group(protection->alerts, &protection->alert_groups, place, sink->bit);
    }
    if (place < PLACE_UNIFORM) {
        return true;
    }
    use(r, all.action, all.at, sink->label);
    (void)snprintf(where, sizeof where, "%s: protect", sink->label);
    plan_uniform_profile(r, all.action);
    return plan_events(r, place, where, sink->input == CHURN_RECORD_EVENT, &all);
}

/* ---- all of it ---- */

/* Whether anything of the pipeline goes there. */
static bool is_reached(const struct pipeline *pipeline, unsigned place)
{
    switch (place) {
    case PLACE_EVENTS:
        return (pipeline->outputs & CHURN_RECORD_EVENT) != 0;
    case PLACE_ALERTS:
        return (pipeline->outputs & CHURN_RECORD_ALERT) != 0;
    case PLACE_PREDICTIONS:
        return (pipeline->outputs & CHURN_RECORD_TRIGGER) != 0;
    case PLACE_STORE:
        return pipeline->store.loaded != NULL;
    default:
        return true;
    }
}

static bool plan_all(struct reading *r)
{
    struct pipeline *pipeline = r->pipeline;
    bool memory = true;
    for (unsigned place = 0; r->section != NULL && place < PROTECT_PLACES; place++) {
        if (!is_reached(pipeline, place)) {
            continue;
        }
        if (place != PLACE_PREDICTIONS && place != PLACE_STORE) {
            char where[32];
            (void)snprintf(where, sizeof where, "protect: %s", place_names[place]);
            memory = plan_events(r, place, where, place == PLACE_EVENTS, NULL) && memory;
        }
        plan_profile(r, place);
    }
    for (unsigned i = 0; i < pipeline->sink_count - pipeline->has_dead_letters; i++) {
        memory = (pipeline->sinks[i].loaded == NULL || plan_sink(r, &pipeline->sinks[i])) && memory;
    }
    return memory;
}

/* Where one field is not in clear, it may be anywhere in what cannot be read. */
static void plan_unreadable(struct reading *r)
{
    struct protect *protect = r->protection->protect;
    for (unsigned place = 0; r->section != NULL && place < PROTECT_PLACES; place++) {
        protect->hides[place] = r->protection->settings.places[place] != PROTECT_CLEAR;
        for (uint32_t t = 0; t < r->pipeline->catalog.type_count; t++) {
            protect->hides[place] = protect->hides[place] || protect->events[place][t] != NULL;
        }
    }
}

static void plan_letters(struct reading *r)
{
    const struct node *at = config_get(r->section, "dead_letters");
    struct protect *protect = r->protection->protect;
    protect->seals_letters = r->section != NULL && r->protection->settings.dead_letters != 0;
    if (protect->seals_letters && r->pipeline->has_dead_letters) {
        use(r, PROTECT_ENCRYPT, at != NULL ? at : r->section, "dead_letters");
    }
}

static bool is_wanted(const struct pipeline *pipeline, const struct node *section)
{
    bool wanted = !config_is_absent(section);
    for (unsigned i = 0; i < pipeline->sink_count; i++) {
        wanted = wanted || pipeline->sinks[i].sink.protect > 0;
    }
    return wanted;
}

bool protect_section_load(struct pipeline *pipeline)
{
    static const char *const fields_key[] = {"fields", NULL};
    struct reading r = {.pipeline = pipeline, .config = &pipeline->config, .ok = true};
    struct option_target target;
    const struct node *node = config_get(&pipeline->config.root, "protect");
    if (!pipeline->has_types || !is_wanted(pipeline, node)) {
        return true;
    }
    r.protection = calloc(1, sizeof *r.protection);
    if (r.protection == NULL) {
        return false;
    }
    pipeline->protection = r.protection;
    r.protection->protect = protect_new(&pipeline->catalog);
    r.section = config_is_absent(node) ? NULL : node;
    target = settings_target(SETTINGS_PROTECT, &r.protection->settings);
    if (r.protection->protect == NULL ||
        !options_read(r.config, r.section, r.section, "protect", &target, 1, fields_key)) {
        return false;
    }
    read_keys(&r);
    read_hash_key(&r);
    read_salts(&r);
    check_fields(&r);
    r.ok = plan_all(&r) && r.ok;
    plan_letters(&r);
    plan_unreadable(&r);
    pipeline->catalog.registry.protect = r.protection->protect;
    return r.ok;
}

void protect_section_free(struct pipeline *pipeline)
{
    if (pipeline->protection != NULL) {
        struct option_target target = settings_target(SETTINGS_PROTECT, &pipeline->protection->settings);
        options_free(&target, 1);
        protect_free(pipeline->protection->protect);
        free(pipeline->protection);
        pipeline->protection = NULL;
    }
}
