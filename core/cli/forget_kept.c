#include "cli/forget_kept.h"

#include "base/json_build.h"
#include "base/json_parse.h"
#include "engine/letter.h"
#include "event/owner.h"
#include "pipeline/protect_section.h"
#include "pipeline/section_view.h"
#include <string.h>

#define MAX_DEPTH 512
#define MOST_PLACES 20 /* of records that cannot be told, which are listed */
#define NOBODY (-1)
#define UNTOLD (-2)

bool forget_kept_can(const struct section *section)
{
    return section->loaded != NULL && section->loaded->plugin.kind == CHURN_KIND_SINK &&
           section->loaded->ops.sink.search != NULL;
}

static struct json_object *parse(churn_str text)
{
    bool ok;
    struct json_object *object = text.ptr != NULL ? json_parse(text.ptr, text.len, MAX_DEPTH, &ok) : NULL;
    if (!json_object_is_type(object, json_type_object)) {
        (void)json_object_put(object);
        return NULL;
    }
    return object;
}

/* ---- what cannot be told ---- */

static struct json_object *entry_of(struct forget_kept *search, const char *place, const char *why)
{
    struct json_object *entry;
    for (size_t i = json_object_array_length(search->untold); i > 0; i--) {
        entry = json_object_array_get_idx(search->untold, i - 1);
        if (strcmp(json_object_get_string(json_object_object_get(entry, "file")), place) == 0 &&
            strcmp(json_object_get_string(json_object_object_get(entry, "why")), why) == 0) {
            return entry;
        }
    }
    entry = json_object_new_object();
    json_add_text(entry, "section", search->section->label);
    json_add_text(entry, "file", place);
    json_add_text(entry, "why", why);
    (void)json_object_array_add(search->untold, entry);
    return entry;
}

static void note_untold(struct forget_kept *search, const churn_kept *kept, const char *why)
{
    struct json_object *entry = entry_of(search, kept->place, why), *records, *at;
    if (kept->value.ptr == NULL) {
        return;
    }
    if (!json_object_object_get_ex(entry, "records", &records)) {
        json_add(entry, "records", json_object_new_int64(0));
        json_add(entry, "at", json_object_new_array());
    }
    records = json_object_object_get(entry, "records");
    at = json_object_object_get(entry, "at");
    (void)json_object_set_int64(records, json_object_get_int64(records) + 1);
    if (json_object_array_length(at) < MOST_PLACES) {
        (void)json_object_array_add(at, json_object_new_int64(kept->at));
    }
}

/* ---- whose a record is ---- */

static int find(const struct forget_kept *search, churn_str id)
{
    return id.ptr != NULL ? name_index_find(&search->ids, id.ptr, id.len) : NOBODY;
}

/* UNTOLD: it has none. */
static int customer_in(const struct forget_kept *search, struct json_object *object)
{
    churn_str customer;
    return owner_in(object, &customer) ? find(search, customer) : UNTOLD;
}

/* Records of after the customers were forgotten stay. */
static bool is_later(const struct forget_kept *search, const struct letter *letter, struct json_object *value)
{
    char name[sizeof search->ends->items[0].name];
    (void)snprintf(name, sizeof name, "%.*s/%d", (int)letter->topic.len, letter->topic.ptr, (int)letter->partition);
    if (value != NULL && owner_time(value, INT64_MAX) < search->until_ms) {
        return false;
    }
    for (size_t i = 0; i < search->ends->count; i++) {
        if (strcmp(search->ends->items[i].name, name) == 0) {
            return letter->offset >= search->ends->items[i].offset;
        }
    }
    return false;
}

/* Of a line that holds a record. What was too large is not in it; then its key is all that it says of a customer. */
static int customer_of_letter(struct forget_kept *search, const churn_kept *kept, const struct letter *letter,
                              bool opened, const char *why)
{
    struct json_object *value = opened ? parse(letter->value) : NULL;
    int customer = value != NULL ? customer_in(search, value) : UNTOLD;
    if (customer == UNTOLD) {
        customer = find(search, letter->key);
    }
    if (customer >= 0 && letter->topic.ptr != NULL && search->ends != NULL && is_later(search, letter, value)) {
        customer = NOBODY;
    } else if (customer == NOBODY && value == NULL && letter->value.ptr != NULL && letter->hash.ptr == NULL) {
        note_untold(search, kept, opened ? "the record is no JSON object" : why);
    }
    (void)json_object_put(value);
    return customer;
}

static void tell(const struct forget_kept *search, const churn_kept *kept, int customer, struct json_object *line,
                 churn_str value)
{
    const struct kept_record record = {.section = search->section,
                                       .customer = (unsigned)customer,
                                       .place = kept->place,
                                       .at = kept->at,
                                       .line = line,
                                       .value = value};
    search->found(search->ctx, &record);
}

static int judge_letter(struct forget_kept *search, const churn_kept *kept, struct json_object *line)
{
    const churn_record record = {.size = sizeof record, .value = kept->value};
    struct letter letter;
    char why[256];
    enum letter_kind kind =
        letter_read(&letter, &record, true, protect_section_ring(search->pipeline), why, sizeof why);
    bool sealed = json_object_object_get_ex(line, "encrypted", NULL);
    int customer = customer_of_letter(search, kept, &letter, kind == LETTER_GOOD || !sealed, why);
    if (customer >= 0) {
        tell(search, kept, customer, line, letter.value);
    }
    letter_free(&letter);
    return customer;
}

static int judge(struct forget_kept *search, const churn_kept *kept)
{
    struct json_object *line = parse(kept->value);
    int customer = line != NULL ? customer_in(search, line) : UNTOLD;
    if (line == NULL) {
        note_untold(search, kept, "the line is no JSON object");
    } else if (customer == UNTOLD) {
        customer = judge_letter(search, kept, line);
    } else if (customer >= 0) {
        tell(search, kept, customer, line, (churn_str){.ptr = NULL});
    }
    (void)json_object_put(line);
    return customer;
}

static int32_t take(void *ctx, const churn_kept *kept)
{
    struct forget_kept *search = ctx;
    if (kept->value.ptr == NULL) {
        note_untold(search, kept, kept->why != NULL ? kept->why : "it cannot be read");
        return CHURN_OK;
    }
    if ((kept->flags & CHURN_KEPT_HALF) != 0) {
        if (!search->erase) {
            note_untold(search, kept, "its erasing was cut short: forget the customer again");
        }
        return search->erase ? CHURN_REJECT : CHURN_OK;
    }
    return judge(search, kept) >= 0 && search->erase ? CHURN_REJECT : CHURN_OK;
}

/* ---- all sinks ---- */

static bool index_ids(struct forget_kept *search)
{
    for (unsigned i = 0; i < search->count; i++) {
        int32_t id = name_index_find(&search->ids, search->customers[i], strlen(search->customers[i]));
        if (id < 0 && name_index_add(&search->ids, search->customers[i]) < 0) {
            return false;
        }
    }
    return true;
}

int32_t forget_kept_search(struct forget_kept *search, churn_error *err)
{
    const struct pipeline *pipeline = search->pipeline;
    int32_t result = CHURN_OK;
    search->untold = json_object_new_array();
    if (search->untold == NULL || !index_ids(search)) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    for (unsigned i = 0; i < pipeline->sink_count && result == CHURN_OK; i++) {
        struct section_view view;
        search->section = &pipeline->sinks[i];
        if (forget_kept_can(search->section)) {
            section_view_read(&view, search->section->node);
            result = search->section->loaded->ops.sink.search(&view.face, take, search, err);
        }
    }
    return result;
}

void forget_kept_free(struct forget_kept *search)
{
    name_index_free(&search->ids);
    (void)json_object_put(search->untold);
}
