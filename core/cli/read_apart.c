#include "cli/read_apart.h"

#include "pipeline/load.h"
#include "pipeline/section_view.h"

static bool refuse(struct config *config, const struct node *source, const char *whoever, const churn_error *err)
{
    const struct node *option = config_get(source, err->option);
    config_error(config, option != NULL ? option : source, "%s reads the source from its beginning, and %s", whoever,
                 err->message);
    return false;
}

static int32_t change_section(const struct loaded *loaded, struct node *source, const char *reader, churn_error *err)
{
    const churn_source_ops *ops = &loaded->ops.source;
    struct section_view view;
    int32_t result;
    if (ops->apart == NULL) {
        return ops->commit == NULL ? CHURN_OK
                                   : churn_fail(err, CHURN_REJECT,
                                                "'%s' does not say how that is done without moving where the pipeline "
                                                "goes on; it needs the call apart of ABI 1.3",
                                                loaded->plugin.name);
    }
    section_view_make(&view, source);
    result = ops->apart(&view.face, reader, err);
    return result == CHURN_OK && view.failed ? churn_fail(err, CHURN_FATAL, "memory ran out") : result;
}

/* A source that shows its events once has no beginning to go back to. */
bool read_apart(struct pipeline *pipeline, struct node *source, const char *reader, const char *whoever)
{
    char message[2048];
    churn_error err = {.size = sizeof err};
    const struct loaded *loaded = pipeline_find_plugin(pipeline, source, CHURN_KIND_SOURCE, message, sizeof message);
    return loaded == NULL ||
           (section_view_again(&loaded->ops.source, source, &err) == CHURN_OK &&
            change_section(loaded, source, reader, &err) == CHURN_OK) ||
           refuse(&pipeline->config, source, whoever, &err);
}
