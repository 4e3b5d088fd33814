/* A growable text, mostly for writing JSON. A failed allocation marks it `failed` and empties nothing, so that a writer
 * checks once, at the end. Zero-initialise; one owner frees it with text_free. */
#ifndef TEXT_BUFFER_H
#define TEXT_BUFFER_H

#include <churn/result.h>
#include <stddef.h>

struct text_buffer {
    char *ptr; /* NUL-terminated once something was added */
    size_t len;
    size_t room;
    int failed; /* an addition was lost: memory ran out */
};

void text_add(struct text_buffer *text, const void *ptr, size_t len);
void text_puts(struct text_buffer *text, const char *string);

/* What was written, valid until the next addition. */
static inline churn_str text_str(const struct text_buffer *text)
{
    return (churn_str){.ptr = text->ptr, .len = (uint32_t)text->len};
}

/* Adds `value`, which must be valid UTF-8 and may hold NUL bytes, as a JSON string with its quotes. */
void text_json_string(struct text_buffer *text, churn_str value);

/* Empties it and keeps its memory. */
void text_clear(struct text_buffer *text);
void text_free(struct text_buffer *text);

/* 1 when `value` is valid UTF-8 by RFC 3629: no overlong form, no surrogate, nothing beyond U+10FFFF. */
int text_is_utf8(churn_str value);

#endif
