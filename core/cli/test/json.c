#include "cli/test/json.h"

#include "base/decimal.h"
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
