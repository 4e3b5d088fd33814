#include "config/config.h"

#include "base/input_file.h"
#include "base/json_text.h"
#include "base/name_index.h"
#include "base/printable.h"
#include "config/reference.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <yaml.h>

#define MAX_DEPTH 32
#define MAX_NODES 100000
#define MAX_FINDINGS 1000 /* kept and printed; further errors are only counted */

void config_print_finding(const struct config *config, const struct finding *finding, FILE *out)
{
    static const char *const kinds[] = {"", "warning: ", "ok: "};
    const char *kind = kinds[finding->kind];
    if (finding->line != 0) {
        printable_line(out, "%s:%u:%u: %s%s", config->file, finding->line, finding->column, kind, finding->message);
    } else {
        printable_line(out, "%s: %s%s", config->file, kind, finding->message);
    }
}

/* A section is read more than once: with its neighbours, to try the plugin, for each worker. */
static bool is_known(const struct config *config, const struct finding *finding)
{
    for (unsigned i = 0; i < config->finding_count; i++) {
        const struct finding *known = &config->findings[i];
        if (known->line == finding->line && known->column == finding->column && known->kind == finding->kind &&
            strcmp(known->message, finding->message) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_at(const struct finding *finding, const struct node *node)
{
    return finding->line == node->line && finding->column == node->column;
}

static bool is_at_item(const struct finding *finding, const struct node *list)
{
    for (unsigned i = 0; list->kind == NODE_LIST && i < list->count; i++) {
        if (is_at(finding, &list->items[i])) {
            return true;
        }
    }
    return false;
}

bool config_has_error(const struct config *config, const struct node *node)
{
    for (unsigned i = 0; i < config->finding_count; i++) {
        const struct finding *known = &config->findings[i];
        if (known->kind == FINDING_ERROR && (is_at(known, node) || is_at_item(known, node))) {
            return true;
        }
    }
    return false;
}

/* ---- findings ---- */

/* Takes the finding's message. */
static void add_finding(struct config *config, struct finding finding)
{
    struct finding *grown;
    if (finding.message == NULL || is_known(config, &finding)) {
        config->error_count += finding.message == NULL;
        free(finding.message);
        return;
    }
    config->error_count += finding.kind == FINDING_ERROR;
    if (config->finding_count == MAX_FINDINGS) {
        free(finding.message);
        return;
    }
    if (config->errors != NULL) {
        config_print_finding(config, &finding, config->errors);
    }
    grown = realloc(config->findings, (config->finding_count + 1) * sizeof *grown);
    if (grown == NULL) {
        free(finding.message);
        return;
    }
    config->findings = grown;
    grown[config->finding_count++] = finding;
}

CHURN_PRINTF(4, 0)
static void find(struct config *config, const struct node *node, enum finding_kind kind, const char *format,
                 va_list args)
{
    struct finding finding;
    if (config->muted) {
        return;
    }
    finding = (struct finding){
        .kind = kind, .line = node != NULL ? node->line : 0, .column = node != NULL ? node->column : 0};
    if (vasprintf(&finding.message, format, args) < 0) {
        finding.message = NULL;
    }
    finding.message = secrets_hide(&config->secrets, finding.message);
    add_finding(config, finding);
}

void config_error(struct config *config, const struct node *node, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    find(config, node, FINDING_ERROR, format, args);
    va_end(args);
}

void config_warning(struct config *config, const struct node *node, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    find(config, node, FINDING_WARNING, format, args);
    va_end(args);
}

void config_ok(struct config *config, const struct node *node, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    find(config, node, FINDING_OK, format, args);
    va_end(args);
}

void config_error_lines(struct config *config, const struct node *node, const char *lines)
{
    while (*lines != '\0') {
        size_t len = strcspn(lines, "\n");
        config_error(config, node, "%.*s", (int)len, lines);
        lines += len + (lines[len] == '\n');
    }
}

void config_free(struct config *config)
{
    config_free_node(&config->root);
    env_file_free(&config->env);
    secrets_free(&config->secrets);
    config->root = (struct node){0};
    for (unsigned i = 0; i < config->finding_count; i++) {
        free(config->findings[i].message);
    }
    free(config->findings);
    config->findings = NULL;
    config->finding_count = 0;
}

bool config_set(struct config *config, const char *section, const char *key, const char *text)
{
    struct node *map = (struct node *)(uintptr_t)config_get(&config->root, section);
    const struct node *value = config_get(map, key);
    return map == NULL || map->kind != NODE_MAP ||
           config_put(map, key, config_scalar(value != NULL ? value : map, text));
}

static void replace(struct config *config, struct node *node, const struct reference *ref, struct text *out)
{
    struct resolved is;
    char shown[sizeof is.name + sizeof "${}"];
    bool known = reference_resolve(ref, &config->env, &is);
    node->secret = node->secret || is.secret;
    config->has_secrets = config->has_secrets || (is.secret && !is.absent && is.value != NULL && *is.value != '\0');
    if (!known) {
        config_error(config, node, "%s", is.message);
    } else {
        if (*is.message != '\0') {
            config_warning(config, node, "%s", is.message);
        }
        (void)snprintf(shown, sizeof shown, "${%s}", is.name);
        out->failed = (is.secret && !is.absent && !secrets_note(&config->secrets, shown, is.value)) || out->failed;
        text_append_string(out, is.value);
    }
    reference_free(&is);
}

/* `$$` stands for one dollar sign. */
static char *interpolate(struct config *config, struct node *node, const char *written)
{
    struct text out = {0};
    struct reference ref;
    for (const char *at = written; *at != '\0';) {
        if (at[0] == '$' && at[1] == '$') {
            text_append(&out, "$", 1);
            at += 2;
        } else if (at[0] == '$' && at[1] == '{') {
            if (!reference_parse(at + 2, &ref)) {
                config_error(config, node,
                             "the '${' at byte %zu of this value is not a reference to a variable; write ${NAME}, "
                             "${NAME:-default} or ${NAME:?message}, or ${file:PATH} ($$ for a dollar sign)",
                             (size_t)(at - written) + 1); /* what follows may be a secret that has it by chance */
                break;
            }
            replace(config, node, &ref, &out);
            at = ref.end;
        } else {
            text_append(&out, at++, 1);
        }
    }
    text_append(&out, "", 1);
    if (out.failed) {
        config_error(config, node, "out of memory");
        text_free(&out);
    }
    return out.bytes;
}

static bool convert(struct config *config, yaml_document_t *doc, yaml_node_t *from, struct node *to, unsigned depth);

static bool is_null(const char *text)
{
    return *text == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0;
}

static bool convert_scalar(struct config *config, const yaml_node_t *from, struct node *to)
{
    const char *written = (const char *)from->data.scalar.value;
    unsigned errors = config->error_count;
    to->kind = NODE_SCALAR;
    if (strlen(written) != from->data.scalar.length) {
        config_error(config, to, "a value must not hold a NUL character");
        return false;
    }
    to->written = strdup(written);
    to->text = interpolate(config, to, written);
    to->bad = config->error_count > errors;
    to->quoted = from->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    to->null = !to->quoted && to->text != NULL && is_null(to->text);
    return to->written != NULL && to->text != NULL;
}

static bool convert_list(struct config *config, yaml_document_t *doc, yaml_node_t *from, struct node *to,
                         unsigned depth)
{
    size_t count = (size_t)(from->data.sequence.items.top - from->data.sequence.items.start);
    bool ok = true;
    to->kind = NODE_LIST;
    to->items = calloc(count + 1, sizeof *to->items);
    if (to->items == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        to->count++;
        ok &= convert(config, doc, yaml_document_get_node(doc, from->data.sequence.items.start[i]), &to->items[i],
                      depth + 1);
    }
    return ok;
}

/* False when nothing can be done with the map; a repeated key is only reported. `names`: the map's keys until here. */
static bool check_key(struct config *config, const struct node *map, unsigned index, struct name_index *names)
{
    const struct node *key = &map->keys[index];
    int32_t id;
    if (key->kind != NODE_SCALAR) {
        config_error(config, key, "a key must be a plain word");
        return false;
    }
    if (!key->quoted && strcmp(key->text, "<<") == 0) {
        config_error(config, key,
                     "merge keys ('<<') are not supported; write the values out, or use an alias for each");
        return false;
    }
    id = name_index_find(names, key->text, strlen(key->text));
    if (id >= 0) {
        unsigned first = 0;
        while (strcmp(map->keys[first].text, key->text) != 0) {
            first++;
        }
        config_error(config, key, "'%s' was given before, in line %u", key->text, map->keys[first].line);
        return true;
    }
    return name_index_add(names, key->text) >= 0;
}

static bool convert_map(struct config *config, yaml_document_t *doc, yaml_node_t *from, struct node *to, unsigned depth)
{
    size_t count = (size_t)(from->data.mapping.pairs.top - from->data.mapping.pairs.start);
    struct name_index names = {0};
    bool ok = true;
    to->kind = NODE_MAP;
    to->keys = calloc(count + 1, sizeof *to->keys);
    to->items = calloc(count + 1, sizeof *to->items);
    if (to->keys == NULL || to->items == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const yaml_node_pair_t *pair = &from->data.mapping.pairs.start[i];
        to->count++;
        ok &= convert(config, doc, yaml_document_get_node(doc, pair->key), &to->keys[i], depth + 1);
        ok &= convert(config, doc, yaml_document_get_node(doc, pair->value), &to->items[i], depth + 1);
        ok = ok && check_key(config, to, (unsigned)i, &names);
    }
    name_index_free(&names);
    return ok;
}

/* An alias may refer to its own parent, or to much that is made of aliases again. Reported once; then all ends. */
static bool too_much(struct config *config, const struct node *node, unsigned depth)
{
    if (config->nodes > MAX_NODES) {
        return true;
    }
    if (depth > MAX_DEPTH) {
        config->nodes = MAX_NODES;
        config_error(config, node, "nested more than %d levels deep", MAX_DEPTH);
    } else if (config->nodes == MAX_NODES) {
        config_error(config, node, "more than %d values", MAX_NODES);
    }
    return ++config->nodes > MAX_NODES;
}

static bool convert(struct config *config, yaml_document_t *doc, yaml_node_t *from, struct node *to, unsigned depth)
{
    to->line = (unsigned)from->start_mark.line + 1;
    to->column = (unsigned)from->start_mark.column + 1;
    if (too_much(config, to, depth)) {
        return false;
    }
    switch (from->type) {
    case YAML_SCALAR_NODE:
        return convert_scalar(config, from, to);
    case YAML_SEQUENCE_NODE:
        return convert_list(config, doc, from, to, depth);
    case YAML_MAPPING_NODE:
        return convert_map(config, doc, from, to, depth);
    default:
        config_error(config, to, "this kind of YAML node is not understood");
        return false;
    }
}

/* Of a byte: its line, and its column in bytes. */
static struct node place_of(const unsigned char *text, size_t offset)
{
    struct node at = {.line = 1, .column = 1};
    for (size_t i = 0; i < offset; i++) {
        at.column = text[i] == '\n' ? 1 : at.column + 1;
        at.line += text[i] == '\n';
    }
    return at;
}

static void syntax_error(struct config *config, const yaml_parser_t *parser)
{
    struct node at = {.line = (unsigned)parser->problem_mark.line + 1,
                      .column = (unsigned)parser->problem_mark.column + 1};
    const char *problem = parser->problem != NULL ? parser->problem : "cannot be read";
    const char *hint = "";
    if (strstr(problem, "cannot start any token") != NULL) {
        hint = " (YAML wants spaces here, not tabs, and quotes around a text that begins with @ or `)";
    } else if (strstr(problem, "',' or") != NULL) {
        hint = " (inside [ ] or { }, put ${…} between quotes)";
    } else if (strstr(problem, "mapping values are not allowed") != NULL || strstr(problem, "block") != NULL) {
        hint = " (is the line indented like its neighbours?)";
    }
    if (parser->error == YAML_READER_ERROR) {
        at = place_of(parser->input.string.start, parser->problem_offset);
        config_error(config, &at, "not UTF-8 text: %s", problem);
    } else if (parser->context != NULL) {
        config_error(config, &at, "YAML: %s, %s%s", parser->context, problem, hint);
    } else {
        config_error(config, &at, "YAML: %s%s", problem, hint);
    }
}

static bool is_refused(struct config *config, const yaml_event_t *event, unsigned depth)
{
    struct node at = {.line = (unsigned)event->start_mark.line + 1, .column = (unsigned)event->start_mark.column + 1};
    const yaml_char_t *tag = event->type == YAML_SCALAR_EVENT           ? event->data.scalar.tag
                             : event->type == YAML_SEQUENCE_START_EVENT ? event->data.sequence_start.tag
                             : event->type == YAML_MAPPING_START_EVENT  ? event->data.mapping_start.tag
                                                                        : NULL;
    if (tag != NULL) {
        config_error(config, &at, "YAML tags are not supported ('%s'); a text that begins with '!' wants quotes", tag);
    } else if (depth > MAX_DEPTH) {
        config_error(config, &at, "nested more than %d levels deep", MAX_DEPTH);
    }
    return tag != NULL || depth > MAX_DEPTH;
}

/* Ends at what is nested too deep before the parser has read on, whose time grows with the square of the depth. */
static bool check_structure(struct config *config, yaml_parser_t *parser)
{
    bool ok = true, end = false;
    unsigned depth = 0;
    while (ok && !end) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) {
            syntax_error(config, parser);
            return false;
        }
        depth += event.type == YAML_SEQUENCE_START_EVENT || event.type == YAML_MAPPING_START_EVENT;
        depth -= event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT;
        ok = !is_refused(config, &event, depth > 0 ? depth - 1 : 0);
        end = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    return ok;
}

/* A second document would be left out without a word. */
static bool is_last_document(struct config *config, yaml_parser_t *parser)
{
    yaml_document_t doc;
    if (!yaml_parser_load(parser, &doc)) {
        syntax_error(config, parser);
        return false;
    }
    const yaml_node_t *root = yaml_document_get_root_node(&doc);
    if (root != NULL) {
        struct node at = {.line = (unsigned)root->start_mark.line + 1, .column = (unsigned)root->start_mark.column + 1};
        config_error(config, &at, "a second YAML document begins here; a file holds one pipeline");
    }
    yaml_document_delete(&doc);
    return root == NULL;
}

static bool load_document(struct config *config, yaml_parser_t *parser)
{
    yaml_document_t doc;
    yaml_node_t *root;
    if (!yaml_parser_load(parser, &doc)) {
        syntax_error(config, parser);
        return false;
    }
    root = yaml_document_get_root_node(&doc);
    if (root == NULL || root->type != YAML_MAPPING_NODE) {
        config_error(config, NULL, "a pipeline is a map of sections (source, store, sinks …); see churnd-pipeline(5)");
    } else {
        config->usable = convert(config, &doc, root, &config->root, 0);
        if (!config->usable && config->error_count == 0) {
            config_error(config, NULL, "out of memory");
        }
    }
    yaml_document_delete(&doc);
    return config->usable && is_last_document(config, parser) && config->error_count == 0;
}

static bool read_text(struct config *config, FILE *in, struct text *text)
{
    if (input_file_read(in, text)) {
        return true;
    }
    if (errno == EFBIG) {
        config_error(config, NULL, "more than %d MiB; this is no pipeline file", INPUT_FILE_MAX >> 20);
    } else {
        config_error(config, NULL, "cannot be read: %s", strerror(errno));
    }
    return false;
}

static bool parse_text(struct config *config, const struct text *text,
                       bool (*parse)(struct config *config, yaml_parser_t *parser))
{
    yaml_parser_t parser;
    bool ok;
    if (!yaml_parser_initialize(&parser)) {
        config_error(config, NULL, "out of memory");
        return false;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text->len > 0 ? text->bytes : ""), text->len);
    ok = parse(config, &parser);
    yaml_parser_delete(&parser);
    return ok;
}

static bool read_file(struct config *config, FILE *in)
{
    struct text text = {0};
    bool ok = read_text(config, in, &text) && parse_text(config, &text, check_structure) &&
              parse_text(config, &text, load_document);
    text_free(&text);
    return ok;
}

bool config_read(struct config *config, const char *file, FILE *in, FILE *errors)
{
    *config = (struct config){.file = file, .errors = errors};
    return read_file(config, in);
}

/* A regular file, or a pipe that a shell gave us (`-c <(…)`), which has been opened before and is not waited for. */
static FILE *open_file(struct config *config)
{
    struct stat about;
    int fd = input_file_is_pipe(config->file) ? open(config->file, O_RDONLY | O_CLOEXEC)
                                              : input_file_open(config->file, &about);
    FILE *in = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (fd < 0 && errno == 0) {
        config_error(config, NULL, "is %s, no pipeline file", input_file_kind(about.st_mode));
    } else if (in == NULL) {
        config_error(config, NULL, "%s", strerror(errno));
        (void)(fd >= 0 && close(fd));
    }
    return in;
}

bool config_load(struct config *config, const char *file, const char *env_file, FILE *errors)
{
    FILE *in;
    char message[512];
    bool ok;
    *config = (struct config){.file = file, .errors = errors};
    in = open_file(config);
    if (in == NULL) {
        return false;
    }
    ok = env_file_read(&config->env, env_file, message, sizeof message);
    if (!ok) {
        config_error(config, NULL, "%s", message);
    }
    ok = ok && read_file(config, in);
    (void)fclose(in);
    return ok;
}
