/* `churnd explain`: the events of one customer, what each did to the profile, and whether that is what the store has.
 */

#include "base/clock.h"
#include "base/printable.h"
#include "base/suggest.h"
#include "cli/audited.h"
#include "cli/commands.h"
#include "cli/explain_guard.h"
#include "cli/explain_json.h"
#include "cli/explain_keep.h"
#include "cli/explain_profile.h"
#include "cli/explain_read.h"
#include "cli/explain_text.h"
#include "cli/read_apart.h"
#include "cli/sandboxed.h"
#include "engine/generation.h"
#include "engine/worker.h"
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- the pipeline, to look at ---- */

/* Several explanations at once are several readers. */
static bool edit(struct pipeline *pipeline, void *ctx)
{
    struct node *source = (struct node *)(uintptr_t)config_get(&pipeline->config.root, "source");
    char reader[64];
    (void)ctx;
    (void)snprintf(reader, sizeof reader, "explain-%ld-%" PRId64, (long)getpid(), clock_wall_ms());
    pipeline->read_only = true;
    pipeline->profiles_only = true;
    return read_apart(pipeline, source, reader, "an explanation");
}

/* ---- what is asked for ---- */

static int32_t find_derived(const struct registry *registry, const char *name)
{
    for (uint32_t i = 0; i < registry->derived_count; i++) {
        if (str_equals(registry->derived[i].name, name)) {
            return (int32_t)i;
        }
    }
    return -1;
}

static bool refuse_field(struct explain *e, const char *name)
{
    const struct registry *registry = e->registry;
    struct suggest suggest = {.typed = name};
    char hint[128];
    if (name[0] == '_') {
        return explain_state_fail(e, "'%s' is the engine's own field; its meaning is in churnd-pipeline(5)", name);
    }
    for (uint32_t i = 0; i < registry->field_count + registry->derived_count; i++) {
        suggest_offer(&suggest, i < registry->field_count ? registry->fields[i].name.ptr
                                                          : registry->derived[i - registry->field_count].name.ptr);
    }
    return explain_state_fail(e, "no event type of this pipeline writes a profile field '%s'%s", name,
                              suggest_text(&suggest, hint, sizeof hint));
}

static bool choose_field(struct explain *e)
{
    const char *name = e->arguments->operand_count > 1 ? e->arguments->operands[1] : NULL;
    e->field = e->derived = -1;
    if (name == NULL) {
        return true;
    }
    e->field = name_index_find(&e->registry->names, name, strlen(name));
    e->derived = find_derived(e->registry, name);
    return e->field >= 0 || e->derived >= 0 || refuse_field(e, name);
}

/* ---- the engine's own parts ---- */

static bool make_parts(struct explain *e)
{
    struct pipeline *pipeline = e->pipeline;
    pipeline->settings.workers = 1;
    pipeline->until_end = true;
    pipeline->journal = journal_new(pipeline->log, 1, (unsigned)pipeline->settings.crash_limit);
    if (pipeline->journal == NULL) {
        return explain_state_fail(e, "out of memory");
    }
    generation_name_plugins(pipeline);
    if (pipeline->store_instance != NULL &&
        (pipeline->overlay = store_overlay_new(store_ops(&pipeline->store), pipeline->store_instance->self)) == NULL) {
        return explain_state_fail(e, "out of memory");
    }
    e->worker = worker_new(pipeline, 0);
    e->whole = profile_new(e->registry);
    e->kept.earlier = profile_new(e->registry);
    e->scratch = malloc(fields_size(e->registry));
    return (e->worker != NULL && e->whole != NULL && e->kept.earlier != NULL && e->scratch != NULL) ||
           explain_state_fail(e, "%s",
                              pipeline->config.error_count > 0 ? "what the pipeline names could not be made"
                                                               : "out of memory");
}

static bool start_processors(struct explain *e)
{
    struct worker *worker = e->worker;
    for (; worker->processors_started < e->pipeline->processor_count; worker->processors_started++) {
        const struct section *section = &e->pipeline->processors[worker->processors_started];
        void *self = worker->processors[worker->processors_started]->self;
        churn_error err = {.size = sizeof err};
        if (processor_ops(section)->start != NULL && processor_ops(section)->start(self, &err) != CHURN_OK) {
            return explain_state_fail(e, "processor %s: %s", section->label, err.message);
        }
    }
    return true;
}

static void stop_processors(struct explain *e)
{
    for (unsigned i = 0; e->worker != NULL && i < e->worker->processors_started; i++) {
        const churn_processor_ops *ops = processor_ops(&e->pipeline->processors[i]);
        if (ops->stop != NULL) {
            ops->stop(e->worker->processors[i]->self);
        }
    }
}

static void free_parts(struct explain *e)
{
    explain_profile_close(e);
    explain_keep_free(e);
    profile_free(e->whole, e->registry);
    free(e->scratch);
    free(e->parts);
    worker_free(e->worker);
    store_overlay_free(e->pipeline->overlay);
    e->pipeline->overlay = NULL;
    journal_close(e->pipeline->journal, true);
    e->pipeline->journal = NULL;
}

/* What is done in the child. */
static int work(struct explain *e)
{
    int status = -1;
    if (explain_profile_open(e) && start_processors(e) && explain_read(e)) {
        status = !explain_keep_finish(e) ? -1 : e->arguments->json ? explain_json_print(e) : explain_text_print(e);
    }
    if (status < 0) {
        printable_line(stderr, "churnd: explain: %s", e->failed ? e->failure : "out of memory");
    }
    stop_processors(e);
    explain_profile_close(e);
    return status < 0 ? 1 : status;
}

static int explain(const struct arguments *arguments, struct pipeline *pipeline)
{
    struct explain e = {.arguments = arguments,
                        .pipeline = pipeline,
                        .registry = &pipeline->catalog.registry,
                        .customer = churn_text(arguments->operands[0]),
                        .has_at = arguments->has_at,
                        .at_ms = arguments->at_ms};
    int status = 1;
    if (choose_field(&e) && make_parts(&e)) {
        status = explain_guard_run(&e, work);
    } else {
        printable_line(stderr, "churnd: explain: %s", e.failure);
    }
    free_parts(&e);
    return status;
}

int command_explain(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    struct pipeline pipeline;
    int status = 1;
    if (pipeline_load_edited(&pipeline, arguments_files(arguments), loader, log, stderr, edit, NULL)) {
        if (arguments->operands[0][0] == '\0' || strlen(arguments->operands[0]) > EVENT_MAX_ID) {
            printable_line(stderr, "churnd: a customer_id has 1 to %d bytes", EVENT_MAX_ID);
        } else if (sandboxed(&pipeline, arguments_files(arguments), NULL) &&
                   audited(&pipeline, "explain", "read", arguments->operands[0], NULL)) {
            status = explain(arguments, &pipeline);
        }
    }
    pipeline_free(&pipeline);
    return status;
}
