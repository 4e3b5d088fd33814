/* json-c as tests use it to judge JSON: in UTF-8, strict, the text and nothing behind it. */
#ifndef TESTS_SUPPORT_STRICT_JSON_H
#define TESTS_SUPPORT_STRICT_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

/* By RFC 3629. */
static inline bool strict_json_is_utf8(const unsigned char *at, const unsigned char *end)
{
    while (at < end) {
        unsigned c = *at++,
                 more = c < 0x80   ? 0
                        : c < 0xc2 ? 9
                        : c < 0xe0 ? 1
                        : c < 0xf0 ? 2
                        : c < 0xf5 ? 3
                                   : 9,
                 first = more;
        c &= more == 0 ? 0x7f : 0x3fu >> more;
        for (; more > 0; more--) {
            if (more == 9 || at == end || (*at & 0xc0) != 0x80) {
                return false;
            }
            c = c << 6 | (*at++ & 63u);
        }
        if ((first == 2 && (c < 0x800 || (c >= 0xd800 && c <= 0xdfff))) ||
            (first == 3 && (c < 0x10000 || c > 0x10ffff))) {
            return false;
        }
    }
    return true;
}

static inline json_object *strict_json_parse_with(const char *text, size_t len, int max_depth, int flags)
{
    json_tokener *tokener = json_tokener_new_ex(max_depth);
    json_object *object;
    bool whole;
    if (tokener == NULL) {
        abort();
    }
    json_tokener_set_flags(tokener, flags);
    object = json_tokener_parse_ex(tokener, text, (int)len);
    whole = json_tokener_get_error(tokener) == json_tokener_success && json_tokener_get_parse_end(tokener) == len;
    if (object == NULL && json_tokener_get_error(tokener) == json_tokener_continue) { /* a number that may go on */
        object = json_tokener_parse_ex(tokener, "", 1);
        whole = object != NULL;
    }
    json_tokener_free(tokener);
    if (!whole) {
        (void)json_object_put(object);
        object = NULL;
    }
    return object;
}

/* The value that `text` is, to be freed with json_object_put; NULL when it is none (or `null`). json-c 0.17 and 0.18
 * refuse every text beyond ASCII in strict mode: they judge a copy with other bytes in those places. */
static inline json_object *strict_json_parse(const char *text, size_t len, int max_depth)
{
    char *copy = malloc(len + 1);
    json_object *judged;
    bool good = strict_json_is_utf8((const unsigned char *)text, (const unsigned char *)text + len);
    if (copy == NULL) {
        abort();
    }
    for (size_t i = 0; i < len; i++) {
        copy[i] = (unsigned char)text[i] < 0x80 ? text[i] : 'x';
    }
    judged = good ? strict_json_parse_with(copy, len, max_depth, JSON_TOKENER_STRICT) : NULL;
    good = judged != NULL;
    (void)json_object_put(judged);
    free(copy);
    return good ? strict_json_parse_with(text, len, max_depth, 0) : NULL;
}

#endif
