/* `churnd graph`: a pipeline as a diagram, in Mermaid or in Graphviz' language. */
#include "cli/commands.h"

#include "base/json_text.h"
#include "pipeline/load.h"
#include <stdlib.h>

/* Both languages draw these. */
enum shape { SHAPE_BOX, SHAPE_ROUND, SHAPE_STORED, SHAPE_COLLAPSED };

/* Writes one language. `label` may have several lines. */
struct language {
    void (*begin)(const char *title);
    void (*node)(const char *id, enum shape shape, const char *label);
    void (*edge)(const char *from, const char *to, const char *label, bool dotted);
    void (*end)(void);
};

/* ---- Mermaid ---- */

static void mermaid_text(const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '\n') {
            (void)fputs("<br/>", stdout);
        } else if (c < 0x80 && (c < 0x20 || strchr("\"#&<>|`", c) != NULL)) {
            (void)printf("#%d;", c < 0x20 ? ' ' : c);
        } else {
            (void)putchar(c);
        }
    }
}

static void mermaid_begin(const char *title)
{
    (void)title; /* a title would need another syntax of its own */
    (void)puts("flowchart LR");
}

static void mermaid_node(const char *id, enum shape shape, const char *label)
{
    static const char *const brackets[][2] = {[SHAPE_BOX] = {"[", "]"},
                                              [SHAPE_ROUND] = {"([", "])"},
                                              [SHAPE_STORED] = {"[(", ")]"},
                                              [SHAPE_COLLAPSED] = {"[[", "]]"}};
    (void)printf("    %s%s\"", id, brackets[shape][0]);
    mermaid_text(label);
    (void)printf("\"%s\n", brackets[shape][1]);
}

static void mermaid_edge(const char *from, const char *to, const char *label, bool dotted)
{
    (void)printf("    %s %s", from, dotted ? "-.->" : "-->");
    if (*label != '\0') {
        (void)fputs("|\"", stdout);
        mermaid_text(label);
        (void)fputs("\"|", stdout);
    }
    (void)printf(" %s\n", to);
}

static void mermaid_end(void)
{
}

/* ---- Graphviz ---- */

static void dot_text(const char *text)
{
    (void)putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            (void)fputs("\\n", stdout);
        } else {
            (void)fputs(*text == '"' || *text == '\\' ? "\\" : "", stdout);
            (void)putchar((unsigned char)*text < 0x20 ? ' ' : *text);
        }
    }
    (void)putchar('"');
}

static void dot_begin(const char *title)
{
    (void)fputs("digraph ", stdout);
    dot_text(title);
    (void)puts(
        " {\n    rankdir=LR;\n    node [shape=box, fontname=\"sans-serif\"];\n    edge [fontname=\"sans-serif\"];");
}

static void dot_node(const char *id, enum shape shape, const char *label)
{
    static const char *const attributes[] = {[SHAPE_BOX] = "box",
                                             [SHAPE_ROUND] = "box, style=rounded",
                                             [SHAPE_STORED] = "cylinder",
                                             [SHAPE_COLLAPSED] = "box, peripheries=2"};
    (void)printf("    %s [shape=%s, label=", id, attributes[shape]);
    dot_text(label);
    (void)puts("];");
}

static void dot_edge(const char *from, const char *to, const char *label, bool dotted)
{
    (void)printf("    %s -> %s [%slabel=", from, to, dotted ? "style=dotted, " : "");
    dot_text(label);
    (void)puts("];");
}

static void dot_end(void)
{
    (void)puts("}");
}

/* ---- what is drawn ---- */

#define ID_SIZE 32
#define LABEL_SIZE 1024

struct drawing {
    const struct pipeline *pipeline;
    const struct language *language;
};

/* "alert", or "NAME (alert)" where the file gives it a name of its own. */
static void name_section(const struct section *section, char *out, size_t size)
{
    const struct node *name = config_get(section->node, "name");
    const char *plugin = section->loaded->plugin.name;
    if (name != NULL && name->kind == NODE_SCALAR && !name->null) {
        (void)snprintf(out, size, "%s (%s)", name->written, plugin);
    } else {
        (void)snprintf(out, size, "%s", plugin);
    }
}

/* What an arrow to a section says: `what`, and the section's condition. */
static void name_edge(const struct section *section, const char *what, char *out, size_t size)
{
    const struct node *when = config_get(section->node, "when");
    bool conditional = when != NULL && when->kind == NODE_SCALAR && !when->null;
    (void)snprintf(out, size, "%s%s%s%s", what, conditional && *what != '\0' ? "\n" : "", conditional ? "when " : "",
                   conditional ? when->written : "");
}

/* One thing that several sections read or write is one node: its first target's number. */
static unsigned number_of(const struct targets *targets, unsigned i)
{
    for (unsigned k = 0; k < i; k++) {
        const struct target *a = &targets->items[k], *b = &targets->items[i];
        if (strcmp(a->kind, b->kind) == 0 && strcmp(a->name, b->name) == 0 &&
            strcmp(a->at != NULL ? a->at : "", b->at != NULL ? b->at : "") == 0) {
            return k;
        }
    }
    return i;
}

static void draw_targets(const struct drawing *d, const struct section *section, const char *id)
{
    const struct targets *targets = &d->pipeline->targets;
    for (unsigned i = 0; i < targets->count; i++) {
        const struct target *target = &targets->items[i];
        unsigned number = number_of(targets, i);
        char target_id[ID_SIZE], label[LABEL_SIZE];
        if (target->section != section || (target->flags & CHURN_TARGET_INNER) != 0) {
            continue;
        }
        (void)snprintf(target_id, sizeof target_id, "target%u", number);
        if (number == i) {
            (void)snprintf(label, sizeof label, "%s\n%s%s%s", target->kind, target->name,
                           target->at != NULL ? "\n" : "", target->at != NULL ? target->at : "");
            d->language->node(target_id, SHAPE_STORED, label);
        }
        if ((target->flags & CHURN_TARGET_READS) != 0 && (target->flags & CHURN_TARGET_WRITES) == 0) {
            d->language->edge(target_id, id, "", false);
        } else {
            d->language->edge(id, target_id, "", false);
        }
    }
}

static void draw_section(const struct drawing *d, const struct section *section, const char *role, const char *id)
{
    char name[LABEL_SIZE - 32], label[LABEL_SIZE];
    name_section(section, name, sizeof name);
    (void)snprintf(label, sizeof label, "%s\n%s", role, name);
    d->language->node(id, SHAPE_ROUND, label);
    draw_targets(d, section, id);
}

#define LISTED_TYPES 4 /* more are only counted */

static void draw_types(const struct drawing *d)
{
    const struct catalog *catalog = &d->pipeline->catalog;
    struct text label = {0};
    char count[64];
    (void)snprintf(count, sizeof count, "%u event type%s", catalog->type_count, catalog->type_count == 1 ? "" : "s");
    text_append_string(&label, count);
    for (uint32_t i = 0; catalog->type_count <= LISTED_TYPES && i < catalog->type_count; i++) {
        text_append(&label, "\n", 1);
        text_append_string(&label, catalog->types[i].name.ptr);
    }
    text_append(&label, "", 1);
    d->language->node("types", SHAPE_COLLAPSED, label.failed ? count : label.bytes);
    text_free(&label);
}

/* From the source through the processors; returns what the sinks hang on. */
static const char *draw_spine(const struct drawing *d)
{
    const struct pipeline *pipeline = d->pipeline;
    char from[ID_SIZE] = "source", id[ID_SIZE], label[LABEL_SIZE];
    draw_section(d, &pipeline->source, "source", "source");
    for (unsigned i = 0; i < pipeline->processor_count; i++) {
        (void)snprintf(id, sizeof id, "processor%u", i);
        draw_section(d, &pipeline->processors[i], "processor", id);
        name_edge(&pipeline->processors[i], "", label, sizeof label);
        d->language->edge(from, id, label, false);
        (void)snprintf(from, sizeof from, "%s", id);
    }
    if (!pipeline->decodes) {
        return "source";
    }
    draw_types(d);
    d->language->edge(from, "types", "", false);
    if (pipeline->store.loaded != NULL) {
        draw_section(d, &pipeline->store, "store", "store");
        d->language->edge("types", "store", "profiles", false);
    }
    return "types";
}

static const char *kind_name(uint32_t kind)
{
    switch (kind) {
    case CHURN_RECORD_TRIGGER:
        return "triggers";
    case CHURN_RECORD_ALERT:
        return "alerts";
    case CHURN_RECORD_DEAD_LETTER:
        return "dead letters";
    default:
        return "events";
    }
}

static void draw(const struct drawing *d)
{
    const struct pipeline *pipeline = d->pipeline;
    const char *from;
    d->language->begin(pipeline->settings.name);
    from = draw_spine(d);
    for (unsigned i = 0; i < pipeline->sink_count; i++) {
        const struct section *sink = &pipeline->sinks[i];
        bool dead = sink->input == CHURN_RECORD_DEAD_LETTER;
        char id[ID_SIZE], label[LABEL_SIZE];
        (void)snprintf(id, sizeof id, "sink%u", i);
        draw_section(d, sink, dead ? "dead letters" : "sink", id);
        name_edge(sink, kind_name(sink->input), label, sizeof label);
        d->language->edge(from, id, label, dead);
    }
    d->language->end();
}

int command_graph(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    static const struct language mermaid = {mermaid_begin, mermaid_node, mermaid_edge, mermaid_end},
                                 dot = {dot_begin, dot_node, dot_edge, dot_end};
    bool wants_dot = arguments->format != NULL && strcmp(arguments->format, "dot") == 0;
    struct pipeline pipeline;
    bool ok = pipeline_load(&pipeline, arguments_files(arguments), loader, log, stderr);
    if (ok) {
        draw(&(struct drawing){.pipeline = &pipeline, .language = wants_dot ? &dot : &mermaid});
    }
    pipeline_free(&pipeline);
    return ok ? 0 : 1;
}
