/* Making json-c objects in few words; an object takes what is added to it. */
#ifndef JSON_BUILD_H
#define JSON_BUILD_H

#include <json-c/json.h>
#include <stdint.h>

static inline void json_add(struct json_object *object, const char *key, struct json_object *value)
{
    (void)json_object_object_add(object, key, value);
}

static inline void json_add_text(struct json_object *object, const char *key, const char *text)
{
    json_add(object, key, json_object_new_string(text != NULL ? text : ""));
}

static inline struct json_object *json_names(const char *const *names)
{
    struct json_object *list = json_object_new_array();
    for (uint32_t i = 0; names != NULL && names[i] != NULL; i++) {
        (void)json_object_array_add(list, json_object_new_string(names[i]));
    }
    return list;
}

#endif
