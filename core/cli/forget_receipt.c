#include "cli/forget_receipt.h"

#include "base/json_build.h"
#include "base/json_text.h"
#include "base/printable.h"
#include "pipeline/forget_section.h"
#include <churn/time.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void add_time(struct json_object *object, const char *name, int64_t ms)
{
    char text[CHURN_TIME_SIZE];
    churn_time_format(ms, text);
    json_add_text(object, name, text);
}

void forget_receipt_add(struct forget_receipt *receipt, const struct held_place *place)
{
    struct json_object *object = json_object_new_object();
    json_add_text(object, "customer", receipt->customers[place->customer]);
    json_add_text(object, "section", place->section);
    json_add(object, "key", json_object_new_string_len(place->key, (int)place->len));
    if (receipt->erased == NULL) {
        receipt->erased = json_object_new_array();
    }
    (void)json_object_array_add(receipt->erased, object);
}

void forget_receipt_add_kept(void *ctx, const struct kept_record *record)
{
    struct forget_receipt *receipt = ctx;
    const char *customer = receipt->customers[record->customer];
    struct json_object *object, *records;
    struct text name = {0};
    text_printf(&name, "%s\t%s\t%s", record->section->label, customer, record->place);
    text_append(&name, "", 1);
    receipt->kept = receipt->kept != NULL ? receipt->kept : json_object_new_object();
    if (!name.failed && !json_object_object_get_ex(receipt->kept, name.bytes, &object)) {
        object = json_object_new_object();
        json_add_text(object, "customer", customer);
        json_add_text(object, "section", record->section->label);
        json_add_text(object, "file", record->place);
        json_add(object, "records", json_object_new_int64(0));
        json_add(receipt->kept, name.bytes, object);
    }
    if (!name.failed) {
        records = json_object_object_get(object, "records");
        (void)json_object_set_int64(records, json_object_get_int64(records) + 1);
    }
    text_free(&name);
}

void forget_receipt_free(struct forget_receipt *receipt)
{
    (void)json_object_put(receipt->erased);
    (void)json_object_put(receipt->kept);
}

static bool is_searched(const struct target *target)
{
    return strcmp(target->kind, CHURN_TARGET_FILE) == 0 && forget_kept_can(target->section) &&
           strcmp(target->name, "-") != 0;
}

static bool keeps_tombstones(const struct pipeline *pipeline, const struct target *target)
{
    return target->section == pipeline_ledger(pipeline) && strcmp(target->name, pipeline->forget_settings.topic) == 0;
}

/* What a source reads is passed over; it is there all the same. */
struct json_object *forget_receipt_elsewhere(const struct pipeline *pipeline)
{
    struct json_object *list = json_object_new_array();
    for (unsigned i = 0; i < pipeline->targets.count; i++) {
        const struct target *target = &pipeline->targets.items[i];
        bool holds = strcmp(target->kind, CHURN_TARGET_TOPIC) == 0 || strcmp(target->kind, CHURN_TARGET_FILE) == 0 ||
                     strcmp(target->kind, CHURN_TARGET_FOLDER) == 0;
        if (holds && !is_searched(target) && target->section != &pipeline->store &&
            (target->flags & CHURN_TARGET_INNER) == 0 && !keeps_tombstones(pipeline, target)) {
            struct json_object *object = json_object_new_object();
            json_add_text(object, "section", target->section->label);
            json_add_text(object, target->kind, target->name);
            if (target->at != NULL) {
                json_add_text(object, "at", target->at);
            }
            (void)json_object_array_add(list, object);
        }
    }
    return list;
}

static struct json_object *partitions(const struct source_ends *ends)
{
    struct json_object *object = json_object_new_object();
    for (size_t i = 0; ends != NULL && i < ends->count; i++) {
        json_add(object, ends->items[i].name, json_object_new_int64(ends->items[i].offset));
    }
    return object;
}

static struct json_object *instances(const struct forget_receipt *receipt)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < receipt->instance_count; i++) {
        const struct live_instance *instance = &receipt->instances[i];
        struct json_object *object;
        if (instance->pid[0] == '\0') {
            continue; /* it ended before it could be asked */
        }
        object = json_object_new_object();
        json_add_text(object, "host", instance->host);
        json_add_text(object, "pid", instance->pid);
        json_add(object, "answered", json_object_new_boolean(instance->adopted >= (int64_t)receipt->number));
        (void)json_object_array_add(list, object);
    }
    return list;
}

static struct json_object *erased(const struct forget_receipt *receipt)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; receipt->erased != NULL && i < json_object_array_length(receipt->erased); i++) {
        (void)json_object_array_add(list, json_object_get(json_object_array_get_idx(receipt->erased, i)));
    }
    if (receipt->kept != NULL) {
        struct json_object_iterator at = json_object_iter_begin(receipt->kept),
                                    end = json_object_iter_end(receipt->kept);
        for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
            (void)json_object_array_add(list, json_object_get(json_object_iter_peek_value(&at)));
        }
    }
    return list;
}

/* Files of instances on other machines are theirs. */
static void add_host(struct json_object *list, const struct pipeline *pipeline, const char *host)
{
    for (unsigned i = 0; i < pipeline->targets.count; i++) {
        const struct target *target = &pipeline->targets.items[i];
        if (is_searched(target)) {
            struct json_object *object = json_object_new_object();
            json_add_text(object, "section", target->section->label);
            json_add_text(object, target->kind, target->name);
            json_add_text(object, "host", host);
            (void)json_object_array_add(list, object);
        }
    }
}

static struct json_object *elsewhere(const struct forget_receipt *receipt)
{
    struct json_object *list = forget_receipt_elsewhere(receipt->pipeline);
    char own[sizeof receipt->instances->host] = "";
    (void)gethostname(own, sizeof own - 1);
    for (size_t i = 0; i < receipt->instance_count; i++) {
        const char *host = receipt->instances[i].host;
        bool told = *host == '\0' || strcmp(host, own) == 0;
        for (size_t j = 0; j < i && !told; j++) {
            told = strcmp(receipt->instances[j].host, host) == 0;
        }
        if (!told) {
            add_host(list, receipt->pipeline, host);
        }
    }
    return list;
}

static struct json_object *make(const struct forget_receipt *receipt)
{
    struct json_object *object = json_object_new_object();
    json_add(object, "complete", json_object_new_boolean(receipt->complete));
    if (receipt->failure != NULL) {
        json_add_text(object, "failure", receipt->failure);
    }
    json_add(object, "customers", json_object_new_array());
    for (unsigned i = 0; i < receipt->customer_count; i++) {
        (void)json_object_array_add(json_object_object_get(object, "customers"),
                                    json_object_new_string(receipt->customers[i]));
    }
    add_time(object, "forgotten_at", receipt->at_ms);
    if (receipt->has_until) {
        add_time(object, "until", receipt->until_ms);
    }
    json_add(object, "tombstone", json_object_new_int64((int64_t)receipt->number));
    json_add_text(object, "tombstone_id", receipt->id);
    if (receipt->topic != NULL) {
        json_add_text(object, "tombstone_topic", receipt->topic);
    }
    json_add(object, "below", partitions(receipt->ends));
    json_add(object, "erased", erased(receipt));
    json_add(object, "cannot_be_told",
             receipt->untold != NULL ? json_object_get(receipt->untold) : json_object_new_array());
    json_add(object, "instances", instances(receipt));
    json_add(object, "elsewhere", elsewhere(receipt));
    return object;
}

unsigned forget_receipt_held(const struct forget_receipt *receipt)
{
    struct json_object *list = erased(receipt);
    struct name_index seen = {0};
    unsigned held;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *place = json_object_array_get_idx(list, i);
        (void)name_index_add(&seen, json_object_get_string(json_object_object_get(place, "customer")));
    }
    held = seen.count;
    name_index_free(&seen);
    (void)json_object_put(list);
    return held;
}

static int make_file(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

bool forget_receipt_can(const char *path)
{
    int fd = path != NULL ? make_file(path) : STDOUT_FILENO;
    if (fd < 0) {
        printable_line(stderr, "churnd: the receipt %s cannot be written: %s; nobody is forgotten", path,
                       strerror(errno));
    } else if (path != NULL) {
        (void)close(fd);
        (void)unlink(path);
    }
    return fd >= 0;
}

bool forget_receipt_write(const struct forget_receipt *receipt, const char *path)
{
    struct json_object *object = make(receipt);
    const char *text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
    int fd = path != NULL ? make_file(path) : STDOUT_FILENO;
    FILE *out = path == NULL ? stdout : fd >= 0 ? fdopen(fd, "w") : NULL;
    bool ok = out != NULL && fprintf(out, "%s\n", text) >= 0 && fflush(out) == 0;
    int error = errno;
    if (path != NULL && out != NULL) {
        ok = fclose(out) == 0 && ok;
    }
    if (!ok) {
        printable_line(stderr, "churnd: the receipt%s%s cannot be written: %s", path != NULL ? " " : "",
                       path != NULL ? path : "", strerror(error));
    }
    (void)json_object_put(object);
    return ok;
}
