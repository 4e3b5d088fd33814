#include "cli/load/sections.h"

#include "pipeline/section_view.h"
#include <inttypes.h>
#include <stdlib.h>

/* ---- the source that the pipeline has ---- */

/* Of a list of topics, or one text with commas. */
struct topic_choice {
    struct load_sections *sections;
    bool found;
    unsigned count;
};

static void choose_topic(void *ctx, const char *topic)
{
    struct topic_choice *choice = ctx;
    const char *wanted = choice->sections->topic;
    if (!choice->found && (wanted != NULL ? strcmp(topic, wanted) == 0 : choice->count == choice->sections->number)) {
        choice->found = true;
        (void)snprintf(choice->sections->topic_found, LOAD_NAME_SIZE, "%s", topic);
    }
    choice->count++;
}

/* One whose topics others can write to while the pipeline reads them. NULL with a message. */
static const churn_source_ops *check_source(struct pipeline *pipeline, const struct node *source)
{
    struct config *config = &pipeline->config;
    const struct node *plugin = config_get(source, "plugin");
    char message[2048] = "";
    const struct loaded *loaded = pipeline_find_plugin(pipeline, source, CHURN_KIND_SOURCE, message, sizeof message);
    const churn_source_ops *ops = loaded != NULL ? &loaded->ops.source : NULL;
    if (ops == NULL && *message != '\0') {
        config_error(config, plugin, "source: %s", message);
        return NULL;
    }
    if (ops == NULL || ops->writer == NULL || ops->topics == NULL || ops->apart == NULL || ops->narrow == NULL) {
        config_error(config, plugin != NULL ? plugin : source,
                     "load: the source must be one of 'plugin: kafka', or another whose topic others can write to (its "
                     "plugin has `writer`, `narrow`, `topics` and `apart` of ABI 1.3)");
        return NULL;
    }
    return ops;
}

static bool find_topic(struct pipeline *pipeline, const churn_source_ops *ops, const struct node *source,
                       struct load_sections *sections)
{
    struct topic_choice choice = {.sections = sections};
    struct section_view own;
    section_view_read(&own, source);
    ops->topics(&own.face, choose_topic, &choice);
    sections->topic_count = choice.count;
    if (!choice.found) {
        config_error(&pipeline->config, source, "load: the source reads no topic '%s'",
                     sections->topic != NULL ? sections->topic : "");
    }
    return choice.found;
}

/* ---- the sections that are made ---- */

static struct node list_of(const struct node *at, struct node item)
{
    struct node list = config_map(at);
    list.kind = NODE_LIST;
    list.items = calloc(1, sizeof *list.items);
    if (list.items == NULL) {
        config_free_node(&item);
        return list;
    }
    list.items[0] = item;
    list.count = 1;
    return list;
}

static bool put_text(struct node *map, const char *key, const char *text)
{
    return config_put(map, key, config_scalar(map, text));
}

static bool put_number(struct node *map, const char *key, int64_t number)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRId64, number);
    return put_text(map, key, text);
}

static bool make_generator(struct node *made, const struct load_sections *sections)
{
    return put_text(made, "plugin", "generate") && put_text(made, "customer_prefix", sections->customer_prefix) &&
           put_number(made, "customers", sections->customers) && put_text(made, "time_step", "0s") &&
           put_text(made, "zipf", sections->evenly ? "0" : "1") &&
           (sections->types == NULL || put_text(made, "types", sections->types));
}

/* As the source says who writes where it reads. */
static bool make_sink(struct config *config, struct node *made, const churn_source_ops *ops, const struct node *source,
                      const char *topic)
{
    struct section_view own, sink;
    churn_error err = {.size = sizeof err};
    section_view_read(&own, source);
    section_view_make(&sink, made);
    if (ops->writer(&own.face, topic, &sink.face, &err) != CHURN_OK) {
        config_error(config, source, "load: the source cannot be written to: %s", err.message);
        return false;
    }
    return !own.failed && !sink.failed;
}

/* What else the pipeline does with events is not for the test to do. */
static void remove_the_rest(struct node *root)
{
    static const char *const others[] = {"processors", "tests", "health"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (config_get(root, others[i]) != NULL) {
            config_remove(root, others[i]);
        }
    }
}

bool load_edit_feed(struct pipeline *pipeline, void *ctx)
{
    struct load_sections *sections = ctx;
    struct config *config = &pipeline->config;
    const struct node *source = config_get(&config->root, "source");
    const churn_source_ops *ops;
    struct node generator, sink;
    unsigned errors = config->error_count;
    bool ok;
    if (config_get(&config->root, "store") == NULL) {
        config_error(config, NULL, "load: there is no store in which the profiles could be seen");
        return false;
    }
    ops = check_source(pipeline, source);
    if (ops == NULL || !find_topic(pipeline, ops, source, sections)) {
        return false;
    }
    generator = config_map(source);
    sink = config_map(source);
    ok = make_generator(&generator, sections);
    ok = make_sink(config, &sink, ops, source, sections->topic_found) && ok;
    remove_the_rest(&config->root);
    struct node sinks = list_of(&generator, sink);
    ok = config_put(&config->root, "sinks", sinks) && ok;
    ok = config_put(&config->root, "source", generator) && ok;
    ok = config_put(&config->root, "workers", config_scalar(&config->root, "1")) && ok;
    if (!ok || sinks.count == 0) {
        if (config->error_count == errors) {
            config_error(config, NULL, "out of memory");
        }
        return false;
    }
    pipeline->read_only = true;
    return true;
}

bool load_edit_reader(struct pipeline *pipeline, void *ctx)
{
    struct load_sections *sections = ctx;
    struct config *config = &pipeline->config;
    struct node *source = (struct node *)(uintptr_t)config_get(&config->root, "source");
    const churn_source_ops *ops = check_source(pipeline, source);
    struct section_view view;
    churn_error err = {.size = sizeof err};
    if (ops == NULL || !find_topic(pipeline, ops, source, sections)) {
        return false;
    }
    section_view_make(&view, source);
    if (ops->apart(&view.face, "load", &err) != CHURN_OK ||
        ops->narrow(&view.face, sections->topic_found, &err) != CHURN_OK) {
        config_error(config, source, "load: %s", err.message);
        return false;
    }
    if (config_get(&config->root, "sinks") != NULL) {
        config_remove(&config->root, "sinks");
    }
    remove_the_rest(&config->root);
    if (view.failed || !config_put(&config->root, "workers", config_scalar(&config->root, "1"))) {
        config_error(config, NULL, "out of memory");
        return false;
    }
    pipeline->until_end = true;
    pipeline->read_only = true;
    return true;
}
