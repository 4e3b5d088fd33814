#include "event/protect.h"

#include "base/decimal.h"
#include "base/json_parse.h"
#include "event/alert_message.h"
#include <churn/time.h>
#include <json-c/json.h>
#include <sodium.h>
#include <stdlib.h>

#define HASH_SIZE 32
#define OPEN_MAX_SIZE (2 * EVENT_MAX_SIZE) /* in clear it has to be smaller */
#define HASH_DATA 43                       /* of that in base64 without padding */
#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

/* ---- plans ---- */

struct protect *protect_new(const struct catalog *catalog)
{
    struct protect *protect = calloc(1, sizeof *protect);
    bool ok = protect != NULL;
    for (unsigned place = 0; ok && place < PLACE_COUNT; place++) {
        protect->events[place] = calloc(catalog->type_count + 1, sizeof *protect->events[place]);
        protect->profile[place] = calloc(catalog->registry.field_count + catalog->registry.derived_count + 1, 1);
        ok = protect->events[place] != NULL && protect->profile[place] != NULL;
    }
    if (protect != NULL) {
        protect->catalog = catalog;
    }
    if (!ok) {
        protect_free(protect);
        return NULL;
    }
    return protect;
}

void protect_free(struct protect *protect)
{
    for (unsigned place = 0; protect != NULL && place < PLACE_COUNT; place++) {
        for (uint32_t i = 0; protect->events[place] != NULL && i < protect->catalog->type_count; i++) {
            free(protect->events[place][i]);
        }
        free((void *)protect->events[place]);
        free(protect->profile[place]);
    }
    if (protect != NULL) {
        seal_ring_free(&protect->ring);
        key_wipe(&protect->hash_key);
    }
    free(protect);
}

uint8_t *protect_plan(struct protect *protect, unsigned place, uint32_t type)
{
    uint8_t **plan = &protect->events[place][type];
    if (*plan == NULL) {
        *plan = calloc(protect->catalog->types[type].table.field_count + 1, 1);
    }
    return *plan;
}

/* ---- one text ---- */

bool protect_is_done(churn_str text)
{
    size_t prefix = sizeof PROTECT_HASH_PREFIX - 1;
    bool hashed = text.len == prefix + HASH_DATA && memcmp(text.ptr, PROTECT_HASH_PREFIX, prefix) == 0;
    for (size_t i = prefix; hashed && i < text.len; i++) {
        char c = text.ptr[i];
        hashed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    }
    return hashed || str_equals(text, PROTECT_MASK_TEXT) || seal_is(text, NULL);
}

static void append_hash(struct text *out, const struct protect *protect, churn_str text)
{
    unsigned char hash[HASH_SIZE];
    key_hash(&protect->hash_key, "churnd value", &text, 1, hash, sizeof hash);
    text_append_string(out, PROTECT_HASH_PREFIX);
    if (text_reserve(out, HASH_DATA + 1)) {
        (void)sodium_bin2base64(out->bytes + out->len, HASH_DATA + 1, hash, sizeof hash, VARIANT);
        out->len += HASH_DATA; /* a NUL ends it */
    }
}

void protect_append(struct text *out, const struct protect *protect, enum protect_action action,
                    const struct seal_place *place, churn_str text)
{
    switch (action) {
    case PROTECT_HASH:
        append_hash(out, protect, text);
        break;
    case PROTECT_ENCRYPT:
        seal_append(out, &protect->ring, place, text);
        break;
    default:
        text_append_string(out, PROTECT_MASK_TEXT);
    }
}

struct seal_place protect_event_place(churn_str event_id, churn_str customer, churn_str field)
{
    return (struct seal_place){.kind = "event", .record = event_id, .owner = customer, .field = field, .json = true};
}

struct seal_place protect_profile_place(const struct registry_field *field, churn_str customer, churn_str tag)
{
    return (struct seal_place){.kind = "profile", .record = tag, .owner = customer, .field = field->name};
}

bool protect_cut_mark(churn_str *tag)
{
    uint32_t len = sizeof PROTECT_SEALED_MARK - 1;
    bool marked = tag->len >= len && memcmp(tag->ptr, PROTECT_SEALED_MARK, len) == 0;
    if (marked) {
        tag->ptr += len;
        tag->len -= len;
    }
    return marked;
}

/* ---- events and alerts ---- */

/* A text among a protector's own. */
struct kept {
    size_t at;
    uint32_t len;
};

/* A field that is to be protected, and what it holds. */
struct hidden {
    const churn_field *field;
    enum protect_action action;
    struct kept text; /* unescaped; of a number, true or false its JSON */
};

struct protector {
    const struct protect *protect;
    struct json_scanner *scanner;
    struct text texts; /* copies: the scanner's own end with its next call */
    struct text data, payload, value;
    const uint8_t *plan;               /* of the line's type: an action for each of its rows */
    struct text from_template, masked; /* what the type's template makes of the line, and that with masks */
    bool has_templates;
    struct hidden *hidden; /* of the line at hand */
    uint32_t hidden_count;
    struct kept event_id, customer;
    const char *data_at; /* the `data` that counts */
    bool is_alert;
    bool changed;
    struct reject *reject; /* of what is opened; NULL: it is protected */
    enum protect_result result;
    struct text salted; /* the customer whose salt is at hand */
    bool has_salt;
    unsigned char salt[SEAL_SALT_SIZE];
};

struct protector *protector_new(const struct protect *protect)
{
    struct protector *p = calloc(1, sizeof *p);
    if (p != NULL) {
        p->protect = protect;
        p->scanner = json_scanner_new(&protect->catalog->data_names);
        p->hidden = calloc(protect->catalog->max_field_count + 1, sizeof *p->hidden);
    }
    if (p != NULL && (p->scanner == NULL || p->hidden == NULL)) {
        protector_free(p);
        return NULL;
    }
    return p;
}

void protector_free(struct protector *p)
{
    if (p != NULL) {
        json_scanner_free(p->scanner);
        text_free(&p->texts);
        text_free(&p->data);
        text_free(&p->payload);
        text_free(&p->value);
        text_free(&p->from_template);
        text_free(&p->masked);
        text_free(&p->salted);
        sodium_memzero(p->salt, sizeof p->salt);
        free(p->hidden);
        free(p);
    }
}

void protector_salt(struct protector *p, churn_str customer, const unsigned char *salt)
{
    p->salted.len = 0;
    text_append(&p->salted, customer.ptr, customer.len);
    p->has_salt = salt != NULL && !p->salted.failed;
    if (p->has_salt) {
        memcpy(p->salt, salt, sizeof p->salt);
    }
}

static struct kept keep(struct protector *p, churn_str text)
{
    struct kept kept = {.at = p->texts.len, .len = text.len};
    text_append(&p->texts, text.ptr, text.len);
    return kept;
}

static churn_str kept_str(const struct protector *p, struct kept kept)
{
    return (churn_str){.ptr = kept.len > 0 ? p->texts.bytes + kept.at : "", .len = kept.len};
}

static void add_member(struct text *object, churn_str name, churn_str json)
{
    if (object->bytes != NULL && object->len > 1) {
        text_append(object, ",", 1);
    }
    text_append_json(object, name.ptr, name.len);
    text_append(object, ":", 1);
    text_append(object, json.ptr, json.len);
}

static churn_str text_str(const struct text *text)
{
    return (churn_str){.ptr = text->bytes, .len = (uint32_t)text->len};
}

/* Reads the members that a line is told by, and its type; NULL: it is no event or alert of a type that is loaded. */
static const struct event_type *read_line(struct protector *p, churn_str json)
{
    const struct json_token *id, *customer, *type, *data;
    int32_t index;
    if (json.len == 0 || json_scan(p->scanner, json.ptr, json.len) != JSON_OK) {
        return NULL;
    }
    id = json_scan_member(p->scanner, JSON_MEMBER_EVENT_ID);
    customer = json_scan_member(p->scanner, JSON_MEMBER_CUSTOMER_ID);
    type = json_scan_member(p->scanner, JSON_MEMBER_EVENT_TYPE);
    data = json_scan_member(p->scanner, JSON_MEMBER_DATA);
    if (id->kind != JSON_STRING || customer->kind != JSON_STRING || type->kind != JSON_STRING ||
        data->kind != JSON_OBJECT) {
        return NULL;
    }
    index = name_index_find(&p->protect->catalog->type_names, type->text.ptr, type->text.len);
    p->texts.len = 0;
    p->event_id = keep(p, id->text);
    p->customer = keep(p, customer->text);
    p->data_at = data->text.ptr;
    p->hidden_count = 0;
    p->changed = false;
    p->is_alert = false;
    p->result = PROTECT_DONE;
    return index >= 0 ? &p->protect->catalog->types[index] : NULL;
}

/* With the salt of whom the line is of, where it is at hand. */
static struct seal_place place_of(const struct protector *p, churn_str field)
{
    churn_str customer = kept_str(p, p->customer);
    struct seal_place place = protect_event_place(kept_str(p, p->event_id), customer, field);
    bool at_hand =
        p->has_salt && p->salted.len == customer.len && memcmp(p->salted.bytes, customer.ptr, customer.len) == 0;
    place.salt = at_hand ? p->salt : NULL;
    return place;
}

/* A field's text, or its JSON, as an alert's message says it. */
static void append_shown(struct text *out, const churn_field *field, churn_str text)
{
    int64_t number;
    if ((field->type == CHURN_FIELD_INT && decimal_parse_int64(text.ptr, text.len, &number)) || /* -0 is 0 */
        (field->type == CHURN_FIELD_MONEY && decimal_parse_money(text.ptr, text.len, &number)) ||
        (field->type == CHURN_FIELD_TIME && churn_time_parse(text.ptr, text.len, &number))) {
        alert_message_append_number(out, field->type, number);
    } else {
        text_append(out, text.ptr, text.len);
    }
}

/* ---- an alert's message ---- */

/* As alert_value_fn, of the line at hand. */
static bool show_token(const void *ctx, const struct event_type *type, uint32_t row, struct text *out)
{
    const struct protector *p = ctx;
    const struct json_token *token = json_scan_data(p->scanner, type->data_names[row]);
    if (token->kind == JSON_ABSENT) {
        return false;
    }
    append_shown(out, event_type_field(type, row), token->text);
    return true;
}

static bool show_masked(const void *ctx, const struct event_type *type, uint32_t row, struct text *out)
{
    const struct protector *p = ctx;
    const struct json_token *token = json_scan_data(p->scanner, type->data_names[row]);
    if (p->plan[row] == PROTECT_CLEAR || token->kind == JSON_ABSENT || protect_is_done(token->text)) {
        return show_token(ctx, type, row, out);
    }
    text_append_string(out, PROTECT_MASK_TEXT);
    return true;
}

/* Writes the message that the type's template makes of the line, and the same with what is hidden masked, while there
 * are tokens. A line that is no alert needs neither. */
static void write_templates(struct protector *p, const struct event_type *type, churn_str json)
{
    static const char member[] = "\"alert_id\"";
    p->from_template.len = p->masked.len = 0;
    p->has_templates = memmem(json.ptr, json.len, member, sizeof member - 1) != NULL;
    if (p->has_templates) {
        churn_str customer = kept_str(p, p->customer);
        alert_message_append(&p->from_template, type, customer, show_token, p);
        alert_message_append(&p->masked, type, customer, show_masked, p);
    }
}

/* Of each prefix of a text, how long the longest one is that also ends it, itself excepted (Knuth, Morris, Pratt). */
static void note_borders(const char *text, size_t len, uint32_t *borders)
{
    uint32_t border = 0;
    borders[0] = 0;
    for (size_t i = 1; i < len; i++) {
        while (border > 0 && text[i] != text[border]) {
            border = borders[border - 1];
        }
        border += text[i] == text[border];
        borders[i] = border;
    }
}

/* Sets `marks` at each character of `message` that belongs to an occurrence of `hidden`, those that overlap too: in
 * time linear in both, for both are strangers'. False when memory ran out. */
static bool mark_hidden(const struct text *message, const struct text *hidden, char *marks)
{
    uint32_t *borders = malloc(hidden->len * sizeof *borders), matched = 0;
    size_t marked = 0;
    if (borders == NULL) {
        return false;
    }
    note_borders(hidden->bytes, hidden->len, borders);
    for (size_t i = 0; i < message->len; i++) {
        while (matched > 0 && (matched == hidden->len || message->bytes[i] != hidden->bytes[matched])) {
            matched = borders[matched - 1];
        }
        matched += message->bytes[i] == hidden->bytes[matched];
        if (matched == hidden->len) {
            size_t start = i + 1 - matched, from = start > marked ? start : marked;
            memset(marks + from, 1, i + 1 - from);
            marked = i + 1;
        }
    }
    free(borders);
    return true;
}

/* Appends `message` with one mask for each run of marked characters: at most twice as long. */
static void append_masked(struct text *out, const struct text *message, const char *marks)
{
    for (size_t at = 0; at < message->len;) {
        bool masked = marks[at] != 0;
        size_t end = at + 1;
        while (end < message->len && (marks[end] != 0) == masked) {
            end++;
        }
        if (masked) {
            text_append_string(out, PROTECT_MASK_TEXT);
        } else {
            text_append(out, message->bytes + at, end - at);
        }
        at = end;
    }
}

/* A message that somebody else wrote, such as a processor: all that is hidden is looked for in it as it came. Neither
 * what replaces one text nor a shorter one within a longer one keeps another from being found. */
static void mask_message(struct protector *p, const struct text *message, struct text *masked)
{
    struct text shown = {0};
    char *marks = calloc(message->len + 1, 1);
    bool ok = marks != NULL;
    for (uint32_t i = 0; ok && i < p->hidden_count; i++) {
        shown.len = 0;
        append_shown(&shown, p->hidden[i].field, kept_str(p, p->hidden[i].text));
        if (shown.len > 0 && shown.len <= message->len && !protect_is_done(kept_str(p, p->hidden[i].text))) {
            ok = mark_hidden(message, &shown, marks);
        }
    }
    if (ok && !shown.failed) {
        append_masked(masked, message, marks);
    } else {
        masked->failed = true;
    }
    free(marks);
    text_free(&shown);
}

/* Whether a message is that of the type's template: then only what stands in the places of hidden fields is masked,
 * and the same characters elsewhere are not. */
static bool is_from_template(const struct protector *p, const struct text *message)
{
    return p->has_templates && message->len == p->from_template.len &&
           (message->len == 0 || memcmp(message->bytes, p->from_template.bytes, message->len) == 0);
}

/* An alert's message, which `json` is, without what is hidden, as JSON in p->value. */
static void write_message(struct protector *p, churn_str json)
{
    struct text message = {0}, searched = {0};
    const struct text *masked = &searched;
    bool ok;
    struct json_object *object = json_parse(json.ptr, json.len, 1, &ok);
    if (json_object_is_type(object, json_type_string)) {
        text_append(&message, json_object_get_string(object), (size_t)json_object_get_string_len(object));
    }
    if (is_from_template(p, &message)) {
        masked = &p->masked;
    } else {
        mask_message(p, &message, &searched);
    }
    p->value.len = 0;
    text_append_json(&p->value, masked->len > 0 ? masked->bytes : "", masked->len);
    p->value.failed = p->value.failed || message.failed || p->from_template.failed || masked->failed;
    text_free(&message);
    text_free(&searched);
    (void)json_object_put(object);
}

static const struct hidden *find_hidden(const struct protector *p, churn_str name)
{
    for (uint32_t i = 0; i < p->hidden_count; i++) {
        if (str_equals(name, p->hidden[i].field->name)) {
            return &p->hidden[i];
        }
    }
    return NULL;
}

/* What is between the quotes of a JSON text; a text that was protected before has no escapes. Of another value: none.
 */
static churn_str quoted(churn_str json)
{
    bool is = json.len >= 2 && json.ptr[0] == '"';
    return is ? (churn_str){.ptr = json.ptr + 1, .len = json.len - 2} : (churn_str){.ptr = ""};
}

/* A member of `data` on its way out. */
static void hide_member(void *ctx, churn_str name, churn_str json)
{
    struct protector *p = ctx;
    const struct hidden *hidden = find_hidden(p, name);
    struct seal_place place = place_of(p, name);
    enum protect_action action;
    if (hidden == NULL || protect_is_done(quoted(json))) {
        add_member(&p->data, name, json);
        return;
    }
    /* Without the salt nobody could make it unreadable later. */
    action =
        p->protect->salts && hidden->action == PROTECT_ENCRYPT && place.salt == NULL ? PROTECT_MASK : hidden->action;
    p->value.len = 0;
    text_append(&p->value, "\"", 1);
    protect_append(&p->value, p->protect, action, &place, action == PROTECT_ENCRYPT ? json : kept_str(p, hidden->text));
    text_append(&p->value, "\"", 1);
    add_member(&p->data, name, text_str(&p->value));
    p->changed = true;
}

/* Says why a field cannot be opened. Its name is a stranger's where no event type declares it. */
static void refuse_member(struct protector *p, churn_str name, churn_str id, enum seal_result result)
{
    bool declared = name_index_find(&p->protect->catalog->data_names, name.ptr, name.len) >= 0;
    const char *shown = declared ? name.ptr : "(undeclared)";
    int len = declared ? (int)name.len : (int)strlen(shown);
    p->result = PROTECT_REFUSED;
    if (result == SEAL_KEY_UNKNOWN) {
        reject_set(p->reject, REJECT_KEY_UNKNOWN,
                   "data.%.*s is encrypted with the key '%.*s', which is not among protect: keys:", len, shown,
                   (int)id.len, id.ptr);
    } else {
        reject_set(p->reject, REJECT_INVALID_VALUE,
                   "data.%.*s is encrypted and cannot be opened: it was changed, or belongs to another event or field",
                   len, shown);
    }
}

/* A member of `data` on its way in. */
static void open_member(void *ctx, churn_str name, churn_str json)
{
    struct protector *p = ctx;
    struct seal_place place = place_of(p, name);
    churn_str sealed = quoted(json), id;
    enum seal_result result = SEAL_NONE;
    if (seal_is(sealed, &id)) {
        p->value.len = 0;
        result = seal_open(&p->value, &p->protect->ring, &place, sealed);
    }
    if (result == SEAL_OPENED) {
        add_member(&p->data, name, text_str(&p->value));
        p->changed = true;
    } else if (result == SEAL_NONE) {
        add_member(&p->data, name, json);
    } else if (result == SEAL_NO_MEMORY) {
        p->result = PROTECT_NO_MEMORY;
    } else if (result == SEAL_SALT_UNKNOWN) {
        p->result = p->result == PROTECT_NO_MEMORY ? p->result : PROTECT_SALT;
    } else if (p->result == PROTECT_DONE) {
        refuse_member(p, name, id, result);
    }
}

/* Of several members `data` only the one that counts is left. */
static void copy_member(void *ctx, churn_str name, churn_str json)
{
    struct protector *p = ctx;
    p->is_alert = p->is_alert || str_equals(name, "alert_id");
    if (str_equals(name, "data")) {
        if (json.ptr == p->data_at) {
            add_member(&p->payload, name, text_str(&p->data));
        }
    } else if (p->is_alert && p->reject == NULL && str_equals(name, "message")) {
        write_message(p, json);
        add_member(&p->payload, name, text_str(&p->value));
    } else {
        add_member(&p->payload, name, json);
    }
}

/* The line once more, each member of its `data` by `exchange`. */
static enum protect_result rewrite(struct protector *p, churn_str json, churn_str data, json_member_fn exchange,
                                   churn_str *ret)
{
    static const char padding[JSON_SCAN_PADDING];
    enum json_result result;
    p->data.len = 0;
    text_append(&p->data, "{", 1);
    result = json_members(p->scanner, data, exchange, p);
    text_append(&p->data, "}", 1);
    if (p->result != PROTECT_DONE || (result == JSON_OK && !p->changed)) {
        return p->result != PROTECT_DONE ? p->result : PROTECT_SAME;
    }
    p->payload.len = 0;
    text_append(&p->payload, "{", 1);
    result = result == JSON_OK ? json_members(p->scanner, json, copy_member, p) : result;
    text_append(&p->payload, "}", 1);
    text_append(&p->payload, padding, sizeof padding);
    if (result != JSON_OK || p->texts.failed || p->data.failed || p->payload.failed || p->value.failed) {
        return PROTECT_NO_MEMORY; /* what was read before can be read again unless memory runs out */
    }
    *ret = (churn_str){.ptr = p->payload.bytes, .len = (uint32_t)(p->payload.len - sizeof padding)};
    return PROTECT_DONE;
}

/* Notes the fields that the line has and the plan protects. */
static void find_all_hidden(struct protector *p, const struct event_type *type)
{
    const uint8_t *plan = p->plan;
    for (uint32_t i = 0; i < type->table.field_count; i++) {
        const struct json_token *token = json_scan_data(p->scanner, type->data_names[i]);
        if (plan[i] != PROTECT_CLEAR && token->kind != JSON_ABSENT) {
            bool has_text = token->kind != JSON_OBJECT && token->kind != JSON_ARRAY;
            p->hidden[p->hidden_count++] =
                (struct hidden){.field = event_type_field(type, i),
                                .action = plan[i],
                                .text = keep(p, has_text ? token->text : (churn_str){.ptr = ""})};
        }
    }
}

enum protect_result protect_line(struct protector *p, unsigned place, churn_str json, churn_str *ret)
{
    const struct event_type *type = read_line(p, json);
    churn_str data;
    if (type == NULL) {
        return PROTECT_OPAQUE;
    }
    p->plan = p->protect->events[place][type - p->protect->catalog->types];
    if (p->plan == NULL) {
        return PROTECT_SAME;
    }
    p->reject = NULL;
    data = json_scan_member(p->scanner, JSON_MEMBER_DATA)->text;
    find_all_hidden(p, type);
    write_templates(p, type, json);
    return p->hidden_count > 0 ? rewrite(p, json, data, hide_member, ret) : PROTECT_SAME;
}

enum protect_result protect_open(struct protector *p, churn_str json, churn_str *ret, struct reject *reject)
{
    static const char sealed[] = "\"" SEAL_ANY_PREFIX;
    enum protect_result result;
    if (json.ptr == NULL || json.len > OPEN_MAX_SIZE || memmem(json.ptr, json.len, sealed, sizeof sealed - 1) == NULL ||
        read_line(p, json) == NULL) {
        return PROTECT_SAME; /* the decoder says what is wrong with it */
    }
    p->reject = reject;
    result = rewrite(p, json, json_scan_member(p->scanner, JSON_MEMBER_DATA)->text, open_member, ret);
    if (result == PROTECT_SALT) {
        *ret = kept_str(p, p->customer);
    }
    return result;
}
