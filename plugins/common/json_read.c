#include "json_read.h"

#include "text_buffer.h"
#include <stdlib.h>

#define MAX_DEPTH 32

static json_object *parse(const char *text, size_t len, int flags)
{
    json_tokener *tokener = json_tokener_new_ex(MAX_DEPTH);
    json_object *object = NULL;
    size_t end = 0;
    if (tokener != NULL) {
        json_tokener_set_flags(tokener, flags);
        object = json_tokener_parse_ex(tokener, text, (int)len);
        end = json_tokener_get_parse_end(tokener);
        if (object == NULL && json_tokener_get_error(tokener) == json_tokener_continue) {
            object = json_tokener_parse_ex(tokener, "", 1); /* a number may go on, until it is told that it ends */
            end = len;
        }
        json_tokener_free(tokener);
    }
    if (object != NULL && end != len) {
        json_object_put(object);
        return NULL;
    }
    return object;
}

/* json-c 0.17 and 0.18 refuse every text beyond ASCII when they are told to be strict (or to check UTF-8). So they
 * judge a copy in which an `x` stands for each such byte, which is as valid or invalid there as the byte. With
 * JSON_TOKENER_STRICT they and 0.16 still take NaN and Infinity in places; whoever uses numbers checks them. */
static int is_strict(churn_str text)
{
    char *copy = malloc(text.len);
    json_object *object;
    if (copy == NULL) {
        return 0;
    }
    for (uint32_t i = 0; i < text.len; i++) {
        copy[i] = (unsigned char)text.ptr[i] < 0x80 ? text.ptr[i] : 'x';
    }
    object = parse(copy, text.len, JSON_TOKENER_STRICT);
    free(copy);
    return json_object_put(object); /* 1: it was one, and is freed */
}

json_object *json_read(churn_str text)
{
    int good = text.len > 0 && text.len < INT32_MAX && text_is_utf8(text) && is_strict(text);
    return good ? parse(text.ptr, text.len, 0) : NULL;
}

json_object *json_read_object(churn_str text)
{
    json_object *object = json_read(text);
    if (!json_object_is_type(object, json_type_object)) {
        json_object_put(object);
        return NULL;
    }
    return object;
}

int json_read_string(json_object *object, const char *name, churn_str *ret_value)
{
    json_object *member;
    if (!json_object_object_get_ex(object, name, &member) || !json_object_is_type(member, json_type_string)) {
        return 0;
    }
    *ret_value =
        (churn_str){.ptr = json_object_get_string(member), .len = (uint32_t)json_object_get_string_len(member)};
    return 1;
}
