#include "pipeline/targets.h"

#include "pipeline/forget_section.h"
#include "profile/store_keys.h"
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the list ---- */

/* A copy, or NULL of NULL; `failed` when memory ran out. */
static char *copy_text(const char *text, bool *failed)
{
    char *copy = text != NULL ? strdup(text) : NULL;
    *failed = *failed || (text != NULL && copy == NULL);
    return copy;
}

static void free_target(struct target *target)
{
    free(target->kind);
    free(target->name);
    free(target->at);
    free(target->option);
    free(target->message);
    file_place_free(&target->place);
}

struct asking {
    struct targets *targets;
    struct config *config;
    const struct section *section;
};

/* What works, and could be read or forged by others. */
static void tell_risk(const struct asking *asking, const churn_target *risk)
{
    const struct section *section = asking->section;
    const struct node *at = risk->option != NULL ? section_place(section, risk->option) : section->node;
    config_warning(asking->config, at, "%s: %s: %s", section->label, risk->name, risk->message);
}

static void on_target(void *ctx, const churn_target *given)
{
    const struct asking *asking = ctx;
    struct targets *targets = asking->targets;
    bool failed = false;
    if (strcmp(given->kind, CHURN_TARGET_RISK) == 0) {
        tell_risk(asking, given);
        return;
    }
    struct target *items, target = {.section = asking->section,
                                    .kind = copy_text(given->kind, &failed),
                                    .name = copy_text(given->name, &failed),
                                    .at = copy_text(given->at, &failed),
                                    .option = copy_text(given->option, &failed),
                                    .message = copy_text(given->message, &failed),
                                    .flags = given->flags,
                                    .result = given->result};
    if (strcmp(given->kind, CHURN_TARGET_FILE) == 0 || strcmp(given->kind, CHURN_TARGET_FOLDER) == 0) {
        (void)file_place_find(given->name, (given->flags & CHURN_TARGET_WRITES) != 0, &target.place);
    }
    items = realloc(targets->items, (targets->count + 1) * sizeof *items);
    targets->items = items != NULL ? items : targets->items;
    if (items == NULL || failed || target.kind == NULL || target.name == NULL) {
        targets->failed = true;
        free_target(&target);
        return;
    }
    items[targets->count++] = target;
}

void targets_ask(struct targets *targets, const struct instance *instance, uint32_t timeout_ms)
{
    const struct section *section = instance->section;
    struct asking asking = {.targets = targets, .config = &instance->pipeline->config, .section = section};
    void (*probe)(void *, uint32_t, churn_target_fn, void *) = NULL;
    switch (section->loaded->plugin.kind) {
    case CHURN_KIND_SOURCE:
        probe = source_ops(section)->probe;
        break;
    case CHURN_KIND_STORE:
        probe = store_ops(section)->probe;
        break;
    case CHURN_KIND_SINK:
        probe = sink_ops(section)->probe;
        break;
    default:
        break; /* a processor reaches nothing but the store */
    }
    if (probe != NULL) {
        probe(instance->self, timeout_ms, on_target, &asking);
    }
    if (section == pipeline_ledger(instance->pipeline)) {
        source_ops(section)->ledger->probe(instance->self, instance->pipeline->forget_settings.topic, timeout_ms,
                                           on_target, &asking);
    }
}

void targets_free(struct targets *targets)
{
    for (unsigned i = 0; i < targets->count; i++) {
        free_target(&targets->items[i]);
    }
    free(targets->items);
    *targets = (struct targets){0};
}

void targets_fail(struct targets *targets, int32_t result, const char *message)
{
    for (unsigned i = 0; i < targets->count; i++) {
        struct target *target = &targets->items[i];
        free(target->message);
        target->message = copy_text(message, &targets->failed);
        target->result = result;
    }
}

/* ---- what does not go together ---- */

static bool is_a(const struct target *target, const char *kind)
{
    return strcmp(target->kind, kind) == 0;
}

const struct node *targets_place(const struct target *target)
{
    return target->option != NULL ? section_place(target->section, target->option) : target->section->node;
}

/* Names of this machine that mean the same listener. */
static const char *const loopback[] = {"127.0.0.1:", "[::1]:", "localhost.localdomain:"};

/* One of `brokers` as "host:port", for comparing; the text after it. */
static const char *next_broker(const char *brokers, char *ret, size_t size)
{
    const char *begin = brokers + strspn(brokers, ", \t"), *end = begin + strcspn(begin, ", \t"), *scheme;
    bool has_port;
    size_t len;
    scheme = strstr(begin, "://");
    begin = scheme != NULL && scheme < end ? scheme + 3 : begin;
    (void)snprintf(ret, size, "%.*s", (int)(end - begin), begin);
    for (char *at = ret; *at != '\0'; at++) {
        *at = (char)tolower((unsigned char)*at);
    }
    has_port = strrchr(ret, ':') != NULL && (ret[0] != '[' || strstr(ret, "]:") != NULL);
    len = strlen(ret);
    if (len > 0 && !has_port && len + sizeof ":9092" <= size) {
        memcpy(ret + len, ":9092", sizeof ":9092");
    }
    for (size_t i = 0; i < sizeof loopback / sizeof loopback[0]; i++) {
        if (strncmp(ret, loopback[i], strlen(loopback[i])) == 0) {
            char port[16];
            (void)snprintf(port, sizeof port, "%s", strrchr(ret, ':'));
            (void)snprintf(ret, size, "localhost%s", port);
        }
    }
    return end;
}

/* Do the lists name one cluster? They do when they share a broker; one under two names, or two brokers of one cluster,
 * cannot be told from here. */
static bool is_same_cluster(const char *a, const char *b)
{
    char one[PATH_MAX], other[PATH_MAX];
    for (const char *at = next_broker(a, one, sizeof one); *one != '\0'; at = next_broker(at, one, sizeof one)) {
        for (const char *bt = next_broker(b, other, sizeof other); *other != '\0';
             bt = next_broker(bt, other, sizeof other)) {
            if (strcmp(one, other) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* Are they one topic or one file, whatever it is called? */
static bool is_same(const struct target *a, const struct target *b)
{
    if (strcmp(a->kind, b->kind) != 0) {
        return false;
    }
    if (is_a(a, CHURN_TARGET_TOPIC) && a->at != NULL && b->at != NULL) {
        return strcmp(a->name, b->name) == 0 && is_same_cluster(a->at, b->at);
    }
    return file_place_same(&a->place, &b->place) ||
           (strcmp(a->name, b->name) == 0 &&
            ((a->at == NULL && b->at == NULL) || (a->at != NULL && b->at != NULL && strcmp(a->at, b->at) == 0)));
}

/* How the other one calls it, where that differs. */
static const char *other_name(const struct target *one, const struct target *other, char *ret, size_t size)
{
    bool differs = strcmp(one->name, other->name) != 0;
    (void)snprintf(ret, size, differs ? ", there as '%s'" : "%s", differs ? other->name : "");
    return ret;
}

static bool is_of_source(const struct pipeline *pipeline, const struct target *target)
{
    return target->section == &pipeline->source;
}

/* What is written and read again is counted, written and read again for ever. */
static bool check_loop(struct pipeline *pipeline, const struct target *read, const struct target *written)
{
    char name[PATH_MAX];
    bool streams = is_a(read, CHURN_TARGET_FILE) && file_place_is_standard(read->name) &&
                   !file_place_same(&read->place, &written->place);
    if (!is_same(read, written) || (written->flags & CHURN_TARGET_WRITES) == 0 || streams) {
        return true;
    }
    config_error(&pipeline->config, targets_place(written),
                 "%s: the %s '%s' is what the source reads (line %u%s), so the pipeline would feed itself; "
                 "write to another one",
                 written->section->label, written->kind, written->name, targets_place(read)->line,
                 other_name(written, read, name, sizeof name));
    return false;
}

/* One of them is a file, and the other one is what lies in its place. */
static bool is_shared_path(const struct target *first, const struct target *second)
{
    bool other_kind = is_a(first, CHURN_TARGET_FOLDER) && is_a(second, CHURN_TARGET_FILE);
    return other_kind ? file_place_same(&first->place, &second->place)
                      : is_a(first, CHURN_TARGET_FILE) && is_same(first, second);
}

/* Lines of two sinks in one file could not be told apart; topics have keys and headers for that. And nobody writes into
 * the store's own files. */
static bool check_shared_file(struct pipeline *pipeline, const struct target *first, const struct target *second)
{
    char name[PATH_MAX];
    if (!is_shared_path(first, second) ||
        (file_place_is_standard(first->name) && file_place_is_standard(second->name)) ||
        (first->flags & second->flags & CHURN_TARGET_WRITES) == 0) {
        return true;
    }
    config_error(&pipeline->config, targets_place(second),
                 "%s: '%s' is written by the %s in line %u too%s; give each a file of its own", second->section->label,
                 second->name, first->section == &pipeline->store ? "store" : "sink", first->section->node->line,
                 other_name(second, first, name, sizeof name));
    return false;
}

/* Two sinks of a plugin that are given all the same records would send each of them to one place twice. Predictions
 * are of each sink's own making. */
static bool check_sent_twice(struct pipeline *pipeline, const struct target *first, const struct target *second)
{
    const struct section *one = first->section, *other = second->section;
    bool twice = one != other && one->loaded == other->loaded && one->input == other->input &&
                 one->input != CHURN_RECORD_TRIGGER && one->when == NULL && other->when == NULL;
    if (!twice || !is_a(first, CHURN_TARGET_TOPIC) || !is_same(first, second) ||
        (first->flags & second->flags & CHURN_TARGET_WRITES) == 0) {
        return true;
    }
    config_error(
        &pipeline->config, targets_place(second),
        "%s: the %s '%s' is given the same records by the sink in line %u; leave one out, or tell them apart by "
        "`when`",
        other->label, second->kind, second->name, one->node->line);
    return false;
}

/* A sink that reads what it writes, such as the queue of predictions, reads what others write there too; and compaction
 * keeps the newest record of a key, whosever it is. */
static bool check_shared_queue(struct pipeline *pipeline, const struct target *first, const struct target *second)
{
    const uint32_t both = CHURN_TARGET_READS | CHURN_TARGET_WRITES;
    bool queue = (first->flags & both) == both || (second->flags & both) == both;
    if (first->section == second->section || !is_a(first, CHURN_TARGET_TOPIC) || !is_same(first, second) || !queue) {
        return true;
    }
    config_error(
        &pipeline->config, targets_place(second),
        "%s: the %s '%s' is used by the sink in line %u too, and one of the two reads back what lies in it; give "
        "each one of its own",
        second->section->label, second->kind, second->name, first->section->node->line);
    return false;
}

/* The pipeline's own file is none of the files that it writes. */
static bool check_own_file(struct pipeline *pipeline, const struct target *written)
{
    struct file_place own = {0};
    bool ok = !is_a(written, CHURN_TARGET_FILE) || (written->flags & CHURN_TARGET_WRITES) == 0 ||
              !file_place_find(pipeline->config.file, false, &own) || !file_place_same(&own, &written->place);
    file_place_free(&own);
    if (!ok) {
        config_error(&pipeline->config, targets_place(written),
                     "%s: '%s' is the pipeline's own file; write to another one", written->section->label,
                     written->name);
    }
    return ok;
}

/* Reports that keys of a prefix could be others. */
static bool refuse_keys(struct pipeline *pipeline, const struct node *at, const char *label, const char *prefix,
                        const char *whose)
{
    if (*prefix == '\0') {
        config_error(&pipeline->config, at, "%s: keys without a prefix could be %s; choose one that ends in a colon",
                     label, whose);
    } else {
        config_error(&pipeline->config, at,
                     "%s: keys that begin with '%s' could be %s; neither may begin with the other", label, prefix,
                     whose);
    }
    return false;
}

bool targets_check_prefix(struct pipeline *pipeline)
{
    const char *prefix = pipeline->store_settings.key_prefix;
    if (!store_keys_meet(prefix, STORE_KEYS_OWN)) {
        return true;
    }
    return refuse_keys(pipeline, section_place(&pipeline->store, "key_prefix"), "store: key_prefix", prefix,
                       "the engine's own ('" STORE_KEYS_OWN "')");
}

static bool check_keys(struct pipeline *pipeline, const struct target *keys)
{
    const char *prefix = pipeline->store_settings.key_prefix;
    char profiles[STORE_KEYS_MAX_PREFIX + 64];
    if (!is_a(keys, CHURN_TARGET_KEYS) || pipeline->store.loaded == NULL) {
        return true;
    }
    if (store_keys_meet(keys->name, STORE_KEYS_OWN)) {
        return refuse_keys(pipeline, targets_place(keys), keys->section->label, keys->name,
                           "the engine's own ('" STORE_KEYS_OWN "')");
    }
    if (prefix != NULL && store_keys_meet(keys->name, prefix)) {
        (void)snprintf(profiles, sizeof profiles, "those of profiles ('%s', the store's key_prefix)", prefix);
        return refuse_keys(pipeline, targets_place(keys), keys->section->label, keys->name, profiles);
    }
    return true;
}

/* What two sections only write, such as the predictions of two models for different customers, may lie together. */
static bool check_shared_keys(struct pipeline *pipeline, const struct target *first, const struct target *second)
{
    bool together =
        strcmp(first->name, second->name) == 0 && ((first->flags | second->flags) & CHURN_TARGET_READS) == 0;
    char others[512];
    if (!is_a(first, CHURN_TARGET_KEYS) || !is_a(second, CHURN_TARGET_KEYS) || together ||
        !store_keys_meet(first->name, second->name)) {
        return true;
    }
    (void)snprintf(others, sizeof others, "those of the %s in line %u ('%s')", first->section->label,
                   first->section->node->line, first->name);
    return refuse_keys(pipeline, targets_place(second), second->section->label, second->name, others);
}

/* Made-up keys of each kind: what may be done with one of them may be done with all that begin alike. */
int32_t targets_try_keys(const struct pipeline *pipeline, void *session, churn_error *err)
{
    static const char *const own[] = {"checkpoint", "letters"};
    const struct targets *targets = &pipeline->targets;
    const churn_store_ops *ops = store_ops(&pipeline->store);
    const churn_str some = {.ptr = "x", .len = 1};
    char key[STORE_KEY_SIZE];
    churn_str asked = {.ptr = key, .len = store_keys_profile(pipeline->store_settings.key_prefix, some, key)};
    int32_t result = ops->allowed(session, &asked, 1, err);
    for (unsigned i = 0; i < sizeof own / sizeof own[0] && result == CHURN_OK; i++) {
        asked.len = store_keys_own(own[i], pipeline->store_settings.key_prefix, some, key);
        result = ops->allowed(session, &asked, 1, err);
    }
    for (unsigned i = 0; i < targets->count && result == CHURN_OK; i++) {
        if (is_a(&targets->items[i], CHURN_TARGET_KEYS)) {
            asked.len = (uint32_t)snprintf(key, sizeof key, "%.*sx", STORE_KEY_SIZE - 2, targets->items[i].name);
            result = ops->allowed(session, &asked, 1, err);
        }
    }
    return result;
}

bool targets_check(struct pipeline *pipeline)
{
    const struct targets *targets = &pipeline->targets;
    bool ok = !targets->failed;
    for (unsigned i = 0; i < targets->count; i++) {
        const struct target *first = &targets->items[i];
        ok = check_keys(pipeline, first) && ok;
        ok = check_own_file(pipeline, first) && ok;
        for (unsigned j = i + 1; j < targets->count; j++) {
            const struct target *second = &targets->items[j];
            if (!is_of_source(pipeline, first)) {
                ok = check_shared_file(pipeline, first, second) && ok;
                ok = check_sent_twice(pipeline, first, second) && ok;
                ok = check_shared_queue(pipeline, first, second) && ok;
                ok = check_shared_keys(pipeline, first, second) && ok;
            } else if (!is_of_source(pipeline, second)) {
                ok = check_loop(pipeline, first, second) && ok;
            } else if (is_same(first, second)) {
                config_warning(&pipeline->config, targets_place(second), "%s: the %s '%s' is named twice",
                               second->section->label, second->kind, second->name);
            }
        }
    }
    if (targets->failed) {
        config_error(&pipeline->config, NULL, "out of memory");
    }
    return ok;
}

/* ---- files and folders ---- */

static const char *hint_of(int error)
{
    return error == EACCES ? "; give the user that runs churnd the right to, or name another place" : "";
}

/* Whether something can be made at `path`, which does not exist; `why` says what its nearest folder has against it. */
static bool can_be_made(const char *path, char *why, size_t size)
{
    char nearest[PATH_MAX];
    struct stat info;
    int failed = -1;
    (void)snprintf(nearest, sizeof nearest, "%s", path);
    for (char *slash = nearest; failed != 0 && slash != NULL;) {
        slash = strrchr(nearest, '/');
        if (slash == NULL || slash == nearest) {
            (void)snprintf(nearest, sizeof nearest, "%s", slash != NULL ? "/" : ".");
            slash = NULL;
        } else {
            *slash = '\0';
        }
        failed = stat(nearest, &info);
    }
    if (failed == 0 && !S_ISDIR(info.st_mode)) {
        (void)snprintf(why, size, "'%s' is no folder", nearest);
        return false;
    }
    if (failed != 0 || access(nearest, W_OK | X_OK) != 0) {
        (void)snprintf(why, size, "'%s': %s%s", nearest, strerror(errno), hint_of(errno));
        return false;
    }
    return true;
}

/* What others have put in the place of a file is not written through. */
static bool is_link(const char *path)
{
    struct stat info;
    return !file_place_is_standard(path) && lstat(path, &info) == 0 && S_ISLNK(info.st_mode);
}

/* What a shell would have replaced, and YAML does not. */
static void check_literal(struct pipeline *pipeline, const struct node *at, const char *label, const char *path)
{
    const char *dollar = strchr(path, '$');
    if (strncmp(path, "~/", 2) == 0 || strcmp(path, "~") == 0) {
        config_warning(&pipeline->config, at,
                       "%s: '%s': `~` stands for itself here, not for your home; write ${HOME}%s", label, path,
                       path + 1);
    } else if (dollar != NULL && (isalpha((unsigned char)dollar[1]) || dollar[1] == '_') &&
               (dollar > path || path[1 + strspn(path + 1, VARIABLE_CHARACTERS)] != '\0')) { /* said of any option */
        config_warning(&pipeline->config, at, "%s: '%s': `$` stands for itself here; a variable is written ${%.*s}",
                       label, path, (int)strspn(dollar + 1, VARIABLE_CHARACTERS), dollar + 1);
    }
}

static void check_written(struct pipeline *pipeline, const struct node *at, const char *label, const char *path,
                          bool folder)
{
    char why[PATH_MAX + 128];
    struct stat info;
    if (is_link(path) && pipeline->settings.state_dir != path) {
        config_error(&pipeline->config, at,
                     "%s: '%s' is a symbolic link, which is not followed; name what it points to", label, path);
    } else if (stat(path, &info) != 0) {
        if (!can_be_made(path, why, sizeof why)) {
            config_error(&pipeline->config, at, "%s: '%s' cannot be made: %s", label, path, why);
        }
    } else if ((S_ISDIR(info.st_mode) != 0) != folder) {
        config_error(&pipeline->config, at, "%s: '%s' is %s folder; name a %s", label, path, folder ? "no" : "a",
                     folder ? "folder" : "file");
    } else if (access(path, folder ? W_OK | X_OK : W_OK) != 0) {
        config_error(&pipeline->config, at, "%s: '%s' cannot be written: %s%s", label, path, strerror(errno),
                     hint_of(errno));
    }
}

/* A file may yet come to the machine, but not once it is tried there. */
static void check_read(struct pipeline *pipeline, const struct target *target, bool tried)
{
    const struct node *at = targets_place(target);
    const char *label = target->section->label, *path = target->name;
    struct stat info;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        config_error(&pipeline->config, at, "%s: '%s' is a folder; name a file in it", label, path);
    } else if (access(path, R_OK) == 0) {
        return;
    } else if (errno == ENOENT && (!tried || (target->flags & CHURN_TARGET_AWAITED) != 0)) {
        config_warning(&pipeline->config, at, "%s: '%s' does not exist yet", label, path);
    } else {
        config_error(&pipeline->config, at, "%s: '%s' cannot be read: %s%s", label, path, strerror(errno),
                     hint_of(errno));
    }
}

void targets_check_paths(struct pipeline *pipeline, bool tried)
{
    const char *state_dir = pipeline->settings.state_dir;
    if (state_dir != NULL && *state_dir != '\0') {
        const struct node *at = config_get(&pipeline->config.root, "state_dir");
        check_literal(pipeline, at, "pipeline: state_dir", state_dir);
        check_written(pipeline, at, "pipeline: state_dir", state_dir, true);
    }
    for (unsigned i = 0; i < pipeline->targets.count; i++) {
        const struct target *target = &pipeline->targets.items[i];
        bool folder = is_a(target, CHURN_TARGET_FOLDER);
        if ((target->flags & CHURN_TARGET_INNER) != 0 || (!folder && !is_a(target, CHURN_TARGET_FILE)) ||
            strcmp(target->name, "-") == 0) {
            continue;
        }
        check_literal(pipeline, targets_place(target), target->section->label, target->name);
        if ((target->flags & CHURN_TARGET_WRITES) != 0) {
            check_written(pipeline, targets_place(target), target->section->label, target->name, folder);
        } else {
            check_read(pipeline, target, tried);
        }
    }
}
