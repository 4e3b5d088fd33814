/* `churnd profile`: a customer's profile as the pipeline's store has it. */
#include "cli/commands.h"

#include "base/printable.h"
#include "cli/audited.h"
#include "cli/sandboxed.h"
#include "pipeline/load.h"
#include "pipeline/stored_profile.h"
#include <stdio.h>
#include <stdlib.h>

static bool show_text(const churn_pair *fields, uint32_t count)
{
    churn_pair *sorted = malloc(count * sizeof *sorted);
    if (sorted == NULL) {
        return false;
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
    return true;
}

/* False when memory ran out. */
static bool print(const struct arguments *arguments, const struct pipeline *pipeline, const struct profile_text *stored)
{
    struct text json = {0};
    if (!arguments->json) {
        printable_print(stdout, "%s%s", pipeline->store_settings.key_prefix, arguments->operands[0]);
        (void)putchar('\n');
        return show_text(stored->pairs, stored->count);
    }
    profile_append_json(&json, &pipeline->catalog.registry, stored->pairs, stored->count);
    if (!json.failed) {
        (void)printf("%.*s\n", (int)json.len, json.bytes);
    }
    text_free(&json);
    return !json.failed;
}

/* The exit status. */
static int show(const struct arguments *arguments, const struct pipeline *pipeline, const struct stored_profile *stored)
{
    if (stored->text.count > 0 && !print(arguments, pipeline, &stored->text)) {
        (void)fputs("churnd: out of memory\n", stderr);
        return 1;
    }
    if (stored->damage[0] != '\0') {
        printable_line(stderr, "churnd: this profile is damaged: %s. " STORED_PROFILE_MEANS STORED_PROFILE_REPAIR,
                       stored->damage);
        return 1;
    }
    if (stored->text.count == 0) {
        printable_line(stderr, "churnd: there is no profile of customer '%s'", arguments->operands[0]);
        return 1;
    }
    return 0;
}

static int show_profile(const struct arguments *arguments, struct pipeline *pipeline)
{
    const churn_store_ops *ops = store_ops(&pipeline->store);
    struct stored_profile stored = {0};
    struct parts parts = {0};
    churn_error err = {.size = sizeof err};
    void *session;
    int status = 1;
    int32_t result = ops->open(pipeline->store_instance->self, &session, &err);
    if (result == CHURN_OK) {
        result = stored_profile_get(&stored, pipeline, session, churn_text(arguments->operands[0]), &parts, &err);
        ops->close(session);
    }
    if (result == CHURN_OK) {
        status = show(arguments, pipeline, &stored);
    } else {
        printable_line(stderr, "churnd: %s: %s", pipeline->store.label, err.message);
    }
    stored_profile_free(&stored, pipeline);
    parts_free(&parts);
    return status;
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
        } else if (sandboxed(&pipeline, arguments_files(arguments), NULL) &&
                   audited(&pipeline, "profile", "read", arguments->operands[0], NULL)) {
            status = show_profile(arguments, &pipeline);
        }
    }
    pipeline_free(&pipeline);
    return status;
}
