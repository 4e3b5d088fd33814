/* `churnd profile`: a customer's profile as the pipeline's store has it. */
#include "cli/commands.h"
#include "profile/profile_render.h"

#include "base/printable.h"
#include "pipeline/load.h"
#include "profile/profile.h"
#include "profile/store_keys.h"
#include <stdio.h>
#include <stdlib.h>

/* What one hash is printed with. */
struct shown {
    const struct registry *registry;
    bool json;
    bool damaged;
    uint32_t count;
};

static int32_t show_text(const churn_pair *fields, uint32_t count)
{
    churn_pair *sorted = malloc(count * sizeof *sorted);
    if (sorted == NULL) {
        return CHURN_FATAL;
    }
    memcpy(sorted, fields, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, profile_by_name);
    for (uint32_t i = 0; i < count; i++) {
        if (sorted[i].name.len > 0 && sorted[i].name.ptr[0] != '_') {
            printable_print(stdout, "  %-26.*s ", (int)sorted[i].name.len, sorted[i].name.ptr);
            printable_put(sorted[i].value);
            (void)putchar('\n');
        }
    }
    free(sorted);
    return CHURN_OK;
}

static int32_t print(const struct shown *shown, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct text json = {0};
    if (!shown->json) {
        printable_put(key);
        (void)putchar('\n');
        return show_text(fields, count);
    }
    profile_append_json(&json, shown->registry, fields, count);
    if (!json.failed) {
        (void)printf("%.*s\n", (int)json.len, json.bytes);
    }
    text_free(&json);
    return json.failed ? CHURN_FATAL : CHURN_OK;
}

/* Says so when the pipeline could not read what is shown. */
static int32_t judge(struct shown *shown, const churn_pair *fields, uint32_t count)
{
    char message[256];
    int32_t result = profile_judge(shown->registry, fields, count, message, sizeof message);
    if (result == CHURN_REJECT) {
        shown->damaged = true;
        printable_line(stderr,
                       "churnd: this profile is damaged: %s. The pipeline puts this customer's events into the dead "
                       "letters (damaged_profile) until it is mended or deleted",
                       message);
    }
    return result == CHURN_FATAL ? CHURN_FATAL : CHURN_OK;
}

static int32_t show(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct shown *shown = ctx;
    int32_t result = CHURN_OK;
    shown->count = count;
    if (count > 0) {
        result = print(shown, key, fields, count);
    }
    if (count > 0 && result == CHURN_OK) {
        result = judge(shown, fields, count);
    }
    return result;
}

static int show_profile(const struct arguments *arguments, struct pipeline *pipeline)
{
    const churn_store_ops *ops = store_ops(&pipeline->store);
    struct shown shown = {.registry = &pipeline->catalog.registry, .json = arguments->json};
    churn_str customer = churn_text(arguments->operands[0]);
    char key[STORE_KEY_SIZE];
    churn_error err = {.size = sizeof err};
    void *session;
    int32_t result = ops->open(pipeline->store_instance->self, &session, &err);
    if (result == CHURN_OK) {
        churn_str whole = {.ptr = key, .len = store_keys_profile(pipeline->store_settings.key_prefix, customer, key)};
        result = ops->get(session, whole, show, &shown, &err);
        ops->close(session);
    }
    if (result != CHURN_OK) {
        printable_line(stderr, "churnd: %s: %s", pipeline->store.label, err.message);
        return 1;
    }
    if (shown.count == 0) {
        printable_line(stderr, "churnd: there is no profile of customer '%s'", arguments->operands[0]);
        return 1;
    }
    return shown.damaged;
}

int command_profile(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    struct pipeline pipeline;
    int status = 1;
    if (pipeline_load_edited(&pipeline, arguments_files(arguments), loader, log, stderr, pipeline_only_look, NULL)) {
        if (pipeline.store.loaded == NULL) {
            printable_line(stderr, "churnd: %s has no store", arguments->config);
        } else if (strlen(arguments->operands[0]) > 128) {
            (void)fprintf(stderr, "churnd: a customer_id has at most 128 bytes\n");
        } else {
            status = show_profile(arguments, &pipeline);
        }
    }
    pipeline_free(&pipeline);
    return status;
}
