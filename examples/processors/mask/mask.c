/*
 * Masks personal data, so that nothing behind it – alerts, event sinks, profiles, logs – has it: the fields that an
 * event type's table marks as personal (CHURN_FIELD_PII), and those that the pipeline names.
 */
#include <churn/ext/event_types.h>
#include <churn/plugin.h>
#include <churn/processor.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#define REDACTED "[redacted]"
#define STARS "****"
#define LEAST_KEY 16   /* bytes */
#define SHOWN 4        /* characters at the end */
#define LEAST_SHOWN 8  /* characters of a text of which some are shown */
#define DIGEST_SIZE 32 /* bytes of SHA-256 */

enum { METHOD_REDACT, METHOD_HASH, METHOD_KEEP_LAST_4 };

struct mask {
    churn_list fields; /* options */
    int32_t all_pii;
    int32_t method;
    const char *key;
    char *text; /* the masked value at hand */
    size_t room;
};

static const char *const methods[] = {"redact", "hash", "keep_last_4", NULL};

static const churn_option options[] = {
    {"method", .type = CHURN_OPTION_ENUM, .default_text = "redact", .choices = methods,
     .offset = offsetof(struct mask, method),
     .help = "What a masked text becomes: [redacted]; a keyed hash, the same for the same text; or stars and its last "
             "four characters."},
    {"all_pii", .type = CHURN_OPTION_BOOL, .default_text = "true", .offset = offsetof(struct mask, all_pii),
     .help = "Mask every field that its event type marks as personal data."},
    {"fields", .type = CHURN_OPTION_LIST, .offset = offsetof(struct mask, fields),
     .help = "Further members of `data` to mask, in events of any type. One that no table declares is removed."},
    {"key", .type = CHURN_OPTION_STRING, .flags = CHURN_OPTION_SECRET, .offset = offsetof(struct mask, key),
     .help = "The secret of `method: hash`, at least 16 bytes. Who has it can find out which text a hash stands for."},
};

/* --- Which fields --- */

static int is_named(const struct mask *m, const char *name)
{
    for (uint32_t i = 0; i < m->fields.count; i++) {
        if (strcmp(m->fields.items[i], name) == 0) {
            return 1;
        }
    }
    return 0;
}

static int is_masked(const struct mask *m, const churn_field *field)
{
    return (m->all_pii && (field->flags & CHURN_FIELD_PII) != 0) || is_named(m, field->name);
}

/* Anything else can only be removed. */
static int is_free_text(const churn_field *field)
{
    return field->type == CHURN_FIELD_STRING && field->choices == NULL;
}

static const churn_field *row(const churn_field *rows, uint32_t stride, uint32_t i)
{
    return (const churn_field *)(const void *)((const char *)rows + (size_t)i * stride);
}

static int32_t check_type(const struct mask *m, const churn_event_type *type, const char *name, churn_error *err)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const churn_field *field = row(type->fields, type->field_stride, i);
        if (is_masked(m, field) && !is_free_text(field) && (field->flags & CHURN_FIELD_REQUIRED) != 0) {
            return churn_fail_option(err, is_named(m, field->name) ? "fields" : "all_pii",
                                     "%s.%s is required and no free text, so it can be neither masked nor removed",
                                     name, field->name);
        }
    }
    return CHURN_OK;
}

static int32_t mask_create(void *self, const churn_host *host, churn_error *err)
{
    const struct mask *m = self;
    const churn_event_types *types = host->get_extension(host, CHURN_EVENT_TYPES_ID);
    int32_t result = CHURN_OK;
    if (m->method == METHOD_HASH && (m->key == NULL || strlen(m->key) < LEAST_KEY)) {
        return churn_fail_option(err, "key", "`method: hash` needs a key of at least %d bytes", LEAST_KEY);
    }
    for (uint32_t i = 0; types != NULL && i < types->count(host) && result == CHURN_OK; i++) {
        const char *name;
        const churn_event_type *type = types->at(host, i, &name);
        result = check_type(m, type, name, err);
    }
    return result;
}

/* --- What they become --- */

static int make_room(struct mask *m, size_t size)
{
    char *grown;
    if (size <= m->room) {
        return 1;
    }
    grown = realloc(m->text, size);
    if (grown == NULL) {
        return 0;
    }
    m->text = grown;
    m->room = size;
    return 1;
}

static churn_str str(const char *ptr, size_t len)
{
    return (churn_str){.ptr = ptr, .len = (uint32_t)len};
}

/* HMAC-SHA-256 in hexadecimal; length 0 when it could not be made. */
static churn_str hashed(struct mask *m, churn_str value)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    if (!make_room(m, 2 * DIGEST_SIZE) || HMAC(EVP_sha256(), m->key, (int)strlen(m->key),
                                               (const unsigned char *)value.ptr, value.len, digest, &len) == NULL) {
        return str(NULL, 0);
    }
    for (unsigned int i = 0; i < len; i++) {
        m->text[2 * i] = digits[digest[i] >> 4];
        m->text[2 * i + 1] = digits[digest[i] & 15];
    }
    return str(m->text, 2 * (size_t)len);
}

/* Where the last `count` characters of a UTF-8 text begin; its beginning when it has no more. */
static uint32_t last_characters(churn_str value, unsigned count)
{
    uint32_t at = value.len;
    while (at > 0 && count > 0) {
        at--;
        count -= ((unsigned char)value.ptr[at] & 0xc0) != 0x80;
    }
    return at;
}

static churn_str last_shown(struct mask *m, churn_str value)
{
    uint32_t at = last_characters(value, SHOWN);
    if (last_characters(value, LEAST_SHOWN - 1) == 0) { /* it has fewer than LEAST_SHOWN */
        return str(STARS, strlen(STARS));
    }
    if (!make_room(m, strlen(STARS) + value.len)) {
        return str(NULL, 0);
    }
    memcpy(m->text, STARS, strlen(STARS));
    memcpy(m->text + strlen(STARS), value.ptr + at, value.len - at);
    return str(m->text, strlen(STARS) + value.len - at);
}

static churn_str masked(struct mask *m, churn_str value)
{
    switch (m->method) {
    case METHOD_HASH:
        return hashed(m, value);
    case METHOD_KEEP_LAST_4:
        return last_shown(m, value);
    default:
        return str(REDACTED, strlen(REDACTED));
    }
}

static int32_t mask_field(struct mask *m, const churn_field *field, churn_str value, churn_edit *edit, churn_error *err)
{
    churn_str text;
    if (!is_free_text(field)) {
        return edit->remove(edit, field->name, err);
    }
    text = masked(m, value);
    if (text.len == 0) { /* rather stop than let it through */
        return churn_fail(err, CHURN_FATAL, "data.%s cannot be masked: out of memory", field->name);
    }
    return edit->set_text(edit, field->name, text, err);
}

static int is_declared(const churn_event *event, const char *name)
{
    for (uint32_t i = 0; i < event->value_count; i++) {
        if (strcmp(row(event->fields, event->field_stride, i)->name, name) == 0) {
            return 1;
        }
    }
    return 0;
}

static int32_t mask_transform(void *self, const churn_event *event, churn_edit *edit, churn_error *err)
{
    struct mask *m = self;
    int32_t result = CHURN_OK;
    for (uint32_t i = 0; i < event->value_count && result == CHURN_OK; i++) {
        const churn_field *field = row(event->fields, event->field_stride, i);
        if (event->values[i].present && is_masked(m, field)) {
            result = mask_field(m, field, event->values[i].text, edit, err);
        }
    }
    for (uint32_t i = 0; i < m->fields.count && result == CHURN_OK; i++) {
        if (!is_declared(event, m->fields.items[i])) {
            result = edit->remove(edit, m->fields.items[i], err);
        }
    }
    return result;
}

static void mask_destroy(void *self)
{
    struct mask *m = self;
    free(m->text);
}

/* For hosts that do not know transform. */
static int32_t mask_process(void *self, const churn_event *event, churn_error *err)
{
    (void)self;
    (void)event;
    return churn_fail(err, CHURN_FATAL, "needs a host of ABI 1.2, which lets processors change events");
}

static const churn_processor_ops ops = {
    .size = sizeof(churn_processor_ops),
    .create = mask_create,
    .destroy = mask_destroy,
    .process = mask_process,
    .transform = mask_transform,
};

CHURN_PLUGIN(.kind = CHURN_KIND_PROCESSOR, .name = "mask", .version = "1.0.0",
             .summary = "Masks personal data in events", CHURN_OPTIONS(options, struct mask), .ops = &ops);
