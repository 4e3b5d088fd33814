#include "json_read.h"

/* json-c 0.16 with JSON_TOKENER_STRICT still takes NaN and Infinity in places; whoever uses numbers checks them. */
json_object *json_read_object(churn_str text)
{
    struct json_tokener *tokener;
    json_object *object;
    size_t end;
    if (text.len == 0 || text.len > INT32_MAX || (tokener = json_tokener_new_ex(32)) == NULL) {
        return NULL;
    }
    json_tokener_set_flags(tokener,
                           JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8 | JSON_TOKENER_ALLOW_TRAILING_CHARS);
    object = json_tokener_parse_ex(tokener, text.ptr, (int)text.len);
    end = json_tokener_get_parse_end(tokener);
    json_tokener_free(tokener);
    while (object != NULL && end < text.len && strchr(" \t\r\n", text.ptr[end]) != NULL && text.ptr[end] != '\0') {
        end++;
    }
    if (object != NULL && (end != text.len || !json_object_is_type(object, json_type_object))) {
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
