/* A growing text, and JSON written into it. */
#ifndef JSON_TEXT_H
#define JSON_TEXT_H

#include <churn/result.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Starts zeroed. Once memory ran out `failed` stays set and appending does nothing, so that it is checked once at the
 * end. */
struct text {
    char *bytes; /* not NUL-terminated; owned */
    size_t len;
    size_t room;
    bool failed;
};

/* True when `text` is `other`. */
static inline bool str_equals(churn_str text, const char *other)
{
    return churn_equal(text, churn_text(other));
}

void text_free(struct text *text);
bool text_grow(struct text *text, size_t more);
/* Makes room for `more` further bytes; false when memory ran out. */
static inline bool text_reserve(struct text *text, size_t more)
{
    return (text->room - text->len >= more && !text->failed) || text_grow(text, more);
}

static inline void text_append(struct text *text, const char *bytes, size_t len)
{
    if (len > 0 && text_reserve(text, len)) {
        memcpy(text->bytes + text->len, bytes, len);
        text->len += len;
    }
}

CHURN_PRINTF(2, 3) void text_printf(struct text *text, const char *format, ...);

/* A JSON string, quotes included; escapes what RFC 8259 section 7 requires. Each byte that is no UTF-8 becomes U+FFFD.
 */
void text_append_json(struct text *text, const char *bytes, size_t len);
/* The length of the UTF-8 character of several bytes that begins at `bytes`; 0: there is none. */
size_t text_character_length(const char *bytes, size_t len);
/* By RFC 3629: no overlong form, no surrogate, nothing beyond U+10FFFF. */
bool text_is_utf8(const char *bytes, size_t len);
/* Valid JSON without the white space between its tokens, so that it fits one line. */
void text_append_minified(struct text *text, const char *json, size_t len);

static inline void text_append_string(struct text *text, const char *string)
{
    text_append(text, string, strlen(string));
}

#endif
