#include "cli/load/clean.h"

#include "base/grouped.h"
#include "base/printable.h"
#include "cli/load/sections.h"
#include <stdlib.h>

#define BATCH 200 /* keys in one call */

/* Keys packed one behind the other, each with its length in front. */
struct found {
    struct text keys;
    int64_t count;
    size_t prefix_len;
};

/* A load test's customers have a number between the prefix and the next `_`. */
static bool is_of_a_test(churn_str key, size_t prefix_len)
{
    size_t at = prefix_len;
    while (at < key.len && key.ptr[at] >= '0' && key.ptr[at] <= '9') {
        at++;
    }
    return at > prefix_len && at < key.len && key.ptr[at] == '_';
}

static int32_t take_key(void *ctx, churn_str key)
{
    struct found *found = ctx;
    if (is_of_a_test(key, found->prefix_len)) {
        text_append(&found->keys, (const char *)&key.len, sizeof key.len);
        text_append(&found->keys, key.ptr, key.len);
        found->count++;
    }
    return found->keys.failed ? CHURN_END : CHURN_OK;
}

/* A hash without fields is none. */
static int32_t remove_all(const churn_store_ops *ops, void *session, const struct found *found, churn_error *err)
{
    churn_hash hashes[BATCH];
    uint32_t count = 0;
    int32_t result = CHURN_OK;
    for (size_t at = 0; at < found->keys.len && result == CHURN_OK;) {
        churn_str key;
        memcpy(&key.len, found->keys.bytes + at, sizeof key.len);
        key.ptr = found->keys.bytes + at + sizeof key.len;
        at += sizeof key.len + key.len;
        hashes[count++] = (churn_hash){.key = key};
        if (count == BATCH || at == found->keys.len) {
            result = ops->write(session, hashes, count, err);
            count = 0;
        }
    }
    return result;
}

static int tell(const struct pipeline *pipeline, const struct found *found, int32_t result, const churn_error *err)
{
    char number[GROUPED_SIZE];
    if (found->keys.failed) {
        (void)fputs("churnd: out of memory\n", stderr);
        return 1;
    }
    if (result != CHURN_OK) {
        printable_line(stderr, "churnd: %s: %s", pipeline->store.label, err->message);
        return 1;
    }
    (void)printf("%s profile%s of load tests removed\n", grouped(found->count, number), found->count == 1 ? "" : "s");
    return 0;
}

int load_clean(struct pipeline *pipeline)
{
    const churn_store_ops *ops = store_ops(&pipeline->store);
    struct found found = {0};
    struct text prefix = {0};
    churn_error err = {.size = sizeof err};
    void *session = NULL;
    int32_t result;
    int status;
    if (ops->keys == NULL) {
        printable_line(stderr, "churnd: the store %s cannot list its profiles", pipeline->store.label);
        return 1;
    }
    text_append_string(&prefix, pipeline->store_settings.key_prefix);
    text_append_string(&prefix, LOAD_CUSTOMERS);
    found.prefix_len = prefix.len;
    found.keys.failed = prefix.failed;
    result = ops->open(pipeline->store_instance->self, &session, &err);
    if (result == CHURN_OK && !prefix.failed) {
        result =
            ops->keys(session, (churn_str){.ptr = prefix.bytes, .len = (uint32_t)prefix.len}, take_key, &found, &err);
    }
    if (result == CHURN_OK && !found.keys.failed) {
        result = remove_all(ops, session, &found, &err);
    }
    if (session != NULL) {
        ops->close(session);
    }
    status = tell(pipeline, &found, result, &err);
    text_free(&found.keys);
    text_free(&prefix);
    return status;
}
