#include "hashes.h"
#include "calls.h"
#include "commands.h"
#include "errors.h"
#include "pairs.h"
#include "replies.h"
#include "resp.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* KEYS[1]; ARGV: ttl in ms (0: none), then name, value, … In a script, so that nobody reads half of it. */
static const char write_script[] = "redis.call('DEL', KEYS[1]) "
                                   "for i = 2, #ARGV, 4000 do "
                                   "redis.call('HSET', KEYS[1], unpack(ARGV, i, math.min(i + 3999, #ARGV))) end "
                                   "if ARGV[1] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end "
                                   "return 1";

/* Shows the answer to a HGETALL of `key`; frees it. */
static int32_t give_hash(struct session *s, redisReply *reply, churn_str key, churn_fields_fn fn, void *ctx,
                         churn_error *err)
{
    churn_pair *pairs;
    uint32_t count = 0;
    if (!reply_is_hash(reply)) {
        return call_fail(s, reply, key, err);
    }
    pairs = reply_pairs(reply, &count);
    if (pairs == NULL) {
        freeReplyObject(reply);
        return fail_memory(err);
    }
    (void)fn(ctx, key, pairs, count);
    free(pairs);
    freeReplyObject(reply);
    return CHURN_OK;
}

static bool queue_get(struct session *s, churn_str key)
{
    const churn_str args[] = {churn_text("HGETALL"), key};
    return commands_add(&s->commands, PENDING_CALL, 0, args, 2);
}

int32_t redis_get_many(void *session, const churn_str *keys, uint32_t count, churn_fields_fn fn, void *ctx,
                       churn_error *err)
{
    struct session *s = session;
    int32_t result = call_begin(s, err);
    uint32_t queued = 0;
    if (result != CHURN_OK) {
        return result;
    }
    for (; queued < count && queue_get(s, keys[queued]); queued++) {
    }
    for (uint32_t i = 0; i < queued; i++) { /* every answer is read, or the next call would get it */
        redisReply *reply;
        int32_t one = call_wait(s, &reply, result == CHURN_OK ? err : NULL);
        if (one == CHURN_OK && result == CHURN_OK) {
            result = give_hash(s, reply, keys[i], fn, ctx, err);
        } else if (one == CHURN_OK) {
            freeReplyObject(reply);
        } else if (result == CHURN_OK) {
            result = one;
        }
    }
    return result == CHURN_OK && queued < count ? fail_memory(err) : result;
}

int32_t redis_get(void *session, churn_str key, churn_fields_fn fn, void *ctx, churn_error *err)
{
    return redis_get_many(session, &key, 1, fn, ctx, err);
}

/* The pattern of SCAN that exactly the keys with `prefix` match; the caller frees it. */
static char *pattern_of(churn_str prefix, churn_str *ret)
{
    char *pattern = malloc((size_t)2 * prefix.len + 1), *at = pattern;
    for (uint32_t i = 0; i < prefix.len && pattern != NULL; i++) {
        if (prefix.ptr[i] != '\0' && strchr("*?[]\\", prefix.ptr[i]) != NULL) {
            *at++ = '\\';
        }
        *at++ = prefix.ptr[i];
    }
    if (pattern != NULL) {
        *at++ = '*';
        *ret = (churn_str){.ptr = pattern, .len = (uint32_t)(at - pattern)};
    }
    return pattern;
}

static bool is_scan(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 && reply_is_text(reply->element[0]) &&
           reply->element[1]->type == REDIS_REPLY_ARRAY;
}

/* False when `fn` wants no more. */
static bool give_keys(const redisReply *list, churn_key_fn fn, void *ctx)
{
    for (size_t i = 0; i < list->elements; i++) {
        const redisReply *key = list->element[i];
        if (reply_is_text(key) && fn(ctx, (churn_str){.ptr = key->str, .len = (uint32_t)key->len}) != CHURN_OK) {
            return false;
        }
    }
    return true;
}

/* One SCAN from `cursor`, which becomes that of the next one; "0" behind the last. */
static int32_t scan_once(struct session *s, churn_str pattern, char cursor[24], churn_key_fn fn, void *ctx,
                         churn_error *err)
{
    const churn_str args[] = {churn_text("SCAN"),  churn_text(cursor), churn_text("MATCH"), pattern,
                              churn_text("COUNT"), churn_text("1000")};
    redisReply *reply;
    int32_t result = call(s, args, 6, &reply, err);
    if (result != CHURN_OK) {
        return result;
    }
    if (!is_scan(reply)) {
        return call_fail(s, reply, pattern, err);
    }
    (void)snprintf(cursor, 24, "%s", give_keys(reply->element[1], fn, ctx) ? reply->element[0]->str : "0");
    freeReplyObject(reply);
    return CHURN_OK;
}

int32_t redis_keys(void *session, churn_str prefix, churn_key_fn fn, void *ctx, churn_error *err)
{
    struct session *s = session;
    churn_str pattern;
    char cursor[24] = "0", *memory;
    int32_t result = call_begin(s, err);
    if (result != CHURN_OK) {
        return result;
    }
    memory = pattern_of(prefix, &pattern);
    if (memory == NULL) {
        return fail_memory(err);
    }
    do {
        result = scan_once(s, pattern, cursor, fn, ctx, err);
    } while (result == CHURN_OK && strcmp(cursor, "0") != 0);
    free(memory);
    return result;
}

/* A script as a server is asked to run it: by its name, which any server has that was told its text once; or by that.
 */
struct script {
    churn_str command;
    churn_str text;
};

int32_t hashes_name_scripts(struct redis_store *store, churn_error *err)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[SHA_DIGEST_LENGTH];
    if (SHA1((const unsigned char *)write_script, strlen(write_script), digest) == NULL) {
        return churn_fail(err, CHURN_FATAL, "a script cannot be named: OpenSSL lacks memory, or SHA-1");
    }
    for (size_t i = 0; i < (size_t)2 * SHA_DIGEST_LENGTH; i++) {
        store->write_name[i] = digits[digest[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
    }
    return CHURN_OK;
}

static bool queue_write(struct session *s, const struct script *script, const churn_hash *hash)
{
    char number[21], *at;
    size_t bytes =
        script->command.len + script->text.len + hash->key.len + sizeof number + pairs_size(hash->fields, hash->count);
    at = commands_begin(&s->commands, PENDING_CALL, 0, 5 + (size_t)2 * hash->count, bytes + sizeof "1");
    if (at == NULL) {
        return false;
    }
    at = write_arg(at, script->command);
    at = write_arg(at, script->text);
    at = write_arg(at, churn_text("1"));
    at = write_arg(at, hash->key);
    at = write_arg(at, number_arg(number, hash->ttl_ms > 0 ? (uint64_t)hash->ttl_ms : 0));
    commands_end(&s->commands, write_pairs(at, hash->fields, hash->count));
    return true;
}

/* *ret_unknown 1: the server does not know the script by that name. */
static int32_t await_write(struct session *s, churn_str key, bool *ret_unknown, churn_error *err)
{
    redisReply *reply;
    int32_t result = call_wait(s, &reply, err);
    if (result != CHURN_OK) {
        return result;
    }
    if (reply->type == REDIS_REPLY_ERROR && error_verdict(reply->str) == VERDICT_RELOAD) {
        *ret_unknown = true;
    } else if (reply->type != REDIS_REPLY_INTEGER) {
        return call_fail(s, reply, key, err);
    }
    freeReplyObject(reply);
    return CHURN_OK;
}

static int32_t write_all(struct session *s, const struct script *script, const churn_hash *hashes, uint32_t count,
                         bool *ret_unknown, churn_error *err)
{
    int32_t result = CHURN_OK;
    uint32_t queued = 0;
    *ret_unknown = false;
    for (; queued < count && queue_write(s, script, &hashes[queued]); queued++) {
    }
    for (uint32_t i = 0; i < queued; i++) { /* every answer is read, or the next call would get it */
        int32_t one = await_write(s, hashes[i].key, ret_unknown, result == CHURN_OK ? err : NULL);
        result = result == CHURN_OK ? one : result;
    }
    return result == CHURN_OK && queued < count ? fail_memory(err) : result;
}

int32_t redis_write(void *session, const churn_hash *hashes, uint32_t count, churn_error *err)
{
    struct session *s = session;
    const struct script whole = {.command = churn_text("EVAL"), .text = churn_text(write_script)};
    const struct script named = {.command = churn_text("EVALSHA"), .text = churn_text(s->store->write_name)};
    bool unknown;
    int32_t result = call_begin(s, err);
    if (result != CHURN_OK) {
        return result;
    }
    result = write_all(s, &named, hashes, count, &unknown, err);
    if (result == CHURN_OK && unknown) { /* those that were written meanwhile are written the same once more */
        result = write_all(s, &whole, hashes, count, &unknown, err);
    }
    return result;
}

/* KEYS[1]; ARGV: a field and its value. */
static const char remove_script[] = "if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then "
                                    "return redis.call('DEL', KEYS[1]) end return 0";

int32_t redis_remove(void *session, churn_str key, churn_str field, churn_str value, churn_error *err)
{
    const churn_str args[] = {churn_text("EVAL"), churn_text(remove_script), churn_text("1"), key, field, value};
    struct session *s = session;
    redisReply *reply;
    int32_t result = call_begin(s, err);
    result = result == CHURN_OK ? call(s, args, 6, &reply, err) : result;
    if (result != CHURN_OK) {
        return result;
    }
    if (reply->type != REDIS_REPLY_INTEGER) {
        return call_fail(s, reply, key, err);
    }
    freeReplyObject(reply);
    return CHURN_OK;
}
