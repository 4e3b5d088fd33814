#include "cli/forget_tombstone.h"

#include "base/clock.h"
#include "engine/forgotten_topic.h"
#include "engine/tombstone_log.h"
#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>

#define TOPIC_MS 60000 /* for all that is in it, and for each that is added */

/* ---- the record ---- */

struct record {
    churn_pair *pairs;
    uint32_t count;
    char *texts, *at, *end;
};

static churn_str put_text(struct record *record, const char *format, ...) __attribute__((format(printf, 2, 3)));

static churn_str put_text(struct record *record, const char *format, ...)
{
    churn_str text = {.ptr = record->at};
    va_list args;
    va_start(args, format);
    text.len = (uint32_t)vsnprintf(record->at, (size_t)(record->end - record->at), format, args);
    va_end(args);
    record->at += text.len + 1;
    return text;
}

static void add_number(struct record *record, churn_str name, int64_t number)
{
    record->pairs[record->count++] = (churn_pair){name, put_text(record, "%" PRId64, number)};
}

static void add_customer(const struct tombstone_order *order, struct record *record, const char *customer)
{
    unsigned char hash[TOMBSTONE_HASH_BYTES];
    char hex[TOMBSTONE_HASH_SIZE];
    tombstones_hash(order->key, churn_text(customer), hash);
    (void)sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    record->pairs[record->count++] =
        (churn_pair){put_text(record, TOMBSTONE_CUSTOMER "%s", hex), put_text(record, "1")};
}

/* False when memory ran out. */
static bool add_fields(const struct tombstone_order *order, struct record *record)
{
    char key[TOMBSTONE_KEY_SIZE], seal[TOMBSTONE_SEAL_SIZE];
    tombstones_show_key(order->key, key);
    record->pairs[record->count++] = (churn_pair){churn_text(TOMBSTONE_ID), churn_text(order->id)};
    record->pairs[record->count++] = (churn_pair){churn_text(TOMBSTONE_KEY), put_text(record, "%s", key)};
    add_number(record, churn_text(TOMBSTONE_AT), order->at_ms);
    if (order->has_until) {
        add_number(record, churn_text(TOMBSTONE_UNTIL), order->until_ms);
    }
    for (size_t i = 0; i < order->ends->count; i++) {
        add_number(record, put_text(record, TOMBSTONE_END "%s", order->ends->items[i].name),
                   order->ends->items[i].offset);
    }
    for (unsigned i = 0; i < order->ids->count; i++) {
        add_customer(order, record, order->ids->items[i]);
    }
    if (!tombstones_seal(order->key, record->pairs, record->count, seal)) {
        return false;
    }
    record->pairs[record->count++] = (churn_pair){churn_text(TOMBSTONE_SEAL), put_text(record, "%s", seal)};
    return true;
}

/* False when memory ran out. */
static bool make_record(struct tombstone_order *order, struct record *record)
{
    unsigned char id[(TOMBSTONE_ID_SIZE - 1) / 2];
    size_t fields = 5 + order->ends->count + order->ids->count, bytes = 256 + fields * (TOMBSTONE_HASH_SIZE + 64);
    for (size_t i = 0; i < order->ends->count; i++) {
        bytes += strlen(order->ends->items[i].name);
    }
    *record = (struct record){.pairs = calloc(fields, sizeof *record->pairs), .texts = malloc(bytes)};
    if (record->pairs == NULL || record->texts == NULL) {
        return false;
    }
    record->at = record->texts;
    record->end = record->texts + bytes;
    randombytes_buf(id, sizeof id);
    (void)sodium_bin2hex(order->id, sizeof order->id, id, sizeof id);
    return add_fields(order, record);
}

/* ---- where it is kept ---- */

struct keeping {
    struct tombstone_order *order;
    struct forgotten_topic *topic; /* NULL: there is none */
    struct tombstones in_topic, in_store;
    struct tombstone_log log;
    churn_error *err;
};

static int32_t read_both(struct keeping *k)
{
    int32_t result = k->topic != NULL ? forgotten_topic_read(k->topic, &k->in_topic, TOPIC_MS, k->err) : CHURN_OK;
    return result == CHURN_OK ? tombstone_log_read(&k->log, k->err) : result;
}

/* What either lacks: a store that was lost, a topic that was deleted or is named for the first time. */
static int32_t complete_both(struct keeping *k)
{
    unsigned added;
    int32_t result = tombstone_log_complete(&k->log, &k->in_topic, &added, k->err);
    for (uint64_t i = 0; k->topic != NULL && i < k->in_store.count && result == CHURN_OK; i++) {
        const struct tombstone *one = k->in_store.items[i];
        if (tombstones_find(&k->in_topic, one->id) == NULL) {
            result = forgotten_topic_add(k->topic, one->fields, one->field_count, TOPIC_MS, k->err);
        }
    }
    return result;
}

/* A worker that has read it in the topic may have put it here already. */
static int32_t put_in_store(struct keeping *k, const struct record *record)
{
    int32_t result = CHURN_CONFLICT;
    const struct tombstone *own = NULL;
    while (own == NULL && (result == CHURN_OK || result == CHURN_CONFLICT)) {
        result = tombstone_log_put(&k->log, record->pairs, record->count, k->err);
        if (result == CHURN_OK || result == CHURN_CONFLICT) {
            result = tombstone_log_read(&k->log, k->err);
        }
        own = tombstones_find(&k->in_store, k->order->id);
    }
    k->order->number = own != NULL ? own->number : 0;
    return result;
}

/* The order of the log is the order of their times, so that it is the same when it is made anew. */
static int64_t choose_time(const struct tombstones *set)
{
    int64_t now = clock_wall_ms(), last = set->count > 0 ? set->items[set->count - 1]->at_ms : INT64_MIN;
    return now > last ? now : last + 1;
}

static int32_t write_both(struct keeping *k)
{
    struct tombstone_order *order = k->order;
    struct record record = {0};
    int32_t result = CHURN_OK;
    order->at_ms = choose_time(&k->in_store);
    if (!make_record(order, &record)) {
        result = churn_fail(k->err, CHURN_FATAL, "out of memory");
    } else if (k->topic != NULL) {
        result = forgotten_topic_add(k->topic, record.pairs, record.count, TOPIC_MS, k->err);
        order->topic = result != CHURN_FATAL ? order->pipeline->forget_settings.topic : NULL;
    }
    result = result == CHURN_OK ? put_in_store(k, &record) : result;
    free(record.pairs);
    free(record.texts);
    return result;
}

int32_t forget_tombstone_write(struct tombstone_order *order, void *session, churn_error *err)
{
    struct keeping k = {.order = order, .err = err};
    int32_t result = CHURN_OK;
    k.log = (struct tombstone_log){.ops = store_ops(&order->pipeline->store),
                                   .session = session,
                                   .prefix = order->pipeline->store_settings.key_prefix,
                                   .set = &k.in_store};
    k.in_store.key = k.in_topic.key = order->key;
    if (!forgotten_topic_open(order->pipeline, &k.topic)) {
        result = churn_fail(err, CHURN_FATAL, "the source cannot be made");
    }
    result = result == CHURN_OK ? read_both(&k) : result;
    result = result == CHURN_OK ? complete_both(&k) : result;
    result = result == CHURN_OK ? write_both(&k) : result;
    tombstones_free(&k.in_topic);
    tombstones_free(&k.in_store);
    forgotten_topic_close(k.topic);
    return result;
}
