#include "base/json_parse.h"

#include "base/json_text.h"
#include <json-c/json.h>
#include <stdlib.h>

static struct json_object *parse(const char *text, size_t len, int max_depth, int flags, bool *ret_ok)
{
    struct json_tokener *tokener = json_tokener_new_ex(max_depth);
    struct json_object *object = NULL;
    *ret_ok = false;
    if (tokener != NULL) {
        json_tokener_set_flags(tokener, flags);
        object = json_tokener_parse_ex(tokener, text, (int)len + 1); /* a number ends at the NUL */
        *ret_ok = json_tokener_get_error(tokener) == json_tokener_success && json_tokener_get_parse_end(tokener) == len;
        json_tokener_free(tokener);
    }
    if (!*ret_ok) {
        (void)json_object_put(object);
        object = NULL;
    }
    return object;
}

/* json-c 0.17 and 0.18 refuse every text beyond ASCII when they are told to be strict (or to check UTF-8). So they
 * judge a copy in which an `x` stands for each such byte, which is as valid or invalid there as the byte. */
static bool is_strict(char *copy, size_t len, int max_depth)
{
    bool ok;
    for (size_t i = 0; i < len; i++) {
        copy[i] = (unsigned char)copy[i] < 0x80 ? copy[i] : 'x';
    }
    (void)json_object_put(parse(copy, len, max_depth, JSON_TOKENER_STRICT, &ok));
    return ok;
}

struct json_object *json_parse(const char *bytes, size_t len, int max_depth, bool *ret_ok)
{
    struct json_object *object = NULL;
    char *copy = len < INT32_MAX && text_is_utf8(bytes, len) ? malloc(len + 1) : NULL;
    *ret_ok = false;
    if (copy != NULL) {
        memcpy(copy, bytes, len);
        copy[len] = '\0';
        if (is_strict(copy, len, max_depth)) {
            memcpy(copy, bytes, len);
            object = parse(copy, len, max_depth, 0, ret_ok);
        }
        free(copy);
    }
    return object;
}
