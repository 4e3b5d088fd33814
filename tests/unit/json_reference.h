/* A second reader of JSON, as plain as RFC 8259 reads, for tests to compare with. It knows nothing of events but the
 * members that they keep. */
#ifndef TESTS_UNIT_JSON_REFERENCE_H
#define TESTS_UNIT_JSON_REFERENCE_H

#include "core/event/json_scan.h"

#include "check.h"
#include "tests/support/strict_json.h"

#define REFERENCE_TEXT 4096

/* What a kept member holds; `text` as the scanner gives it. */
struct reference_value {
    uint32_t kind;
    size_t len;
    char text[REFERENCE_TEXT];
};

struct reference {
    const unsigned char *at, *end;
    unsigned deepest;
    struct reference_value members[JSON_MEMBER_COUNT];
    struct reference_value *data; /* by id of data_names */
    const struct name_index *data_names;
};

static inline bool reference_value(struct reference *r, unsigned depth, struct reference_value *out, unsigned level);

static inline void reference_space(struct reference *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r')) {
        r->at++;
    }
}

static inline bool reference_take(struct reference *r, int c)
{
    bool is = r->at < r->end && *r->at == c;
    r->at += is;
    return is;
}

static inline bool reference_hex(struct reference *r, uint32_t *ret)
{
    *ret = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        uint32_t c, lower, digit;
        if (r->at == r->end) {
            return false;
        }
        c = *r->at;
        lower = c | 0x20;
        digit = c >= '0' && c <= '9' ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 16;
        if (digit > 15) {
            return false;
        }
        *ret = *ret * 16 + digit;
    }
    return true;
}

static inline void reference_put(struct reference_value *out, unsigned c)
{
    if (out->len < REFERENCE_TEXT) {
        out->text[out->len++] = (char)c;
    }
}

static inline void reference_put_code(struct reference_value *out, uint32_t c)
{
    if (c < 0x80) {
        reference_put(out, c);
    } else if (c < 0x800) {
        reference_put(out, 0xc0 | c >> 6);
        reference_put(out, 0x80 | (c & 63));
    } else if (c < 0x10000) {
        reference_put(out, 0xe0 | c >> 12);
        reference_put(out, 0x80 | (c >> 6 & 63));
        reference_put(out, 0x80 | (c & 63));
    } else {
        reference_put(out, 0xf0 | c >> 18);
        reference_put(out, 0x80 | (c >> 12 & 63));
        reference_put(out, 0x80 | (c >> 6 & 63));
        reference_put(out, 0x80 | (c & 63));
    }
}

static inline bool reference_unicode(struct reference *r, struct reference_value *out)
{
    uint32_t c, low;
    if (!reference_hex(r, &c) || (c >= 0xdc00 && c <= 0xdfff)) {
        return false;
    }
    if (c >= 0xd800 && c <= 0xdbff) {
        if (!reference_take(r, '\\') || !reference_take(r, 'u') || !reference_hex(r, &low) || low < 0xdc00 ||
            low > 0xdfff) {
            return false;
        }
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    reference_put_code(out, c);
    return true;
}

/* Behind the opening quote. */
static inline bool reference_string(struct reference *r, struct reference_value *out)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    out->kind = JSON_STRING;
    out->len = 0;
    while (r->at < r->end && *r->at != '"') {
        unsigned c = *r->at++;
        if (c < 0x20) {
            return false;
        }
        if (c != '\\') {
            reference_put(out, c);
            continue;
        }
        if (r->at == r->end) {
            return false;
        }
        c = *r->at++;
        if (c == 'u') {
            if (!reference_unicode(r, out)) {
                return false;
            }
        } else {
            const char *letter = c != 0 ? strchr(letters, (int)c) : NULL;
            if (letter == NULL) {
                return false;
            }
            reference_put(out, (unsigned char)meanings[letter - letters]);
        }
    }
    return reference_take(r, '"');
}

static inline size_t reference_digits(struct reference *r)
{
    const unsigned char *start = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') {
        r->at++;
    }
    return (size_t)(r->at - start);
}

static inline bool reference_number(struct reference *r)
{
    (void)reference_take(r, '-');
    if (!reference_take(r, '0') && reference_digits(r) == 0) {
        return false;
    }
    if (reference_take(r, '.') && reference_digits(r) == 0) {
        return false;
    }
    if (reference_take(r, 'e') || reference_take(r, 'E')) {
        (void)(reference_take(r, '+') || reference_take(r, '-'));
        return reference_digits(r) > 0;
    }
    return true;
}

/* Where the value of a member goes: `level` 1 is the event, 2 its newest data, 0 anything else. */
static inline struct reference_value *reference_place(struct reference *r, const struct reference_value *key,
                                                      unsigned level, struct reference_value *ignored)
{
    static const char *const names[] = {"event_id", "event_type", "customer_id", "timestamp", "data"};
    if (level == 2) {
        int32_t id = name_index_find(r->data_names, key->text, key->len);
        return id >= 0 ? &r->data[id] : ignored;
    }
    for (size_t i = 0; level == 1 && i < COUNT(names); i++) {
        if (strlen(names[i]) == key->len && memcmp(names[i], key->text, key->len) == 0) {
            return &r->members[i];
        }
    }
    return ignored;
}

static inline bool reference_members(struct reference *r, unsigned depth, unsigned level)
{
    reference_space(r);
    if (reference_take(r, '}')) {
        return true;
    }
    do {
        struct reference_value key, ignored, *place;
        bool is_data;
        reference_space(r);
        if (!reference_take(r, '"') || !reference_string(r, &key)) {
            return false;
        }
        reference_space(r);
        place = reference_place(r, &key, level, &ignored);
        is_data = place == &r->members[JSON_MEMBER_DATA];
        if (is_data) {
            for (uint32_t i = 0; i < r->data_names->count; i++) {
                r->data[i].kind = JSON_ABSENT;
                r->data[i].len = 0;
            }
        }
        if (!reference_take(r, ':') || !reference_value(r, depth + 1, place, is_data ? 2 : 0)) {
            return false;
        }
        reference_space(r);
    } while (reference_take(r, ','));
    return reference_take(r, '}');
}

static inline bool reference_items(struct reference *r, unsigned depth)
{
    struct reference_value ignored;
    reference_space(r);
    if (reference_take(r, ']')) {
        return true;
    }
    do {
        if (!reference_value(r, depth + 1, &ignored, 0)) {
            return false;
        }
        reference_space(r);
    } while (reference_take(r, ','));
    return reference_take(r, ']');
}

static inline bool reference_word(struct reference *r, const char *word)
{
    size_t len = strlen(word);
    bool is = (size_t)(r->end - r->at) >= len && memcmp(r->at, word, len) == 0;
    r->at += is ? len : 0;
    return is;
}

static inline bool reference_scalar(struct reference *r, struct reference_value *out)
{
    const unsigned char *start = r->at;
    if (reference_word(r, "true") || reference_word(r, "false")) {
        out->kind = JSON_BOOL;
    } else if (reference_word(r, "null")) {
        out->kind = JSON_NULL;
    } else if (reference_number(r)) {
        out->kind = JSON_NUMBER;
    } else {
        return false;
    }
    out->len = 0;
    while (start < r->at) {
        reference_put(out, *start++);
    }
    return true;
}

static inline bool reference_value(struct reference *r, unsigned depth, struct reference_value *out, unsigned level)
{
    const unsigned char *start;
    bool ok;
    reference_space(r);
    start = r->at;
    if (reference_take(r, '"')) {
        return reference_string(r, out);
    }
    if (r->at == r->end || (*r->at != '{' && *r->at != '[')) {
        return reference_scalar(r, out);
    }
    if (depth > 2000) { /* the test's own stack */
        return false;
    }
    r->deepest = depth > r->deepest ? depth : r->deepest;
    out->kind = *r->at == '{' ? JSON_OBJECT : JSON_ARRAY;
    out->len = 0;
    ok = reference_take(r, '{') ? reference_members(r, depth, level)
                                : reference_take(r, '[') && reference_items(r, depth);
    while (ok && level == 2 && start < r->at) {
        reference_put(out, *start++);
    }
    return ok;
}

/* JSON_INVALID stands for any fault of the text. `data` has room for each of `names`. */
static inline enum json_result reference_scan(struct reference *r, const char *json, size_t len,
                                              const struct name_index *names, struct reference_value *data)
{
    struct reference_value whole;
    bool is_object;
    *r = (struct reference){
        .at = (const unsigned char *)json, .end = (const unsigned char *)json + len, .data = data, .data_names = names};
    for (uint32_t i = 0; i < names->count; i++) {
        data[i].kind = JSON_ABSENT;
        data[i].len = 0;
    }
    if (!strict_json_is_utf8(r->at, r->end)) {
        return JSON_INVALID_UTF8;
    }
    reference_space(r);
    is_object = r->at < r->end && *r->at == '{';
    if (!reference_value(r, 1, &whole, 1)) {
        return JSON_INVALID;
    }
    reference_space(r);
    if (r->at != r->end) {
        return JSON_INVALID;
    }
    return r->deepest > JSON_SCAN_MAX_DEPTH ? JSON_TOO_DEEP : is_object ? JSON_OK : JSON_NOT_AN_OBJECT;
}

/* Whether the scanner's token is what the reference has kept. */
static inline bool reference_is(const struct reference_value *value, const struct json_token *token)
{
    bool has_text = value->kind == JSON_STRING || value->kind == JSON_NUMBER || value->kind == JSON_BOOL ||
                    (value->kind == JSON_OBJECT && value->len > 0);
    return token->kind == value->kind &&
           (!has_text || (token->text.len == value->len && memcmp(token->text.ptr, value->text, value->len) == 0));
}

#endif
