#include "record.h"
#include "grow.h"
#include "pairs.h"

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

static unsigned char *write_text(unsigned char *at, churn_str text)
{
    if (text.len > 0) {
        memcpy(at, text.ptr, text.len);
    }
    return at + text.len;
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

bool record_reserve(struct record_memory *m, size_t count)
{
    churn_pair *pairs = grow(m->pairs, &m->pair_room, count, sizeof *pairs);
    if (pairs == NULL) {
        return false;
    }
    m->pairs = pairs;
    return true;
}

int32_t record_decode(struct record_memory *m, churn_str key, const MDB_val *data, struct record *ret)
{
    const unsigned char *at = data->mv_data, *end = end_of(key, data);
    uint64_t count;
    if (end == NULL || at++ == end || !read_varint(&at, end, &ret->expires_ms) ||
        !read_varint(&at, end, &ret->version) || !read_varint(&at, end, &count) || count > (uint64_t)(end - at) / 2) {
        return CHURN_FATAL;
    }
    if (!record_reserve(m, (size_t)count + 1)) { /* one more for _v */
        return CHURN_RETRY;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (!read_pair(&at, end, &m->pairs[i])) {
            return CHURN_FATAL;
        }
    }
    ret->count = (uint32_t)count;
    ret->stored = 1;
    return at == end ? CHURN_OK : CHURN_FATAL;
}

bool record_encode(struct record_memory *m, churn_str key, const struct record *record, const churn_pair *pairs,
                   MDB_val *ret)
{
    size_t most =
        1 + 3 * MAX_VARINT + (size_t)record->count * 2 * MAX_VARINT + pairs_size(pairs, record->count) + CHECKSUM;
    unsigned char *at = grow(m->encoded, &m->encoded_room, most, 1);
    uint64_t sum;
    if (at == NULL) {
        return false;
    }
    m->encoded = at;
    *at++ = RECORD_FORMAT;
    at = write_varint(at, record->expires_ms);
    at = write_varint(at, record->version);
    at = write_varint(at, record->count);
    for (uint32_t i = 0; i < record->count; i++) {
        at = write_varint(at, pairs[i].name.len);
        at = write_varint(at, pairs[i].value.len);
        at = write_text(at, pairs[i].name);
        at = write_text(at, pairs[i].value);
    }
    sum = checksum(key, m->encoded, (size_t)(at - m->encoded));
    memcpy(at, &sum, sizeof sum);
    *ret = (MDB_val){.mv_data = m->encoded, .mv_size = (size_t)(at - m->encoded) + CHECKSUM};
    return true;
}

uint32_t record_with_version(struct record_memory *m, const struct record *record)
{
    if (record->version == 0) {
        return record->count;
    }
    m->pairs[record->count] = (churn_pair){
        .name = churn_text("_v"),
        .value = {.ptr = m->version_text,
                  .len = (uint32_t)snprintf(m->version_text, sizeof m->version_text, "%" PRIu64, record->version)}};
    return record->count + 1;
}

bool record_has_expired(churn_str key, const MDB_val *data, int64_t now_ms)
{
    const unsigned char *at = data->mv_data, *end = at + data->mv_size;
    uint64_t expires_ms;
    return at++ < end && read_varint(&at, end, &expires_ms) && record_is_over(expires_ms, now_ms) &&
           end_of(key, data) != NULL;
}

void record_memory_free(struct record_memory *m)
{
    free(m->pairs);
    free(m->encoded);
}
