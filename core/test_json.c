#include "test_json.h"

#include "decimal.h"
#include <json-c/json.h>

#define MAX_DEPTH 2048 /* deeper than any event may be */

bool test_is_literal(const struct node *scalar)
{
    return !scalar->quoted &&
           (scalar->null || strcmp(scalar->text, "true") == 0 || strcmp(scalar->text, "false") == 0 ||
            decimal_is_number(scalar->text, strlen(scalar->text)));
}

static void append_scalar(struct text *out, const struct node *node)
{
    if (!test_is_literal(node)) {
        text_append_json(out, node->text, strlen(node->text));
    } else {
        text_append_string(out, node->null ? "null" : node->text);
    }
}

void test_append_json(struct text *out, const struct node *node)
{
    bool map = node->kind == NODE_MAP;
    if (node->kind == NODE_SCALAR) {
        append_scalar(out, node);
        return;
    }
    text_append_string(out, map ? "{" : "[");
    for (unsigned i = 0; i < node->count; i++) {
        text_append_string(out, i > 0 ? "," : "");
        if (map) {
            text_append_json(out, node->keys[i].text, strlen(node->keys[i].text));
            text_append_string(out, ":");
        }
        test_append_json(out, &node->items[i]);
    }
    text_append_string(out, map ? "}" : "]");
}

struct json_object *test_json_parse(const char *bytes, size_t len, bool *ret_ok)
{
    struct json_tokener *tokener = len < INT32_MAX ? json_tokener_new_ex(MAX_DEPTH) : NULL;
    struct json_object *object = NULL;
    *ret_ok = false;
    if (tokener == NULL) {
        return NULL;
    }
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    object = json_tokener_parse_ex(tokener, bytes, (int)len);
    if (json_tokener_get_error(tokener) == json_tokener_continue) { /* a number ends where the text does */
        object = json_tokener_parse_ex(tokener, "", 1);
    }
    *ret_ok = json_tokener_get_error(tokener) == json_tokener_success;
    json_tokener_free(tokener);
    return object;
}
