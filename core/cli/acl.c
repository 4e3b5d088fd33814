#include "cli/acl.h"

#include "base/printable.h"
#include "cli/acl_print.h"
#include "cli/read_apart.h"
#include "cli/redrive.h"
#include "pipeline/instance.h"
#include "pipeline/load.h"

#define REBUILT "rebuilt:" /* what the keys of a rebuild begin with here */

/* Asks one instance of a section that has a plugin. */
static void ask(struct grants *grants, struct pipeline *pipeline, const struct section *section, uint32_t use,
                const char *command)
{
    struct instance *instance = section->loaded != NULL ? instance_new(pipeline, section, 0) : NULL;
    if (instance != NULL) {
        grants_ask(grants, instance, use, command);
    }
    instance_free(instance);
}

/* How a command uses what a pipeline has. */
struct uses {
    uint32_t source, store;
    const char *command;
};

static void ask_all(struct grants *grants, struct pipeline *pipeline, const struct uses *uses)
{
    const char *command = uses->command;
    ask(grants, pipeline, &pipeline->source, uses->source, command);
    for (unsigned i = 0; i < pipeline->sink_count; i++) {
        ask(grants, pipeline, &pipeline->sinks[i], CHURN_USE_RUN, command);
    }
    ask(grants, pipeline, &pipeline->store, uses->store, command);
}

/* ---- commands that are a run of a changed pipeline ---- */

/* What it would need; a pipeline that cannot be changed so needs nothing for it. */
static void ask_changed(struct grants *grants, const struct arguments *arguments, struct loader *loader,
                        struct log *log, pipeline_edit_fn edit, void *ctx, const struct uses *uses)
{
    FILE *nowhere = fopen("/dev/null", "we");
    struct pipeline changed;
    if (nowhere == NULL) {
        grants->failed = true;
        return;
    }
    if (pipeline_load_edited(&changed, arguments_files(arguments), loader, log, nowhere, edit, ctx)) {
        ask_all(grants, &changed, uses);
        ask(grants, &changed, &changed.origin, CHURN_USE_READ, uses->command); /* what the dead letters were */
    }
    pipeline_free(&changed);
    (void)fclose(nowhere);
}

/* Its reader is called explain-NUMBER-NUMBER. */
static bool explain_edit(struct pipeline *pipeline, void *ctx)
{
    struct node *source = (struct node *)(uintptr_t)config_get(&pipeline->config.root, "source");
    (void)ctx;
    pipeline->read_only = true;
    pipeline->profiles_only = true;
    return read_apart(pipeline, source, "explain-", "an explanation");
}

/* Its reader is called forget-NUMBER-NUMBER. */
static bool forget_edit(struct pipeline *pipeline, void *ctx)
{
    struct node *source = (struct node *)(uintptr_t)config_get(&pipeline->config.root, "source");
    (void)ctx;
    return read_apart(pipeline, source, "forget-", "whoever forgets");
}

bool acl_show(const struct arguments *arguments, struct pipeline *pipeline, struct loader *loader, struct log *log)
{
    const struct uses run = {CHURN_USE_RUN, CHURN_USE_RUN, "run"},
                      redriving = {CHURN_USE_RUN, CHURN_USE_RUN, "redrive"},
                      explaining = {CHURN_USE_APART, CHURN_USE_READ, "explain"},
                      forgetting = {CHURN_USE_APART | CHURN_USE_ADD, CHURN_USE_RUN | CHURN_USE_LIST, "forget"},
                      rebuilding = {CHURN_USE_RUN, CHURN_USE_RUN | CHURN_USE_LIST, "rebuild --into " REBUILT};
    struct grants grants = {0};
    struct redrive redrive = {0};
    char into[] = REBUILT;
    bool ok;
    ask_all(&grants, pipeline, &run);
    if (pipeline->has_dead_letters) {
        ask_changed(&grants, arguments, loader, log, redrive_edit, &redrive, &redriving);
        redrive_free(&redrive);
    }
    if (pipeline->store.loaded != NULL) {
        ask_changed(&grants, arguments, loader, log, explain_edit, NULL, &explaining);
        ask_changed(&grants, arguments, loader, log, rebuild_edit, into, &rebuilding);
        if (pipeline->forget_settings.key != NULL) {
            ask_changed(&grants, arguments, loader, log, forget_edit, NULL, &forgetting);
        }
        ask(&grants, pipeline, &pipeline->store, CHURN_USE_LIST, "verify --against " REBUILT);
    }
    ok = !grants.failed;
    if (ok) {
        acl_print(&grants, pipeline->config.file, arguments->json);
    } else {
        printable_line(stderr, "churnd: out of memory");
    }
    grants_free(&grants);
    return ok;
}
