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

/* Only Kafka's topics can be written to from outside while a pipeline reads them. NULL with a message. */
static const churn_source_ops *check_source(struct pipeline *pipeline, const struct node *source)
{
    struct config *config = &pipeline->config;
    const struct node *plugin = config_get(source, "plugin");
    char message[2048];
    const struct loaded *loaded;
    if (plugin == NULL || plugin->kind != NODE_SCALAR || strcmp(plugin->text, "kafka") != 0) {
        config_error(config, plugin != NULL ? plugin : source,
                     "load: the source must be one of 'plugin: kafka', whose topic others can write to");
        return NULL;
    }
    loaded = pipeline_find_plugin(pipeline, source, CHURN_KIND_SOURCE, message, sizeof message);
    if (loaded == NULL) {
        config_error(config, plugin, "source: %s", message);
        return NULL;
    }
    return &loaded->ops.source;
}

static bool find_topic(struct pipeline *pipeline, const struct node *source, struct load_sections *sections)
{
    const churn_source_ops *ops = check_source(pipeline, source);
    struct topic_choice choice = {.sections = sections};
    struct section_view own;
    if (ops == NULL) {
        return false;
    }
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

/* What says how Kafka is reached; the rest is for consumers. */
static bool is_of_connection(const char *property)
{
    static const char *const prefixes[] = {"security.",  "sasl.",   "ssl.",         "enable.ssl", "https.",
                                           "client.dns", "broker.", "enable.sasl.", "socket."};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (strncmp(property, prefixes[i], strlen(prefixes[i])) == 0) {
            return true;
        }
    }
    return false;
}

static bool copy_properties(struct node *made, const struct node *properties)
{
    struct node some = config_map(made);
    bool ok = true;
    for (unsigned i = 0; ok && properties != NULL && properties->kind == NODE_MAP && i < properties->count; i++) {
        const char *name = properties->keys[i].text;
        if (properties->items[i].kind == NODE_SCALAR && is_of_connection(name)) {
            ok = config_put(&some, name, config_copy(&properties->items[i]));
        }
    }
    if (some.count == 0 || !ok) {
        config_free_node(&some);
        return ok;
    }
    return config_put(made, "properties", some);
}

static bool make_sink(struct node *made, const struct node *source, const char *topic)
{
    const struct node *brokers = config_get(source, "brokers");
    return put_text(made, "plugin", "kafka") && put_text(made, "topic", topic) &&
           (brokers == NULL || config_put(made, "brokers", config_copy(brokers))) &&
           copy_properties(made, config_get(source, "properties"));
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
    struct node generator, sink;
    bool ok;
    if (config_get(&config->root, "store") == NULL) {
        config_error(config, NULL, "load: there is no store in which the profiles could be seen");
        return false;
    }
    if (!find_topic(pipeline, source, sections)) {
        return false;
    }
    generator = config_map(source);
    sink = config_map(source);
    ok = make_generator(&generator, sections);
    ok = make_sink(&sink, source, sections->topic_found) && ok;
    remove_the_rest(&config->root);
    struct node sinks = list_of(&generator, sink);
    ok = config_put(&config->root, "sinks", sinks) && ok;
    ok = config_put(&config->root, "source", generator) && ok;
    ok = config_put(&config->root, "workers", config_scalar(&config->root, "1")) && ok;
    if (!ok || sinks.count == 0) {
        config_error(config, NULL, "out of memory");
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
    if (ops == NULL || !find_topic(pipeline, source, sections)) {
        return false;
    }
    section_view_make(&view, source);
    if (ops->apart(&view.face, "load", &err) != CHURN_OK) {
        config_error(config, source, "load: %s", err.message);
        return false;
    }
    if (config_get(&config->root, "sinks") != NULL) {
        config_remove(&config->root, "sinks");
    }
    remove_the_rest(&config->root);
    source = (struct node *)(uintptr_t)config_get(&config->root, "source"); /* it was moved */
    if (view.failed || !config_put(source, "topics", config_scalar(source, sections->topic_found)) ||
        !config_put(&config->root, "workers", config_scalar(&config->root, "1"))) {
        config_error(config, NULL, "out of memory");
        return false;
    }
    pipeline->until_end = true;
    pipeline->read_only = true;
    return true;
}
