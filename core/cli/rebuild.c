/* `churnd rebuild`: the profiles once more, from the source's beginning, under a key prefix of their own. */
#include "cli/commands.h"
#include "cli/read_apart.h"
#include "cli/sandboxed.h"

#include "base/printable.h"
#include "engine/run.h"
#include "pipeline/load.h"
#include "pipeline/pipeline.h"
#include "profile/parts.h"
#include "profile/store_keys.h"
#include <stdlib.h>

bool check_other_prefix(const char *option, const char *prefix, const char *own)
{
    if (*prefix == '\0') {
        printable_line(
            stderr,
            "churnd: %s: the prefix is empty, which every key begins with; choose one such as rebuilt:", option);
    } else if (strlen(prefix) > STORE_KEYS_MAX_PREFIX) {
        printable_line(stderr, "churnd: %s: at most %d bytes are possible", option, STORE_KEYS_MAX_PREFIX);
    } else if (strcmp(prefix, own) == 0) {
        printable_line(stderr,
                       "churnd: %s: '%s' is the pipeline's own key_prefix; choose another, such as rebuilt:", option,
                       prefix);
    } else if (store_keys_meet(prefix, own)) {
        printable_line(
            stderr,
            "churnd: %s: '%s' and the pipeline's key_prefix '%s' begin alike, so a key of one could be one of "
            "the other; choose another prefix, such as rebuilt:",
            option, prefix, own);
    } else if (store_keys_meet(prefix, STORE_KEYS_OWN)) {
        printable_line(stderr,
                       "churnd: %s: churnd keeps records of its own under '%s'; choose another prefix, such as "
                       "rebuilt:",
                       option, STORE_KEYS_OWN);
    } else {
        return true;
    }
    return false;
}

/* What an option says; NULL where it is not given. */
static const char *given(const struct node *section, const char *option)
{
    const struct node *node = config_get(section, option);
    return node != NULL && node->kind == NODE_SCALAR && !node->null ? node->text : NULL;
}

bool rebuild_edit(struct pipeline *pipeline, void *prefix)
{
    const char *into = prefix, *own;
    struct config *config = &pipeline->config;
    const struct node *store = config_get(&config->root, "store");
    struct node *source = (struct node *)(uintptr_t)config_get(&config->root, "source");
    char reader[sizeof "rebuild-" + STORE_KEYS_MAX_PREFIX];
    if (store == NULL || store->kind != NODE_MAP) {
        config_error(config, store, "there is no store whose profiles could be rebuilt");
        return false;
    }
    own = given(store, "key_prefix");
    (void)snprintf(reader, sizeof reader, "rebuild-%s", into);
    if (!check_other_prefix("--into", into, own != NULL ? own : PIPELINE_KEY_PREFIX) ||
        !read_apart(pipeline, source, reader, "a rebuild")) {
        return false;
    }
    pipeline->profiles_only = true;
    (void)snprintf(pipeline->rebuilt, sizeof pipeline->rebuilt, "%s", own != NULL ? own : PIPELINE_KEY_PREFIX);
    if (!config_set(config, "store", "key_prefix", into)) {
        config_error(config, NULL, "out of memory");
        return false;
    }
    return true;
}

/* ---- what lies under the prefix already ---- */

struct found {
    char *key;
    uint32_t len;
    bool rebuilt; /* it has a mark, as profiles do */
};

static int32_t take_key(void *ctx, churn_str key)
{
    struct found *found = ctx;
    found->key = strndup(key.ptr, key.len);
    found->len = key.len;
    return CHURN_END; /* one is enough */
}

static int32_t look_for_mark(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct found *found = ctx;
    churn_str name;
    (void)key;
    found->rebuilt = count == 0; /* expired since */
    for (uint32_t i = 0; i < count && !found->rebuilt; i++) {
        found->rebuilt = part_is_field(fields[i].name, MARK_PREFIX, &name);
    }
    return CHURN_OK;
}

/* What somebody else keeps under the prefix would be mixed with the profiles. A rebuild that is repeated finds its own.
 */
static bool check_place(struct pipeline *pipeline, const char *into)
{
    const churn_store_ops *ops = store_ops(&pipeline->store);
    churn_str prefix = churn_text(into);
    struct found found = {.rebuilt = true};
    churn_error err = {.size = sizeof err};
    void *session = NULL;
    int32_t result = ops->open(pipeline->store_instance->self, &session, &err);
    if (result == CHURN_OK && ops->keys != NULL) {
        result = ops->keys(session, prefix, take_key, &found, &err);
    }
    if (result == CHURN_OK && found.key != NULL) {
        result = ops->get(session, (churn_str){.ptr = found.key, .len = found.len}, look_for_mark, &found, &err);
    }
    if (session != NULL) {
        ops->close(session);
    }
    if (result != CHURN_OK) {
        printable_line(stderr, "churnd: %s: %s", pipeline->store.label, err.message);
    } else if (!found.rebuilt) {
        printable_line(stderr, "churnd: --into: the key %s is no profile; choose a prefix that nobody uses", found.key);
    }
    free(found.key);
    return result == CHURN_OK && found.rebuilt;
}

int command_rebuild(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    const struct run_options options = arguments_run(arguments);
    struct pipeline pipeline;
    int status = 1;
    if (!pipeline_check(options.files, loader, log, stderr, NULL)) {
        return 1;
    }
    if (pipeline_load_edited(&pipeline, options.files, loader, log, stderr, rebuild_edit,
                             (void *)(uintptr_t)arguments->into) &&
        pipeline_check(options.files, loader, log, stderr, arguments->into) &&
        sandboxed(&pipeline, options.files, NULL) && check_place(&pipeline, arguments->into)) {
        pipeline.until_end = true;
        pipeline.replay.from =
            REPLAY_FROM_BEGINNING; /* also when it is repeated: profiles may have been deleted since */
        status = run_pipeline(&options, &pipeline, log);
    }
    pipeline_free(&pipeline);
    return status;
}
