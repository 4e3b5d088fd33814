#include "profile/witness.h"

#include "base/decimal.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FNV_BASIS UINT64_C(0xcbf29ce484222325) /* FNV-1a, 64 bits, for stores hold its values */
#define FNV_PRIME UINT64_C(0x100000001b3)
#define HASH_DIGITS 16

static uint64_t add_bytes(uint64_t hash, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ at[i]) * FNV_PRIME;
    }
    return hash;
}

/* The same on every machine. */
static uint64_t add_number(uint64_t hash, uint64_t number)
{
    unsigned char bytes[8];
    for (unsigned i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)(number >> (8 * i));
    }
    return add_bytes(hash, bytes, sizeof bytes);
}

struct witness witness_of(const churn_record *record)
{
    uint64_t hash = add_number(FNV_BASIS, (uint64_t)record->timestamp_ms);
    hash = add_number(hash, record->key.len);
    hash = add_bytes(hash, record->key.ptr, record->key.ptr != NULL ? record->key.len : 0);
    hash = add_bytes(hash, record->value.ptr, record->value.ptr != NULL ? record->value.len : 0);
    return (struct witness){.offset = record->offset, .hash = hash};
}

uint32_t witness_format(struct witness witness, char text[WITNESS_SIZE])
{
    if (witness.offset < 0) {
        text[0] = '\0';
        return 0;
    }
    return (uint32_t)snprintf(text, WITNESS_SIZE, "%" PRId64 ":%0*" PRIx64, witness.offset, HASH_DIGITS, witness.hash);
}

/* -1: no hexadecimal digit, as witness_format writes it. */
static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct witness witness_parse(churn_str text)
{
    struct witness found = WITNESS_NONE;
    const char *colon = text.len > 0 ? memchr(text.ptr, ':', text.len) : NULL;
    uint64_t hash = 0;
    if (colon == NULL || text.ptr + text.len - (colon + 1) != HASH_DIGITS) {
        return found;
    }
    for (const char *c = colon + 1; c < text.ptr + text.len; c++) {
        if (digit_of(*c) < 0) {
            return found;
        }
        hash = hash << 4 | (uint64_t)digit_of(*c);
    }
    if (decimal_parse_int64(text.ptr, (uint32_t)(colon - text.ptr), &found.offset) && found.offset >= 0) {
        found.hash = hash;
        return found;
    }
    return WITNESS_NONE;
}
