#include "cli/clear_json.h"

#include "base/json_parse.h"

#define MAX_DEPTH 512

static struct json_object *open_text(struct json_object *value, const struct seal_ring *ring, const unsigned char *salt)
{
    const churn_str sealed = {.ptr = json_object_get_string(value), .len = (uint32_t)json_object_get_string_len(value)};
    struct text clear = {0};
    struct json_object *opened = NULL;
    bool json = false, ok = true;
    if (seal_is(sealed, NULL) && seal_open_anywhere(&clear, ring, salt, sealed, &json) == SEAL_OPENED) {
        opened = json ? json_parse(clear.bytes, clear.len, MAX_DEPTH, &ok)
                      : json_object_new_string_len(clear.len > 0 ? clear.bytes : "", (int)clear.len);
        ok = ok && (opened != NULL || json);
    } else {
        ok = false;
    }
    text_free(&clear);
    if (!ok) {
        return value;
    }
    (void)json_object_put(value);
    return opened;
}

struct json_object *clear_json(struct json_object *value, const struct seal_ring *ring, const unsigned char *salt)
{
    if (ring == NULL) {
        return value;
    }
    if (json_object_is_type(value, json_type_string)) {
        return open_text(value, ring, salt);
    }
    if (json_object_is_type(value, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(value); i++) {
            struct json_object *item = json_object_get(json_object_array_get_idx(value, i));
            (void)json_object_array_put_idx(value, i, clear_json(item, ring, salt));
        }
    } else if (json_object_is_type(value, json_type_object)) {
        struct json_object_iterator at = json_object_iter_begin(value), end = json_object_iter_end(value);
        for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
            struct json_object *member = json_object_get(json_object_iter_peek_value(&at));
            /* A member that is there keeps its place, so the iterator stays good. */
            (void)json_object_object_add(value, json_object_iter_peek_name(&at), clear_json(member, ring, salt));
        }
    }
    return value;
}
