/* `churnd forget`: a tombstone first, so that nothing counts again; then what the store holds is erased; then whoever
 * runs the pipeline has to say that nothing made before is under way any more; and what came meanwhile is erased. */
#include "cli/commands.h"

#include "base/clock.h"
#include "base/printable.h"
#include "cli/audited.h"
#include "cli/forget_customers.h"
#include "cli/forget_ends.h"
#include "cli/forget_kept.h"
#include "cli/forget_places.h"
#include "cli/forget_receipt.h"
#include "cli/forget_tombstone.h"
#include "cli/read_apart.h"
#include "cli/sandboxed.h"
#include "engine/forgetting.h"
#include "profile/profile.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MS 30000 /* for an instance that lives; it looks twice a second */
#define ASK_MS 200
#define ERASE_TRIES 10

struct forget {
    const struct arguments *arguments;
    struct pipeline *pipeline;
    struct customer_ids ids;
    struct source_ends ends;
    struct key key;
    void *session;
    struct held_places profiles, others;
    struct forget_kept kept;
    struct live_instance *instances;
    size_t instance_count;
    struct forget_receipt receipt;
    churn_error err;
};

static const churn_store_ops *ops_of(const struct forget *f)
{
    return store_ops(&f->pipeline->store);
}

static void nap(void)
{
    const struct timespec pause = {.tv_nsec = ASK_MS * 1000000L};
    (void)nanosleep(&pause, NULL);
}

/* ---- the pipeline, whose source is read apart ---- */

static bool edit(struct pipeline *pipeline, void *ctx)
{
    struct node *source = (struct node *)(uintptr_t)config_get(&pipeline->config.root, "source");
    char reader[64];
    (void)ctx;
    (void)snprintf(reader, sizeof reader, "forget-%ld-%" PRId64, (long)getpid(), clock_wall_ms());
    pipeline->until_end = true;
    return read_apart(pipeline, source, reader, "whoever forgets");
}

/* ---- the tombstone ---- */

static bool write_tombstone(struct forget *f)
{
    struct tombstone_order order = {.pipeline = f->pipeline,
                                    .ids = &f->ids,
                                    .ends = &f->ends,
                                    .key = &f->key,
                                    .has_until = f->arguments->has_until,
                                    .until_ms = f->arguments->until_ms};
    int32_t result = forget_tombstone_write(&order, f->session, &f->err);
    f->receipt.number = order.number;
    f->receipt.at_ms = order.at_ms;
    f->receipt.topic = order.topic;
    (void)snprintf(f->receipt.id, sizeof f->receipt.id, "%s", order.id);
    return result == CHURN_OK;
}

/* ---- erasing ---- */

struct first_field {
    bool found;
    char name[256], value[1024];
    churn_str name_text, value_text;
};

/* One by which the hash can be told: short enough to be kept. */
static int32_t take_first(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct first_field *first = ctx;
    (void)key;
    first->found = count > 0;
    for (uint32_t i = 0; i < count; i++) {
        const churn_pair *field = &fields[i];
        if (field->name.len <= sizeof first->name && field->value.len <= sizeof first->value) {
            memcpy(first->name, field->name.ptr, field->name.len);
            memcpy(first->value, field->value.ptr, field->value.len);
            first->name_text = (churn_str){.ptr = first->name, .len = field->name.len};
            first->value_text = (churn_str){.ptr = first->value, .len = field->value.len};
            return CHURN_OK;
        }
    }
    return CHURN_OK;
}

static int32_t erase_hash(struct forget *f, churn_str key, unsigned *ret_erased)
{
    for (unsigned i = 0; i < ERASE_TRIES; i++) {
        struct first_field first = {0};
        int32_t result = ops_of(f)->get(f->session, key, take_first, &first, &f->err);
        if (result != CHURN_OK || !first.found) {
            *ret_erased = i > 0;
            return result;
        }
        result = ops_of(f)->remove(f->session, key, first.name_text, first.value_text, &f->err);
        if (result != CHURN_OK) {
            return result;
        }
    }
    return churn_fail(&f->err, CHURN_RETRY, "a record of a customer could not be erased: it changes all the time");
}

/* Profiles that began after the tombstone stay. */
static int32_t erase_places(struct forget *f, const struct held_places *places, bool profiles)
{
    int32_t result = CHURN_OK;
    for (size_t i = 0; i < places->count && result == CHURN_OK; i++) {
        const struct held_place *place = &places->items[i];
        const churn_str key = {.ptr = place->key, .len = place->len};
        unsigned erased = 0;
        result = profiles ? forgetting_erase_profile(ops_of(f), f->session, key, f->receipt.id, &erased, &f->err)
                          : erase_hash(f, key, &erased);
        if (result == CHURN_OK && erased > 0) {
            forget_receipt_add(&f->receipt, place);
        }
    }
    return result;
}

static bool erase(struct forget *f)
{
    int32_t result;
    forget_places_free(&f->others);
    result = erase_places(f, &f->profiles, true);
    if (result == CHURN_OK) {
        result = forget_places_find(&f->others, f->pipeline, f->session, &f->ids.known, &f->err);
    }
    return result == CHURN_OK && erase_places(f, &f->others, false) == CHURN_OK;
}

/* Once nobody writes a letter of before any more. */
static bool erase_kept(struct forget *f)
{
    f->kept = (struct forget_kept){.pipeline = f->pipeline,
                                   .customers = (const char *const *)f->ids.items,
                                   .count = f->ids.count,
                                   .erase = true,
                                   .ends = &f->ends,
                                   .until_ms = f->arguments->has_until ? f->arguments->until_ms : INT64_MIN,
                                   .found = forget_receipt_add_kept,
                                   .ctx = &f->receipt};
    return forget_kept_search(&f->kept, &f->err) == CHURN_OK;
}

/* ---- whoever runs the pipeline ---- */

static int32_t take_instance_key(void *ctx, churn_str key)
{
    struct forget *f = ctx;
    struct live_instance *grown;
    for (size_t i = 0; i < f->instance_count; i++) {
        if (churn_equal(key, churn_text(f->instances[i].key))) {
            return CHURN_OK;
        }
    }
    grown = realloc(f->instances, (f->instance_count + 1) * sizeof *grown);
    if (grown == NULL) {
        return CHURN_FATAL;
    }
    f->instances = grown;
    f->instances[f->instance_count] = (struct live_instance){.adopted = -1};
    (void)snprintf(f->instances[f->instance_count++].key, sizeof grown->key, "%.*s", (int)key.len, key.ptr);
    return CHURN_OK;
}

static void copy_field(const churn_pair *fields, uint32_t count, const char *name, char *ret, size_t size)
{
    const churn_str *value = profile_find_pair(fields, count, churn_text(name));
    (void)snprintf(ret, size, "%.*s", value != NULL ? (int)value->len : 0, value != NULL ? value->ptr : "");
}

/* An instance whose answer is gone has ended, or did not say anything for so long that it is none. */
static int32_t take_answer(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct live_instance *instance = ctx;
    char adopted[24] = "";
    (void)key;
    if (count == 0) {
        instance->adopted = INT64_MAX;
        return CHURN_OK;
    }
    copy_field(fields, count, "adopted", adopted, sizeof adopted);
    copy_field(fields, count, "host", instance->host, sizeof instance->host);
    copy_field(fields, count, "pid", instance->pid, sizeof instance->pid);
    instance->adopted = strtoll(adopted, NULL, 10);
    return CHURN_OK;
}

/* Who has an embedded store open runs on this machine, so one that was killed need not be waited for. */
static bool was_killed(const struct forget *f, const struct live_instance *instance)
{
    char own[sizeof instance->host] = "", path[64];
    (void)gethostname(own, sizeof own - 1);
    (void)snprintf(path, sizeof path, "/proc/%s", instance->pid);
    return ops_of(f)->embedded != 0 && strcmp(own, instance->host) == 0 && access(path, F_OK) != 0 && errno == ENOENT;
}

static int32_t ask_instances(struct forget *f, bool *ret_all)
{
    char prefix[STORE_KEY_SIZE];
    churn_str none = {.ptr = "", .len = 0};
    churn_str begin = {.ptr = prefix};
    int32_t result;
    begin.len = store_keys_own(FORGETTING_INSTANCE, f->pipeline->store_settings.key_prefix, none, prefix);
    result = ops_of(f)->keys(f->session, begin, take_instance_key, f, &f->err);
    *ret_all = true;
    for (size_t i = 0; i < f->instance_count && result == CHURN_OK; i++) {
        struct live_instance *instance = &f->instances[i];
        result = ops_of(f)->get(f->session, churn_text(instance->key), take_answer, instance, &f->err);
        if (result == CHURN_OK && was_killed(f, instance)) {
            instance->adopted = INT64_MAX;
            instance->pid[0] = '\0';
        }
        *ret_all = *ret_all && instance->adopted >= (int64_t)f->receipt.number;
    }
    return result;
}

/* One that began and has not said so yet looks at the log before it puts, and learns of the tombstone within the time
 * in which nobody puts a profile of its customers. */
static int64_t settling_ms(const struct forget *f)
{
    bool alone = ops_of(f)->embedded != 0 && f->instance_count == 0;
    return alone ? 0 : FORGETTING_SETTLE_MS;
}

static bool await_instances(struct forget *f)
{
    int64_t began = clock_monotonic_ms();
    bool all = false;
    int32_t result = CHURN_OK;
    while (result == CHURN_OK) {
        int64_t waited = clock_monotonic_ms() - began;
        result = ask_instances(f, &all);
        if ((all && waited >= settling_ms(f)) || waited >= ANSWER_MS) {
            break;
        }
        nap();
    }
    f->receipt.complete = all;
    return result == CHURN_OK;
}

/* ---- the command ---- */

static bool audit_all(const struct forget *f)
{
    for (unsigned i = 0; i < f->ids.count; i++) {
        if (!audited(f->pipeline, "forget", "forget", f->ids.items[i], NULL)) {
            return false;
        }
    }
    return true;
}

static bool can_forget(struct forget *f)
{
    const struct pipeline *pipeline = f->pipeline;
    char message[256];
    if (pipeline->store.loaded == NULL || pipeline->forget_settings.key == NULL) {
        printable_line(stderr,
                       "churnd: %s has no %s; customers are forgotten by a keyed hash that lies in the store: "
                       "`forget: {key: ${NAME}}`",
                       f->arguments->config, pipeline->store.loaded == NULL ? "store" : "section `forget:`");
        return false;
    }
    if (ops_of(f)->remove == NULL || ops_of(f)->keys == NULL) {
        printable_line(stderr, "churnd: %s can erase nothing: it needs the calls remove and keys of <churn/store.h>",
                       pipeline->store.label);
        return false;
    }
    return key_parse(pipeline->forget_settings.key, &f->key, message, sizeof message);
}

/* False with the reason in `err`. From the tombstone on all can be repeated. */
static bool act(struct forget *f)
{
    if (!forget_places_profiles(&f->profiles, f->pipeline, &f->ids.known)) {
        (void)churn_fail(&f->err, CHURN_FATAL, "out of memory");
        return false;
    }
    return ops_of(f)->open(f->pipeline->store_instance->self, &f->session, &f->err) == CHURN_OK && write_tombstone(f) &&
           erase(f) && await_instances(f) && erase(f) && erase_kept(f);
}

/* The exit status. */
static int finish(struct forget *f, bool done)
{
    f->receipt.complete = f->receipt.complete && done;
    f->receipt.instances = f->instances;
    f->receipt.instance_count = f->instance_count;
    f->receipt.untold = f->kept.untold;
    f->receipt.failure = done ? NULL : f->err.message;
    if (!done) {
        printable_line(
            stderr, "churnd: %s: %s; %s", f->kept.section != NULL ? f->kept.section->label : "forget", f->err.message,
            f->receipt.number == 0 && f->receipt.topic == NULL ? "nobody is forgotten" : "give the command again");
    } else if (!f->receipt.complete) {
        printable_line(stderr,
                       "churnd: not every instance that runs this pipeline has answered within %d s; the "
                       "receipt names them: stop them, or wait, and give the command again",
                       ANSWER_MS / 1000);
    }
    if (done && forget_receipt_held(&f->receipt) < f->ids.count) {
        printable_line(stderr, "churnd: of %u of %u customers nothing was found to be erased: are the ids right?",
                       f->ids.count - forget_receipt_held(&f->receipt), f->ids.count);
    }
    if (f->kept.untold != NULL && json_object_array_length(f->kept.untold) > 0) {
        (void)fputs(
            "churnd: of some records in files it cannot be told whose they are: `cannot_be_told` in the receipt\n",
            stderr);
    }
    return (f->receipt.number == 0 || forget_receipt_write(&f->receipt, f->arguments->receipt)) && f->receipt.complete
               ? 0
               : 1;
}

static int forget(struct forget *f)
{
    f->receipt = (struct forget_receipt){.pipeline = f->pipeline,
                                         .customers = (const char *const *)f->ids.items,
                                         .customer_count = f->ids.count,
                                         .has_until = f->arguments->has_until,
                                         .until_ms = f->arguments->until_ms,
                                         .ends = &f->ends};
    f->err.size = sizeof f->err;
    return can_forget(f) && forget_receipt_can(f->arguments->receipt) && audit_all(f) &&
                   forget_ends_ask(&f->ends, f->pipeline)
               ? finish(f, act(f))
               : 1;
}

static void release(struct forget *f)
{
    if (f->session != NULL) {
        ops_of(f)->close(f->session);
    }
    if (f->ends.pipeline != NULL) {
        forget_ends_free(&f->ends);
    }
    forget_places_free(&f->profiles);
    forget_places_free(&f->others);
    customer_ids_free(&f->ids);
    forget_receipt_free(&f->receipt);
    forget_kept_free(&f->kept);
    free(f->instances);
    key_wipe(&f->key);
}

int command_forget(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    struct pipeline pipeline;
    struct forget f = {.arguments = arguments, .pipeline = &pipeline};
    int status = 1;
    if (!customer_ids_read(&f.ids, arguments, "forget")) {
        customer_ids_free(&f.ids);
        return 1;
    }
    if (pipeline_load_edited(&pipeline, arguments_files(arguments), loader, log, stderr, edit, NULL)) {
        status = sandboxed(&pipeline, arguments_files(arguments), arguments->receipt) ? forget(&f) : 1;
    }
    release(&f);
    pipeline_free(&pipeline);
    return status;
}
