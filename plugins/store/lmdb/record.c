#include "record.h"
#include "errors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define UNCHECKED_FORMAT 1 /* first byte of a record: it has no checksum, as before there was one */
#define RECORD_FORMAT 2    /* … and of those that are written */
#define CHECKSUM 8         /* bytes at its end */
#define MAX_VARINT 10      /* bytes of a 64-bit number */

static unsigned char *write_varint(unsigned char *at, uint64_t n)
{
    for (; n >= 0x80; n >>= 7) {
        *at++ = (unsigned char)(n | 0x80);
    }
    *at++ = (unsigned char)n;
    return at;
}

static bool read_varint(const unsigned char **at, const unsigned char *end, uint64_t *ret)
{
    uint64_t n = 0;
    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        unsigned char byte = *(*at)++;
        if (shift == 63 && byte > 1) {
            return false;
        }
        n |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret = n;
            return true;
        }
    }
    return false;
}

static bool read_pair(const unsigned char **at, const unsigned char *end, churn_pair *pair)
{
    uint64_t name_len, value_len, room;
    if (!read_varint(at, end, &name_len) || !read_varint(at, end, &value_len)) {
        return false;
    }
    room = (uint64_t)(end - *at);
    if (name_len > room || value_len > room - name_len || name_len > UINT32_MAX || value_len > UINT32_MAX) {
        return false;
    }
    pair->name = (churn_str){.ptr = (const char *)*at, .len = (uint32_t)name_len};
    pair->value = (churn_str){.ptr = (const char *)*at + name_len, .len = (uint32_t)value_len};
    *at += name_len + value_len;
    return true;
}

/* Of a record under its key: what lies under another one is no better than what was changed. */
static uint64_t checksum(churn_str key, const void *record, size_t len)
{
    return XXH3_64bits_withSeed(record, len, XXH3_64bits(key.ptr, key.len));
}

/* Where the checked part of a record ends; NULL when it is damaged. */
static const unsigned char *end_of(churn_str key, const MDB_val *data)
{
    const unsigned char *at = data->mv_data;
    size_t len = data->mv_size;
    uint64_t stored;
    if (len > 0 && *at == UNCHECKED_FORMAT) {
        return at + len;
    }
    if (len <= CHECKSUM || *at != RECORD_FORMAT) {
        return NULL;
    }
    len -= CHECKSUM;
    memcpy(&stored, at + len, sizeof stored); /* LMDB's files are of one byte order too */
    return stored == checksum(key, at, len) ? at + len : NULL;
}

int32_t decode(struct session *s, churn_str key, const MDB_val *data, struct record *ret)
{
    const unsigned char *at = data->mv_data, *end = end_of(key, data);
    uint64_t count;
    if (end == NULL || at++ == end || !read_varint(&at, end, &ret->expires_ms) ||
        !read_varint(&at, end, &ret->version) || !read_varint(&at, end, &count) || count > (uint64_t)(end - at) / 2) {
        return CHURN_FATAL;
    }
    if (!reserve_pairs(s, count + 1)) { /* one more for _v */
        return CHURN_RETRY;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (!read_pair(&at, end, &s->pairs[i])) {
            return CHURN_FATAL;
        }
    }
    ret->count = (uint32_t)count;
    ret->stored = 1;
    return at == end ? CHURN_OK : CHURN_FATAL;
}

bool encode(struct session *s, churn_str key, const struct record *record, const churn_pair *pairs, MDB_val *ret)
{
    size_t most =
        1 + 3 * MAX_VARINT + (size_t)record->count * 2 * MAX_VARINT + pairs_size(pairs, record->count) + CHECKSUM;
    unsigned char *at = s->encoded;
    uint64_t sum;
    if (most > s->encoded_room) {
        at = realloc(s->encoded, most * 2);
        if (at == NULL) {
            return false;
        }
        s->encoded = at;
        s->encoded_room = most * 2;
    }
    *at++ = RECORD_FORMAT;
    at = write_varint(at, record->expires_ms);
    at = write_varint(at, record->version);
    at = write_varint(at, record->count);
    for (uint32_t i = 0; i < record->count; i++) {
        char *text;
        at = write_varint(at, pairs[i].name.len);
        at = write_varint(at, pairs[i].value.len);
        text = (char *)at;
        (void)copy_str(&text, pairs[i].name);
        (void)copy_str(&text, pairs[i].value);
        at = (unsigned char *)text;
    }
    sum = checksum(key, s->encoded, (size_t)(at - s->encoded));
    memcpy(at, &sum, sizeof sum);
    *ret = (MDB_val){.mv_data = s->encoded, .mv_size = (size_t)(at - s->encoded) + CHECKSUM};
    return true;
}

int32_t load(struct session *s, MDB_txn *txn, churn_str key, struct record *ret, churn_error *err)
{
    MDB_val name = {.mv_data = (void *)(uintptr_t)key.ptr, .mv_size = key.len}, data;
    int32_t result;
    int rc = mdb_get(txn, s->store->dbi, &name, &data);
    *ret = (struct record){0};
    if (rc == MDB_NOTFOUND) {
        return CHURN_OK;
    }
    if (rc != 0) {
        return fail_rc(s->store, rc, err);
    }
    result = decode(s, key, &data, ret);
    if (result != CHURN_OK) {
        return result == CHURN_RETRY ? fail_memory(err) : fail_corrupt(s->store, key, err);
    }
    if (ret->expires_ms != 0 && ret->expires_ms <= (uint64_t)s->store->host->now_ms(s->store->host)) {
        *ret = (struct record){0};
    }
    return CHURN_OK;
}

uint64_t expiry(const struct lmdb_store *store, int64_t ttl_ms)
{
    int64_t at;
    if (ttl_ms <= 0 || __builtin_add_overflow(store->host->now_ms(store->host), ttl_ms, &at) || at <= 0) {
        return 0;
    }
    return (uint64_t)at;
}

uint32_t with_version(struct session *s, const struct record *record)
{
    if (record->version == 0) {
        return record->count;
    }
    s->pairs[record->count] = (churn_pair){
        .name = {.ptr = "_v", .len = 2},
        .value = {.ptr = s->version_text,
                  .len = (uint32_t)snprintf(s->version_text, sizeof s->version_text, "%" PRIu64, record->version)}};
    return record->count + 1;
}

bool has_expired(const MDB_val *key, const MDB_val *data, uint64_t now_ms)
{
    const unsigned char *at = data->mv_data, *end = at + data->mv_size;
    uint64_t expires_ms;
    return at++ < end && read_varint(&at, end, &expires_ms) && expires_ms != 0 && expires_ms <= now_ms &&
           end_of((churn_str){.ptr = key->mv_data, .len = (uint32_t)key->mv_size}, data) != NULL;
}

bool same_name(const churn_pair *a, const churn_pair *b)
{
    return a->name.len == b->name.len && memcmp(a->name.ptr, b->name.ptr, a->name.len) == 0;
}
