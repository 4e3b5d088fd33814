#include "cli/redrive.h"

#include "base/json_text.h"
#include "cli/commands.h"
#include "cli/sandboxed.h"
#include "engine/run.h"
#include "pipeline/load.h"
#include "pipeline/pipeline.h"
#include "pipeline/section_view.h"
#include <churn/time.h>
#include <stdlib.h>

/* ---- which topics are the pipeline's own ---- */

static void add_topic(void *ctx, const char *topic)
{
    struct redrive *redrive = ctx;
    char **topics = realloc(redrive->topics, (redrive->topic_count + 1) * sizeof *topics);
    char *name = strdup(topic);
    redrive->topics = topics != NULL ? topics : redrive->topics;
    if (topics == NULL || name == NULL) {
        free(name);
        redrive->failed = true;
        return;
    }
    topics[redrive->topic_count++] = name;
}

static bool learn_topics(struct redrive *redrive, const churn_source_ops *source, const struct node *section)
{
    struct section_view own;
    section_view_read(&own, section);
    redrive->any_topic = source == NULL || source->topics == NULL;
    if (!redrive->any_topic) {
        source->topics(&own.face, add_topic, redrive);
    }
    return !own.failed && !redrive->failed;
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

static const char *text_of(const struct node *map, const char *key, const char *otherwise)
{
    const struct node *node = config_get(map, key);
    return node != NULL && node->kind == NODE_SCALAR && *node->text != '\0' ? node->text : otherwise;
}

/* As the pipeline will be called. */
static void name_pipeline(const struct config *config, char *name, size_t size)
{
    const char *file = strrchr(config->file, '/') != NULL ? strrchr(config->file, '/') + 1 : config->file;
    const char *own = text_of(&config->root, "name", NULL);
    (void)snprintf(name, size, "%.*s", own != NULL ? (int)strlen(own) : (int)strcspn(file, "."),
                   own != NULL ? own : file);
}

static bool refuse(struct config *config, const struct node *dead, const churn_error *err)
{
    const struct node *option = config_get(dead, err->option);
    config_error(config, option != NULL ? option : dead, "redrive: these dead letters cannot be read again: %s",
                 err->message[0] != '\0' ? err->message : "their sink does not say why");
    return false;
}

/* Asks the sink that wrote them. False, with a message unless memory ran out, when they cannot be read. */
static bool read_back(struct redrive *redrive, struct config *config, const churn_sink_ops *sink, struct node *reader)
{
    const struct node *dead = config_get(&config->root, "dead_letters");
    struct section_view letters, source, made;
    char name[4096 + 1];
    churn_error err = {.size = sizeof err};
    churn_read_back back = {.size = sizeof back,
                            .all = redrive->all,
                            .pipeline = name,
                            .source = &source.face,
                            .reader = &made.face,
                            .end = INT64_MAX};
    name_pipeline(config, name, sizeof name);
    section_view_read(&letters, dead);
    section_view_read(&source, config_get(&config->root, "source"));
    section_view_make(&made, reader);
    if (sink->read_back(&letters.face, &back, &err) != CHURN_OK) {
        return refuse(config, dead, &err);
    }
    redrive->envelope = (back.flags & CHURN_READ_BACK_LINES) != 0;
    redrive->stay = redrive->all || (back.flags & CHURN_READ_BACK_STAYS) != 0;
    redrive->end = back.end;
    (void)snprintf(redrive->description, sizeof redrive->description, "%s", back.description);
    return !letters.failed && !source.failed && !made.failed;
}

/* The sink whose dead letters are read. NULL with a message when there is none that could tell how. */
static const churn_sink_ops *find_sink(struct pipeline *pipeline, const struct node *dead)
{
    struct config *config = &pipeline->config;
    char message[2048];
    const struct loaded *sink = pipeline_find_plugin(pipeline, dead, CHURN_KIND_SINK, message, sizeof message);
    if (sink != NULL && sink->ops.sink.read_back != NULL) {
        return &sink->ops.sink;
    }
    if (sink != NULL) {
        config_error(config, dead,
                     "redrive: the sink '%s' does not say how its dead letters are read again; it needs the call "
                     "read_back of ABI 1.3",
                     sink->plugin.name);
    } else if (*message != '\0') {
        config_error(config, config_get(dead, "plugin"), "dead_letters: %s", message);
    } else {
        config_error(
            config, dead,
            "redrive: a section 'dead_letters:' is needed, such as one with 'plugin: kafka' or 'plugin: file'");
    }
    return NULL;
}

/* What is known of the pipeline's own source, which stays, to read again what the dead letters were; not a pipe, which
 * comes once. A plugin that cannot be had is told of once the file is read. */
static bool keep_origin(struct pipeline *pipeline, struct redrive *redrive)
{
    char message[2048];
    churn_error err = {.size = sizeof err};
    const struct node *section = config_get(&pipeline->config.root, "source");
    const struct loaded *loaded = pipeline_find_plugin(pipeline, section, CHURN_KIND_SOURCE, message, sizeof message);
    const churn_source_ops *source = loaded != NULL ? &loaded->ops.source : NULL;
    bool gone = source != NULL && section_view_again(source, section, &err) == CHURN_FATAL;
    bool ok = learn_topics(redrive, source, section);
    redrive->has_origin = config_take(&pipeline->config.root, "source", &redrive->origin);
    if (redrive->has_origin && redrive->origin.kind == NODE_MAP && !gone) {
        pipeline->origin.node = &redrive->origin;
    }
    return ok;
}

/* What one worker alone can read is read by one. */
static bool choose_workers(struct pipeline *pipeline, const struct node *reader)
{
    char message[2048];
    struct node *root = &pipeline->config.root;
    const struct loaded *source = pipeline_find_plugin(pipeline, reader, CHURN_KIND_SOURCE, message, sizeof message);
    return source == NULL || !source->ops.source.single_worker || config_put(root, "workers", config_scalar(root, "1"));
}

bool redrive_edit(struct pipeline *pipeline, void *ctx)
{
    struct redrive *redrive = ctx;
    struct config *config = &pipeline->config;
    const struct node *dead = config_get(&config->root, "dead_letters");
    struct node reader = config_map(dead != NULL ? dead : &config->root);
    const churn_sink_ops *sink = find_sink(pipeline, dead);
    unsigned errors = config->error_count;
    bool ok;
    if (sink == NULL) {
        return false;
    }
    ok = read_back(redrive, config, sink, &reader);
    if (config->error_count > errors) {
        config_free_node(&reader);
        return false;
    }
    ok = choose_workers(pipeline, &reader) && ok;
    ok = keep_origin(pipeline, redrive) && ok;
    ok = config_put(&config->root, "source", reader) && ok;
    if (!ok) {
        config_error(config, NULL, "out of memory");
    }
    return ok;
}

static void append_time(struct text *out, const char *word, int64_t ms)
{
    char time[CHURN_TIME_SIZE];
    if (ms != INT64_MIN && ms != INT64_MAX) {
        churn_time_format(ms, time);
        text_printf(out, "%s %s", word, time);
    }
}

/* What is read. */
static void tell(const struct redrive *redrive, struct log *log)
{
    struct text when = {0};
    append_time(&when, ", written since", redrive->since_ms);
    append_time(&when, redrive->since_ms != INT64_MIN ? " and until" : ", written until", redrive->until_ms);
    log_printf(log, CHURN_LOG_INFO, "redrive", "reads the dead letters of %s%.*s", redrive->description, (int)when.len,
               when.len > 0 ? when.bytes : "");
    text_free(&when);
}

int command_redrive(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    struct redrive redrive = {.all = arguments->all,
                              .unverified = arguments->unverified,
                              .since_ms = arguments->has_since ? arguments->since_ms : INT64_MIN,
                              .until_ms = arguments->has_until ? arguments->until_ms : INT64_MAX};
    const struct run_options options = arguments_run(arguments);
    struct pipeline pipeline;
    int status = 1;
    if (redrive.since_ms >= redrive.until_ms) {
        (void)fputs("churnd: redrive: --until is not later than --since, so no dead letter lies between\n", stderr);
        return 1;
    }
    if (!pipeline_check(options.files, loader, log, stderr, NULL)) {
        return 1;
    }
    if (pipeline_load_edited(&pipeline, options.files, loader, log, stderr, redrive_edit, &redrive)) {
        pipeline.redrive = &redrive;
        pipeline.until_end = true;
        tell(&redrive, log);
        status = sandboxed(&pipeline, options.files, NULL) ? run_pipeline(&options, &pipeline, log) : 1;
    }
    pipeline_free(&pipeline);
    redrive_free(&redrive);
    return status;
}
