#include "cli/redrive.h"

#include "cli/commands.h"
#include "engine/reload.h"
#include "engine/run.h"
#include "pipeline/load.h"
#include "pipeline/pipeline.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_LINE "256MiB" /* an event's worst envelope, and far more */

/* ---- which topics are the pipeline's own ---- */

static bool add_topic(struct redrive *redrive, const char *name, size_t len)
{
    char **topics = realloc(redrive->topics, (redrive->topic_count + 1) * sizeof *topics);
    if (topics == NULL) {
        return false;
    }
    redrive->topics = topics;
    topics[redrive->topic_count] = strndup(name, len);
    return topics[redrive->topic_count++] != NULL;
}

/* A list, or one text with commas. */
static bool add_topics(struct redrive *redrive, const struct node *node)
{
    bool ok = true;
    if (node != NULL && node->kind == NODE_LIST) {
        for (unsigned i = 0; i < node->count; i++) {
            ok = add_topics(redrive, &node->items[i]) && ok;
        }
    } else if (node != NULL && node->kind == NODE_SCALAR) {
        for (const char *at = node->text; ok && *(at += strspn(at, ", \t")) != '\0'; at += strcspn(at, ", \t")) {
            ok = add_topic(redrive, at, strcspn(at, ", \t"));
        }
    }
    return ok;
}

static const char *text_of(const struct node *map, const char *key, const char *otherwise)
{
    const struct node *node = config_get(map, key);
    return node != NULL && node->kind == NODE_SCALAR && *node->text != '\0' ? node->text : otherwise;
}

static bool learn_topics(struct redrive *redrive, const struct node *source)
{
    const char *plugin = text_of(source, "plugin", "");
    if (strcmp(plugin, "kafka") == 0) {
        return add_topics(redrive, config_get(source, "topics"));
    }
    if (strcmp(plugin, "file") == 0) {
        const char *path = text_of(source, "path", "");
        const char *topic = text_of(source, "topic", strcmp(path, "-") == 0 ? "stdin" : path);
        return add_topic(redrive, topic, strlen(topic));
    }
    redrive->any_topic = strcmp(plugin, "generate") != 0;
    return add_topic(redrive, "generate", strlen("generate"));
}

void redrive_free(struct redrive *redrive)
{
    for (unsigned i = 0; i < redrive->topic_count; i++) {
        free(redrive->topics[i]);
    }
    free(redrive->topics);
    if (redrive->has_origin) {
        config_free_node(&redrive->origin);
    }
    *redrive = (struct redrive){0};
}

/* ---- the source that reads them ---- */

/* Those of the sink's properties that say how to reach and trust the brokers; others are a producer's. */
static bool is_of_connection(const char *property)
{
    static const char *const prefixes[] = {"security.", "ssl.",    "sasl.",      "enable.ssl.", "enable.sasl.",
                                           "socket.",   "broker.", "reconnect.", "client.",     "debug"};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (strncmp(property, prefixes[i], strlen(prefixes[i])) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_of_group(const char *property)
{
    return strcmp(property, "session.timeout.ms") == 0 || strcmp(property, "heartbeat.interval.ms") == 0 ||
           strcmp(property, "max.poll.interval.ms") == 0;
}

static bool copy_properties(struct node *to, const struct node *section, bool (*wanted)(const char *property))
{
    const struct node *from = config_get(section, "properties");
    bool ok = true;
    for (unsigned i = 0; ok && from != NULL && from->kind == NODE_MAP && i < from->count; i++) {
        const struct node *value = &from->items[i];
        ok = value->kind != NODE_SCALAR || !wanted(from->keys[i].text) ||
             config_put(to, from->keys[i].text, config_copy(value));
    }
    return ok;
}

/* A repeated redrive goes on where its group committed. One over all letters has a group that is never seen again. */
static void name_group(const struct redrive *redrive, const struct config *config, const struct node *source,
                       char *name, size_t size)
{
    const char *file = strrchr(config->file, '/') != NULL ? strrchr(config->file, '/') + 1 : config->file;
    const char *pipeline = text_of(&config->root, "name", NULL), *own = text_of(source, "group_id", pipeline);
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)snprintf(name, size, "%.*s-redrive", own != NULL ? 4096 : (int)strcspn(file, "."), own != NULL ? own : file);
    if (redrive->all) {
        size_t len = strlen(name);
        (void)snprintf(name + len, size - len, "-all-%lld%03ld", (long long)now.tv_sec, now.tv_nsec / 1000000);
    }
}

static bool put_text(struct node *map, const char *key, const char *text)
{
    return config_put(map, key, config_scalar(map, text));
}

static bool kafka_source(struct redrive *redrive, const struct config *config, const struct node *dead, struct node *to)
{
    const struct node *own = config_get(&config->root, "source"), *brokers = config_get(dead, "brokers");
    struct node properties = config_map(dead);
    bool of_kafka = strcmp(text_of(own, "plugin", ""), "kafka") == 0, ok;
    char group[4300];
    name_group(redrive, config, of_kafka ? own : NULL, group, sizeof group);
    ok = copy_properties(&properties, dead, is_of_connection) &&
         (!of_kafka || copy_properties(&properties, own, is_of_group));
    ok = config_put(to, "properties", properties) && ok;
    ok = (brokers == NULL || brokers->kind != NODE_SCALAR || config_put(to, "brokers", config_copy(brokers))) && ok;
    (void)snprintf(redrive->description, sizeof redrive->description, "the topic %s, as group %s",
                   text_of(dead, "topic", ""), group);
    redrive->end = INT64_MAX;
    redrive->stay = redrive->all;
    return ok && put_text(to, "topics", text_of(dead, "topic", "")) && put_text(to, "group_id", group) &&
           put_text(to, "headers", "true");
}

/* The size of whole lines: what is being appended is waited for. */
static int64_t size_of(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st = {0};
    if (fd >= 0) {
        (void)flock(fd, LOCK_SH);
        (void)fstat(fd, &st);
        (void)close(fd);
    }
    return st.st_size;
}

static bool file_source(struct redrive *redrive, struct config *config, const struct node *dead, struct node *to)
{
    const char *path = text_of(dead, "path", "");
    if (strcmp(path, "-") == 0 || strcmp(text_of(dead, "format", ""), "value") == 0) {
        config_error(config, dead, "redrive: these dead letters cannot be read again: they are %s",
                     strcmp(path, "-") == 0 ? "written to standard output" : "written without their positions");
        return false;
    }
    (void)snprintf(redrive->description, sizeof redrive->description, "%s", path);
    redrive->envelope = redrive->stay = true;
    redrive->end = size_of(path);
    return put_text(to, "path", path) && put_text(to, "max_line", MAX_LINE) && put_text(&config->root, "workers", "1");
}

/* The pipeline's own source stays, to read again what the dead letters were; not a pipe, which comes once. */
static void keep_origin(struct pipeline *pipeline, struct redrive *redrive)
{
    redrive->has_origin = config_take(&pipeline->config.root, "source", &redrive->origin);
    if (redrive->has_origin && redrive->origin.kind == NODE_MAP && !reload_reads_pipe(&redrive->origin)) {
        pipeline->origin.node = &redrive->origin;
    }
}

bool redrive_edit(struct pipeline *pipeline, void *ctx)
{
    struct redrive *redrive = ctx;
    struct config *config = &pipeline->config;
    const struct node *dead = config_get(&config->root, "dead_letters");
    const char *plugin = text_of(dead, "plugin", "");
    struct node source = config_map(dead != NULL ? dead : &config->root);
    bool kafka = strcmp(plugin, "kafka") == 0, ok;
    if (!kafka && strcmp(plugin, "file") != 0) {
        config_error(config, dead,
                     "redrive: a section 'dead_letters:' with 'plugin: kafka' or 'plugin: file' is needed");
        return false;
    }
    ok = learn_topics(redrive, config_get(&config->root, "source")) && put_text(&source, "plugin", plugin);
    if (ok) {
        unsigned errors = config->error_count;
        ok = kafka ? kafka_source(redrive, config, dead, &source) : file_source(redrive, config, dead, &source);
        if (config->error_count > errors) {
            config_free_node(&source);
            return false;
        }
    }
    keep_origin(pipeline, redrive);
    ok = config_put(&config->root, "source", source) && ok;
    if (!ok) {
        config_error(config, NULL, "out of memory");
    }
    return ok;
}

int command_redrive(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    struct redrive redrive = {.all = arguments->all, .unverified = arguments->unverified};
    const struct run_options options = arguments_run(arguments);
    struct pipeline pipeline;
    int status = 1;
    if (pipeline_load_edited(&pipeline, options.files, loader, log, stderr, redrive_edit, &redrive)) {
        pipeline.redrive = &redrive;
        pipeline.until_end = true;
        log_printf(log, CHURN_LOG_INFO, "redrive", "reads the dead letters of %s", redrive.description);
        status = run_pipeline(&options, &pipeline, log);
    }
    pipeline_free(&pipeline);
    redrive_free(&redrive);
    return status;
}
