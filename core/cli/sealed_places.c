#include "cli/sealed_places.h"

#include "base/json_parse.h"
#include "engine/output.h"
#include "event/protect.h"
#include <json-c/json.h>
#include <stdlib.h>

#define MAX_DEPTH 128 /* an event may have 64 levels, and stand in what another program wraps around it */

struct sealed_place {
    churn_str sealed;
    churn_str event_id, customer, field; /* of an event or alert */
    churn_str letter;                    /* of a dead letter: its topic or id; else NULL */
    int32_t partition;
    int64_t offset;
};

static void walk(struct sealed_places *places, struct json_object *value);

static bool get_text(struct json_object *object, const char *name, churn_str *ret)
{
    struct json_object *member;
    if (!json_object_object_get_ex(object, name, &member) || !json_object_is_type(member, json_type_string)) {
        return false;
    }
    *ret = (churn_str){.ptr = json_object_get_string(member), .len = (uint32_t)json_object_get_string_len(member)};
    return true;
}

static bool get_number(struct json_object *object, const char *name, int64_t *ret)
{
    struct json_object *member;
    if (!json_object_object_get_ex(object, name, &member) || !json_object_is_type(member, json_type_int)) {
        return false;
    }
    *ret = json_object_get_int64(member);
    return true;
}

static void add(struct sealed_places *places, const struct sealed_place *place)
{
    if (places->count == places->room) {
        unsigned room = places->room > 0 ? 2 * places->room : 16;
        struct sealed_place *grown = realloc(places->items, room * sizeof *grown);
        if (grown == NULL) {
            places->failed = true;
            return;
        }
        places->items = grown;
        places->room = room;
    }
    places->items[places->count++] = *place;
}

static void add_event(struct sealed_places *places, struct json_object *event)
{
    struct json_object *data;
    struct sealed_place place = {0};
    if (!get_text(event, "event_id", &place.event_id) || !get_text(event, "customer_id", &place.customer) ||
        !json_object_object_get_ex(event, "data", &data) || !json_object_is_type(data, json_type_object)) {
        return;
    }
    places->told = true;
    json_object_object_foreach(data, name, value)
    {
        (void)value;
        place.field = churn_text(name);
        if (get_text(data, name, &place.sealed) && seal_is(place.sealed, NULL)) {
            add(places, &place);
        }
    }
}

/* As a file sink or the tap writes it; other programs show the letter's own position by the same names. */
static bool is_letter(struct json_object *object)
{
    churn_str point;
    return json_object_object_get_ex(object, "reason", NULL) ||
           (get_text(object, "at", &point) && str_equals(point, "dead_letters"));
}

static void add_letter(struct sealed_places *places, struct json_object *letter)
{
    struct sealed_place place = {.offset = -1};
    int64_t partition = 0;
    bool at = get_text(letter, "topic", &place.letter) && get_number(letter, "partition", &partition) &&
              get_number(letter, "offset", &place.offset);
    place.partition = (int32_t)partition;
    if (is_letter(letter) && (at || get_text(letter, "id", &place.letter)) &&
        (get_text(letter, "value", &place.sealed) || get_text(letter, "text", &place.sealed)) &&
        seal_is(place.sealed, NULL)) {
        places->told = true;
        add(places, &place);
    }
}

/* JSON in a text, as where a tool shows a record's value. */
static void walk_text(struct sealed_places *places, const char *text, size_t len)
{
    struct json_object **grown, *value;
    bool ok;
    if (memmem(text, len, SEAL_ANY_PREFIX, sizeof SEAL_ANY_PREFIX - 1) == NULL ||
        (value = json_parse(text, len, MAX_DEPTH, &ok)) == NULL) {
        return;
    }
    grown = realloc((void *)places->lines, (places->line_count + 1) * sizeof *grown);
    if (grown == NULL) {
        places->failed = true;
        (void)json_object_put(value);
        return;
    }
    places->lines = grown;
    grown[places->line_count++] = value;
    walk(places, value);
}

static void walk(struct sealed_places *places, struct json_object *value)
{
    if (json_object_is_type(value, json_type_object)) {
        add_event(places, value);
        add_letter(places, value);
        json_object_object_foreach(value, name, member)
        {
            (void)name;
            walk(places, member);
        }
    } else if (json_object_is_type(value, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(value); i++) {
            walk(places, json_object_array_get_idx(value, i));
        }
    } else if (json_object_is_type(value, json_type_string)) {
        walk_text(places, json_object_get_string(value), (size_t)json_object_get_string_len(value));
    }
}

static void forget(struct sealed_places *places)
{
    for (unsigned i = 0; i < places->line_count; i++) {
        (void)json_object_put(places->lines[i]);
    }
    places->line_count = places->count = 0;
    places->told = false;
}

void sealed_places_find(struct sealed_places *places, const char *line, size_t len)
{
    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r')) {
        len--;
    }
    forget(places);
    walk_text(places, line, len);
}

/* The salt of whom a place is of; NULL: it cannot be had. */
static const unsigned char *salt_of(const struct sealed_places *places, const struct sealed_place *place,
                                    unsigned char salt[SEAL_SALT_SIZE])
{
    churn_error err = {.size = sizeof err};
    return places->salts != NULL && place->letter.ptr == NULL && seal_is_salted(place->sealed) &&
                   salts_find(places->salts, place->customer, false, salt, &err) == CHURN_OK
               ? salt
               : NULL;
}

/* Whether the text was encrypted for a place; *json is set then. */
static bool belongs(const struct sealed_places *places, const struct sealed_place *place, struct text *scratch,
                    const struct seal_ring *ring)
{
    unsigned char salt[SEAL_SALT_SIZE];
    char text[OUTPUT_PLACE_SIZE];
    struct seal_place at = place->letter.ptr != NULL
                               ? output_letter_place(text, place->letter, place->partition, place->offset)
                               : protect_event_place(place->event_id, place->customer, place->field);
    bool ok;
    at.salt = salt_of(places, place, salt);
    ok = seal_open(scratch, ring, &at, place->sealed) == SEAL_OPENED;
    scratch->len = 0;
    return ok;
}

/* A text that stands in several places has to belong to each. */
static enum sealed_state judge(const struct sealed_places *places, const struct seal_ring *ring, churn_str sealed,
                               churn_str *ret_field)
{
    struct text scratch = {0};
    enum sealed_state state = places->told ? SEALED_ELSEWHERE : SEALED_ANYWHERE;
    *ret_field = (churn_str){.ptr = ""};
    for (unsigned i = 0; i < places->count; i++) {
        const struct sealed_place *place = &places->items[i];
        if (!churn_equal(place->sealed, sealed)) {
            continue;
        }
        state = SEALED_HERE;
        if (!belongs(places, place, &scratch, ring)) {
            *ret_field = place->letter.ptr != NULL ? (churn_str){.ptr = ""} : place->field;
            state = SEALED_ELSEWHERE;
            break;
        }
    }
    text_free(&scratch);
    return state;
}

enum seal_result sealed_places_open(const struct sealed_places *places, struct text *out, const struct seal_ring *ring,
                                    churn_str sealed, bool *ret_json, enum sealed_state *ret_state,
                                    churn_str *ret_field)
{
    unsigned char salt[SEAL_SALT_SIZE];
    const unsigned char *own = NULL;
    size_t len = out->len;
    enum seal_result result;
    for (unsigned i = 0; i < places->count && own == NULL; i++) {
        own = churn_equal(places->items[i].sealed, sealed) ? salt_of(places, &places->items[i], salt) : NULL;
    }
    result = seal_open_anywhere(out, ring, own, sealed, ret_json);
    if (result == SEAL_OPENED) {
        *ret_state = judge(places, ring, sealed, ret_field);
        if (*ret_state == SEALED_ELSEWHERE) {
            out->len = len;
            result = SEAL_FORGED;
        }
    }
    return result;
}

void sealed_places_free(struct sealed_places *places)
{
    forget(places);
    free((void *)places->lines);
    free(places->items);
    *places = (struct sealed_places){0};
}
