/* What `churnd plugin-check` sees of calls that are given a section as the file has it (<churn/section.h>). */
#include "cli/plugin_section.h"

#include "pipeline/section_view.h"
#include <string.h>
#include <unistd.h>

/* An empty map, and what was given: no option was checked before these calls. */
struct tried {
    struct plugin_check *check;
    const struct loaded *loaded;
    const struct node *options;
    const char *with; /* for messages */
};

/* `call` with what it is given, as the next stage. */
static void begin(const struct tried *t, const char *call)
{
    char stage[96];
    (void)snprintf(stage, sizeof stage, "calling %s with %s", call, t->with);
    plugin_report_stage(t->check, stage);
}

static void judge(const struct tried *t, const char *call, int32_t result, const churn_error *err)
{
    if (result != CHURN_OK && result != CHURN_REJECT && result != CHURN_FATAL) {
        plugin_report_error(t->check, "section_call",
                            "%s answers %d with %s; it may answer CHURN_OK, CHURN_REJECT or CHURN_FATAL", call,
                            (int)result, t->with);
    } else if (result != CHURN_OK && memchr(err->message, '\0', sizeof err->message) == err->message) {
        plugin_report_warning(t->check, "section_call", "%s refuses %s and does not say why; use churn_fail", call,
                              t->with);
    }
}

/* ---- sinks ---- */

static void try_read_back(const struct tried *t, const churn_sink_ops *ops)
{
    struct node map = {.kind = NODE_MAP};
    struct section_view own, source, made;
    churn_error err = {.size = sizeof err};
    churn_read_back back = {.size = sizeof back,
                            .pipeline = "plugin-check",
                            .source = &source.face,
                            .reader = &made.face,
                            .end = INT64_MAX};
    int32_t result;
    section_view_read(&own, t->options);
    section_view_read(&source, NULL);
    section_view_make(&made, &map);
    begin(t, "read_back");
    result = ops->read_back(&own.face, &back, &err);
    judge(t, "read_back", result, &err);
    if (result == CHURN_OK && config_get(&map, "plugin") == NULL) {
        plugin_report_error(t->check, "section_call",
                            "read_back answers CHURN_OK with %s and names no source; it must put `plugin`", t->with);
    } else if (result == CHURN_OK && t->options->count > 0 && back.description[0] == '\0') {
        plugin_report_warning(t->check, "section_call",
                              "read_back leaves `description` empty, by which the log says what is read");
    }
    config_free_node(&map);
}

/* ---- sources ---- */

static void take_topic(void *ctx, const char *topic)
{
    const struct tried *t = ctx;
    if (topic == NULL || *topic == '\0') {
        plugin_report_error(t->check, "section_call", "topics names a topic without a name with %s", t->with);
    }
}

/* A copy, which a call changes. */
static struct node copy_of(const struct node *map)
{
    struct node copy = {.kind = NODE_MAP};
    for (unsigned i = 0; i < map->count; i++) {
        if (!config_put(&copy, map->keys[i].text, config_copy(&map->items[i]))) {
            _exit(1);
        }
    }
    return copy;
}

static void try_change(const struct tried *t, const char *call,
                       int32_t (*change)(churn_section *section, const char *name, churn_error *err), const char *name)
{
    struct node map = copy_of(t->options);
    struct section_view view;
    churn_error err = {.size = sizeof err};
    section_view_make(&view, &map);
    begin(t, call);
    judge(t, call, change(&view.face, name, &err), &err);
    config_free_node(&map);
}

/* Into the section of a sink, which is empty. */
static void try_writer(const struct tried *t, const churn_source_ops *ops, const churn_section *own)
{
    struct node map = {.kind = NODE_MAP};
    struct section_view sink;
    churn_error err = {.size = sizeof err};
    section_view_make(&sink, &map);
    begin(t, "writer");
    judge(t, "writer", ops->writer(own, "a-topic", &sink.face, &err), &err);
    config_free_node(&map);
}

static void try_source(struct tried *t, const churn_source_ops *ops)
{
    struct section_view view;
    churn_error err = {.size = sizeof err};
    section_view_read(&view, t->options);
    if (ops->topics != NULL) {
        begin(t, "topics");
        ops->topics(&view.face, take_topic, t);
    }
    if (ops->again != NULL) {
        begin(t, "again");
        judge(t, "again", ops->again(&view.face, &err), &err);
    }
    if (ops->apart != NULL) {
        try_change(t, "apart", ops->apart, "rebuild-other:");
    }
    if (ops->writer != NULL) {
        try_writer(t, ops, &view.face);
    }
    if (ops->narrow != NULL) {
        try_change(t, "narrow", ops->narrow, "a-topic");
    }
}

static void try_calls(struct tried *t)
{
    if (t->loaded->plugin.kind == CHURN_KIND_SINK && t->loaded->ops.sink.read_back != NULL) {
        try_read_back(t, &t->loaded->ops.sink);
    } else if (t->loaded->plugin.kind == CHURN_KIND_SOURCE) {
        try_source(t, &t->loaded->ops.source);
    }
}

void plugin_section(struct plugin_check *check, const struct loaded *loaded, const struct node *options)
{
    const struct node empty = {.kind = NODE_MAP};
    struct tried without = {.check = check, .loaded = loaded, .options = &empty, .with = "an empty section"};
    struct tried given = {.check = check, .loaded = loaded, .options = options, .with = "the options given"};
    const churn_source_ops *source = &loaded->ops.source;
    try_calls(&without);
    if (options->count > 0) {
        try_calls(&given);
    }
    if (loaded->plugin.kind == CHURN_KIND_SOURCE && source->commit != NULL && source->apart == NULL) {
        plugin_report_note(check, "no_apart",
                           "it commits, and has no call apart, so that `churnd rebuild` refuses its pipelines");
    }
}
