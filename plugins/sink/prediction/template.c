#include "template.h"

#include "json_number.h"
#include "nearest.h"
#include <inttypes.h>

#define EACH "<each>"
#define FEATURE "features."

enum place { OF_REQUEST, OF_ROW };
enum value { A_TEXT, ANY_JSON };

static const struct placeholder {
    const char *name;
    enum place place;
    enum value value;
} placeholders[] = {
    {"rows", OF_REQUEST, ANY_JSON},  {"records", OF_REQUEST, ANY_JSON}, {"columns", OF_REQUEST, ANY_JSON},
    {"count", OF_REQUEST, ANY_JSON}, {"model", OF_REQUEST, A_TEXT},     {"row", OF_ROW, ANY_JSON},
    {"record", OF_ROW, ANY_JSON},    {"profile", OF_ROW, ANY_JSON},     {"request_id", OF_ROW, A_TEXT},
    {"customer_id", OF_ROW, A_TEXT}, {"event_id", OF_ROW, A_TEXT},      {"event_type", OF_ROW, A_TEXT},
    {"timestamp", OF_ROW, A_TEXT},
};
static const struct placeholder feature_placeholder = {FEATURE, OF_ROW, ANY_JSON};

/* --- Reading a text --- */

/* A piece of a text: as it stands, or the name of a placeholder. */
struct piece {
    churn_str text;
    int is_name;
};

static int is(churn_str name, const char *word)
{
    return churn_equal(name, churn_text(word));
}

/* The next piece of the text at *at; 0: there is none. */
static int next_piece(const char **at, struct piece *ret)
{
    const char *from = *at, *open = strchr(from, '<'), *end;
    *ret = (struct piece){.text = {.ptr = from}};
    if (*from == '\0') {
        return 0;
    }
    if (open == from) {
        int escaped = from[1] == '<';
        size_t len = strcspn(from + 1 + escaped, "<>");
        if (len > 0 && from[1 + escaped + len] == '>') {
            *ret = (struct piece){.text = {.ptr = from + 1, .len = (uint32_t)(len + (escaped ? 2 : 0))},
                                  .is_name = !escaped};
            *at = from + 2 + escaped + len;
            return 1;
        }
        open = strchr(from + 1, '<'); /* it stands for itself */
    }
    end = open != NULL ? open : from + strlen(from);
    ret->text.len = (uint32_t)(end - from);
    *at = end;
    return 1;
}

/* A text that is one placeholder and nothing else. */
static int is_placeholder(const char *text, churn_str *ret_name)
{
    struct piece piece;
    int whole = next_piece(&text, &piece) && piece.is_name && *text == '\0';
    *ret_name = piece.text;
    return whole;
}

static int is_literal(const churn_node *node)
{
    return (node->flags & CHURN_NODE_QUOTED) == 0 &&
           (json_number_is(node->text) || strcmp(node->text, "true") == 0 || strcmp(node->text, "false") == 0);
}

static int is_each(const churn_node *node)
{
    return node->kind == CHURN_NODE_MAP && node->count == 1 && strcmp(node->keys[0], EACH) == 0;
}

/* The feature that <features.NAME> means; the count of them: none. */
static uint32_t feature_of(const struct model *model, churn_str name)
{
    uint32_t prefix = sizeof FEATURE - 1, i = 0;
    churn_str rest = {.ptr = name.ptr + prefix, .len = name.len - prefix};
    if (name.len <= prefix || memcmp(name.ptr, FEATURE, prefix) != 0) {
        return model->features.count;
    }
    while (i < model->features.count && !is(rest, model->features.items[i].name)) {
        i++;
    }
    return i;
}

static const struct placeholder *find(const struct model *model, churn_str name)
{
    for (size_t i = 0; i < sizeof placeholders / sizeof placeholders[0]; i++) {
        if (is(name, placeholders[i].name)) {
            return &placeholders[i];
        }
    }
    return feature_of(model, name) < model->features.count ? &feature_placeholder : NULL;
}

/* --- Checking --- */

struct checking {
    const struct model *model;
    int64_t batch_max;
    int in_each;
    int needs_profile;
    churn_error *err;
};

static int32_t refuse_unknown(const struct checking *c, churn_str name, const char *path)
{
    char typed[CHURN_ERROR_OPTION_SIZE], known[sizeof FEATURE + MODEL_NAME_MAX], best[sizeof known] = "";
    struct nearest nearest = {.typed = typed};
    (void)snprintf(typed, sizeof typed, "%.*s", (int)name.len, name.ptr);
    for (size_t i = 0; i < sizeof placeholders / sizeof placeholders[0]; i++) {
        nearest_offer(&nearest, placeholders[i].name);
    }
    (void)snprintf(best, sizeof best, "%s", nearest.best != NULL ? nearest.best : "");
    for (uint32_t i = 0; i < c->model->features.count; i++) {
        size_t before = nearest.best != NULL ? nearest.distance : SIZE_MAX;
        (void)snprintf(known, sizeof known, FEATURE "%s", c->model->features.items[i].name);
        nearest_offer(&nearest, known);
        if (nearest.best != NULL && nearest.distance < before) {
            memcpy(best, known, sizeof best);
        }
    }
    return churn_fail_option(c->err, path, "unknown placeholder <%s>%s%s%s; for the text itself write <<%s>", typed,
                             best[0] != '\0' ? " (did you mean <" : "", best, best[0] != '\0' ? ">?)" : "", typed);
}

static int32_t check_name(struct checking *c, churn_str name, int whole, const char *path)
{
    const struct placeholder *p = find(c->model, name);
    if (p == NULL) {
        return refuse_unknown(c, name, path);
    }
    if (!whole && p->value != A_TEXT) {
        return churn_fail_option(c->err, path, "<%.*s> is no text: it must stand alone", (int)name.len, name.ptr);
    }
    if (p->place == OF_ROW && c->batch_max > 1 && !c->in_each) {
        return churn_fail_option(
            c->err, path, "<%.*s> is of one row, and a batch has several: put it below " EACH ", or set batch.max to 1",
            (int)name.len, name.ptr);
    }
    c->needs_profile = c->needs_profile || strcmp(p->name, "profile") == 0;
    return CHURN_OK;
}

static int32_t check_scalar(struct checking *c, const churn_node *node, const char *path)
{
    const char *at = node->text;
    churn_str name;
    struct piece piece;
    int whole = is_placeholder(node->text, &name);
    int32_t rc = CHURN_OK;
    while (rc == CHURN_OK && next_piece(&at, &piece)) {
        rc = piece.is_name ? check_name(c, piece.text, whole, path) : CHURN_OK;
    }
    return rc;
}

static int32_t check_node(struct checking *c, const churn_node *node, const char *path)
{
    int32_t rc = node->kind == CHURN_NODE_SCALAR ? check_scalar(c, node, path) : CHURN_OK;
    int each = is_each(node), within = c->in_each;
    if (each && within) {
        return churn_fail_option(c->err, path, EACH " is of each row, and stands below another one");
    }
    c->in_each = within || each;
    for (uint32_t i = 0; i < node->count && rc == CHURN_OK; i++) {
        char inner[CHURN_ERROR_OPTION_SIZE], number[16];
        (void)snprintf(number, sizeof number, "%" PRIu32, i);
        (void)snprintf(inner, sizeof inner, "%s.%s", path, node->keys != NULL ? node->keys[i] : number);
        if (!each && node->keys != NULL && strcmp(node->keys[i], EACH) == 0) {
            return churn_fail_option(c->err, inner, "must be alone in its map, which becomes a list");
        }
        rc = check_node(c, &node->items[i], inner);
    }
    c->in_each = within;
    return rc;
}

int32_t template_check(const struct model *model, int64_t batch_max, int *ret_needs_profile, churn_error *err)
{
    struct checking c = {.model = model, .batch_max = batch_max, .err = err};
    int32_t rc;
    if (model->body_template == NULL || model->body_template->count == 0) {
        return churn_fail_option(err, "template", "must be given: the body of a request");
    }
    rc = check_node(&c, model->body_template, "template");
    *ret_needs_profile = c.needs_profile;
    return rc;
}

/* --- Writing --- */

static churn_str text_of(const struct request_parts *parts, uint32_t row, churn_str name)
{
    const struct trigger *t = parts->rows[row].trigger;
    return is(name, "model")         ? churn_text(parts->model->name)
           : is(name, "request_id")  ? t->request_id
           : is(name, "customer_id") ? t->customer_id
           : is(name, "event_id")    ? t->event_id
           : is(name, "event_type")  ? t->event_type
                                     : t->timestamp;
}

static void write_record(const struct request_parts *parts, uint32_t row, struct text_buffer *body)
{
    text_puts(body, "{");
    for (uint32_t f = 0; f < parts->model->features.count; f++) {
        churn_str value = request_value(parts, row, f);
        text_puts(body, f > 0 ? "," : "");
        text_json_string(body, churn_text(parts->model->features.items[f].name));
        text_puts(body, ":");
        text_add(body, value.ptr, value.len);
    }
    text_puts(body, "}");
}

static void write_all(const struct request_parts *parts, struct text_buffer *body,
                      void (*write)(const struct request_parts *, uint32_t, struct text_buffer *))
{
    text_puts(body, "[");
    for (uint32_t r = 0; r < parts->count; r++) {
        text_puts(body, r > 0 ? "," : "");
        write(parts, r, body);
    }
    text_puts(body, "]");
}

static void write_json(const struct request_parts *parts, uint32_t row, churn_str name, struct text_buffer *body)
{
    char number[16];
    if (is(name, "rows")) {
        write_all(parts, body, request_parts_row);
    } else if (is(name, "records")) {
        write_all(parts, body, write_record);
    } else if (is(name, "columns")) {
        request_parts_names(parts->model, body);
    } else if (is(name, "count")) {
        (void)snprintf(number, sizeof number, "%" PRIu32, parts->count);
        text_puts(body, number);
    } else if (is(name, "row")) {
        request_parts_row(parts, row, body);
    } else if (is(name, "record")) {
        write_record(parts, row, body);
    } else if (is(name, "profile")) {
        text_add(body, parts->profiles[row].ptr, parts->profiles[row].len);
    } else {
        churn_str value = request_value(parts, row, feature_of(parts->model, name));
        text_add(body, value.ptr, value.len);
    }
}

static void write_text(const struct request_parts *parts, uint32_t row, const char *text, struct text_buffer *body)
{
    struct text_buffer filled = {0};
    struct piece piece;
    while (next_piece(&text, &piece)) {
        churn_str part = piece.is_name ? text_of(parts, row, piece.text) : piece.text;
        text_add(&filled, part.ptr, part.len);
    }
    text_json_string(body, text_str(&filled));
    body->failed = body->failed || filled.failed;
    text_free(&filled);
}

static void write_scalar(const struct request_parts *parts, uint32_t row, const churn_node *node,
                         struct text_buffer *body)
{
    churn_str name;
    if ((node->flags & CHURN_NODE_NULL) != 0) {
        text_puts(body, "null");
    } else if (is_literal(node)) {
        text_puts(body, node->text);
    } else if (is_placeholder(node->text, &name) && find(parts->model, name)->value == ANY_JSON) {
        write_json(parts, row, name, body);
    } else {
        write_text(parts, row, node->text, body);
    }
}

static void write_node(const struct request_parts *parts, uint32_t row, const churn_node *node,
                       struct text_buffer *body)
{
    int is_map = node->kind == CHURN_NODE_MAP;
    if (node->kind == CHURN_NODE_SCALAR) {
        write_scalar(parts, row, node, body);
        return;
    }
    text_puts(body, is_map && !is_each(node) ? "{" : "[");
    for (uint32_t r = 0; is_each(node) && r < parts->count; r++) {
        text_puts(body, r > 0 ? "," : "");
        write_node(parts, r, &node->items[0], body);
    }
    for (uint32_t i = 0; !is_each(node) && i < node->count; i++) {
        text_puts(body, i > 0 ? "," : "");
        if (is_map) {
            text_json_string(body, churn_text(node->keys[i]));
            text_puts(body, ":");
        }
        write_node(parts, row, &node->items[i], body);
    }
    text_puts(body, is_map && !is_each(node) ? "}" : "]");
}

void template_write(const struct request_parts *parts, struct text_buffer *body)
{
    write_node(parts, 0, parts->model->body_template, body);
}
