#include "cli/plugin_samples.h"

#include "pipeline/instance.h"
#include <stdlib.h>
#include <unistd.h>

#define SAMPLES "200"
#define BATCH 100
#define POLL_MS 100

void samples_free(struct samples *samples)
{
    for (unsigned i = 0; i < samples->count; i++) {
        free(samples->items[i].payload);
    }
    free(samples->items);
    *samples = (struct samples){0};
}

static void keep(struct samples *samples, const churn_record *record)
{
    struct sample *grown = realloc(samples->items, (samples->count + 1) * sizeof *grown);
    char *payload = calloc(1, record->value.len + JSON_SCAN_PADDING);
    if (grown == NULL || payload == NULL) {
        _exit(1);
    }
    memcpy(payload, record->value.ptr, record->value.len);
    samples->items = grown;
    grown[samples->count++] = (struct sample){.payload = payload, .len = record->value.len, .offset = record->offset};
}

static void ignore_positions(void *ctx, const churn_position *positions, uint32_t count)
{
    (void)ctx;
    (void)positions;
    (void)count;
}

static void ignore_revoked(void *ctx, const churn_position *positions, uint32_t count, int32_t lost)
{
    (void)lost;
    ignore_positions(ctx, positions, count);
}

/* Reads the generator to its end. */
static void read_all(struct samples *samples, const churn_source_ops *ops, void *self)
{
    const churn_source_listener listener = {
        .size = sizeof listener, .assigned = ignore_positions, .revoked = ignore_revoked};
    churn_error err = {.size = sizeof err};
    int32_t result = ops->start(self, &listener, &err);
    bool started = result == CHURN_OK;
    while (result == CHURN_OK || result == CHURN_PENDING) {
        churn_record records[BATCH] = {{0}};
        uint32_t count = 0;
        result = ops->poll(self, records, BATCH, POLL_MS, &count, &err);
        for (uint32_t i = 0; i < count; i++) {
            keep(samples, &records[i]);
        }
    }
    if (started) {
        ops->stop(self);
    }
}

static struct node generator_node(const char *type)
{
    static const char *const options[][2] = {
        {"events", SAMPLES}, {"customers", "1"}, {"start_time", "2026-01-01T00:00:00Z"}};
    struct node map = {.kind = NODE_MAP};
    bool ok = type == NULL || config_put(&map, "types", config_scalar(&map, type));
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        ok = ok && config_put(&map, options[i][0], config_scalar(&map, options[i][1]));
    }
    if (!ok) {
        _exit(1);
    }
    return map;
}

struct samples samples_make(struct pipeline *pipeline, const char *type)
{
    struct node node = generator_node(type);
    struct section section = {.node = &node, .label = "generate"};
    struct instance *instance = NULL;
    struct samples samples = {0};
    char message[512];
    section.loaded = loader_get(pipeline->loader, CHURN_KIND_SOURCE, "generate", message, sizeof message);
    if (section.loaded == NULL) {
        config_error(&pipeline->config, NULL, "%s", message);
    } else {
        instance = instance_new(pipeline, &section, 0);
    }
    if (instance != NULL) {
        read_all(&samples, source_ops(&section), instance->self);
    }
    instance_free(instance);
    config_free_node(&node);
    return samples;
}

const struct event_type *samples_decode(struct event_decoder *decoder, const struct sample *sample, churn_event *event,
                                        struct reject *reject)
{
    const struct event_type *type = event_decode(decoder, sample->payload, sample->len, event, reject);
    event->topic = churn_text("samples");
    event->partition = 0;
    event->offset = sample->offset;
    return type;
}
