#include "profile/tombstones.h"

#include "base/decimal.h"
#include "base/json_text.h"
#include <sodium.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

void tombstones_hash(const struct key *key, churn_str customer, unsigned char ret[TOMBSTONE_HASH_BYTES])
{
    key_hash(key, "forget customer", &customer, 1, ret, TOMBSTONE_HASH_BYTES);
}

void tombstones_show_key(const struct key *key, char ret[TOMBSTONE_KEY_SIZE])
{
    unsigned char hash[(TOMBSTONE_KEY_SIZE - 1) / 2];
    key_hash(key, "forget key", NULL, 0, hash, sizeof hash);
    (void)sodium_bin2hex(ret, TOMBSTONE_KEY_SIZE, hash, sizeof hash);
}

static int by_name(const void *a, const void *b)
{
    const churn_pair *x = *(const churn_pair *const *)a, *y = *(const churn_pair *const *)b;
    uint32_t len = x->name.len < y->name.len ? x->name.len : y->name.len;
    int order = memcmp(x->name.ptr, y->name.ptr, len);
    return order != 0 ? order : (x->name.len > y->name.len) - (x->name.len < y->name.len);
}

bool tombstones_seal(const struct key *key, const churn_pair *fields, uint32_t count, char ret[TOMBSTONE_SEAL_SIZE])
{
    unsigned char hash[(TOMBSTONE_SEAL_SIZE - 1) / 2];
    const churn_pair **sorted = calloc(count + 1u, sizeof(churn_pair *));
    churn_str *parts = calloc(2 * (size_t)count + 1, sizeof *parts);
    bool ok = sorted != NULL && parts != NULL;
    uint32_t used = 0;
    for (uint32_t i = 0; i < count && ok; i++) {
        if (!str_equals(fields[i].name, CHURN_VERSION_FIELD) && !str_equals(fields[i].name, TOMBSTONE_SEAL)) {
            sorted[used++] = &fields[i];
        }
    }
    if (ok) {
        qsort((void *)sorted, used, sizeof(churn_pair *), by_name);
        for (uint32_t i = 0; i < used; i++) {
            parts[2 * (size_t)i] = sorted[i]->name;
            parts[2 * (size_t)i + 1] = sorted[i]->value;
        }
        key_hash(key, "forget seal", parts, 2 * (size_t)used, hash, sizeof hash);
        (void)sodium_bin2hex(ret, TOMBSTONE_SEAL_SIZE, hash, sizeof hash);
    }
    free((void *)sorted);
    free(parts);
    return ok;
}

static bool begins(churn_str name, const char *with, churn_str *ret_rest)
{
    uint32_t len = (uint32_t)strlen(with);
    if (name.len < len || memcmp(name.ptr, with, len) != 0) {
        return false;
    }
    *ret_rest = (churn_str){.ptr = name.ptr + len, .len = name.len - len};
    return true;
}

/* A copy in one allocation: the struct, its ends, its fields, their texts. */
static struct tombstone *copy(const churn_pair *fields, uint32_t count)
{
    size_t bytes = 0, heads = count * (sizeof(struct tombstone_end) + sizeof(churn_pair));
    struct tombstone *stone;
    char *at;
    for (uint32_t i = 0; i < count; i++) {
        bytes += (size_t)fields[i].name.len + fields[i].value.len;
    }
    stone = calloc(1, sizeof *stone + heads + bytes + alignof(max_align_t));
    if (stone == NULL) {
        return NULL;
    }
    at = stone->bytes + (-(uintptr_t)stone->bytes & (alignof(max_align_t) - 1));
    stone->ends = (void *)at;
    stone->fields = (void *)(at + count * sizeof *stone->ends);
    at += heads;
    for (uint32_t i = 0; i < count; i++) {
        if (churn_equal(fields[i].name, churn_text(CHURN_VERSION_FIELD))) {
            continue;
        }
        churn_pair *to = &stone->fields[stone->field_count++];
        memcpy(at, fields[i].name.ptr, fields[i].name.len);
        to->name = (churn_str){.ptr = at, .len = fields[i].name.len};
        at += fields[i].name.len;
        memcpy(at, fields[i].value.ptr, fields[i].value.len);
        to->value = (churn_str){.ptr = at, .len = fields[i].value.len};
        at += fields[i].value.len;
    }
    return stone;
}

static bool read_number(const churn_pair *field, int64_t *ret)
{
    return decimal_parse_int64(field->value.ptr, field->value.len, ret);
}

static bool read_hash(churn_str hex, unsigned char ret[TOMBSTONE_HASH_BYTES])
{
    size_t len = 0;
    return sodium_hex2bin(ret, TOMBSTONE_HASH_BYTES, hex.ptr, hex.len, NULL, &len, NULL) == 0 &&
           len == TOMBSTONE_HASH_BYTES;
}

/* False when memory ran out. */
static bool add_customer(struct tombstones *set, const struct tombstone *stone, churn_str hex)
{
    struct tombstone_customer *customer;
    if (set->customer_count == set->customer_room) {
        size_t room = set->customer_room == 0 ? 64 : set->customer_room * 2;
        struct tombstone_customer *grown = realloc(set->customers, room * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        set->customers = grown;
        set->customer_room = room;
    }
    customer = &set->customers[set->customer_count++];
    customer->tombstone = stone;
    return read_hash(hex, customer->hash);
}

/* False: it is not what this program writes. */
static bool read_field(struct tombstone *stone, const churn_pair *field)
{
    unsigned char hash[TOMBSTONE_HASH_BYTES];
    churn_str hex;
    struct tombstone_end *end = &stone->ends[stone->end_count];
    if (str_equals(field->name, TOMBSTONE_AT)) {
        return read_number(field, &stone->at_ms);
    }
    if (str_equals(field->name, TOMBSTONE_UNTIL)) {
        return read_number(field, &stone->until_ms);
    }
    if (str_equals(field->name, TOMBSTONE_ID)) {
        memcpy(stone->id, field->value.ptr, field->value.len < sizeof stone->id ? field->value.len : 0);
        return field->value.len < sizeof stone->id;
    }
    if (begins(field->name, TOMBSTONE_END, &end->source)) {
        stone->end_count++;
        return read_number(field, &end->offset);
    }
    if (begins(field->name, TOMBSTONE_CUSTOMER, &hex)) {
        return read_hash(hex, hash);
    }
    return true; /* of a later version */
}

static const churn_str *find_field(const struct tombstone *stone, const char *name)
{
    for (uint32_t i = 0; i < stone->field_count; i++) {
        if (str_equals(stone->fields[i].name, name)) {
            return &stone->fields[i].value;
        }
    }
    return NULL;
}

/* As tombstones_add. */
static int32_t check_key(const struct key *key, const struct tombstone *stone)
{
    const churn_str *by = find_field(stone, TOMBSTONE_KEY), *seal = find_field(stone, TOMBSTONE_SEAL);
    char shown[TOMBSTONE_KEY_SIZE], good[TOMBSTONE_SEAL_SIZE];
    if (key == NULL) {
        return CHURN_OK;
    }
    tombstones_show_key(key, shown);
    if (by != NULL && !str_equals(*by, shown)) {
        return CHURN_CONFLICT;
    }
    if (!tombstones_seal(key, stone->fields, stone->field_count, good)) {
        return CHURN_FATAL;
    }
    return seal != NULL && seal->len == sizeof good - 1 && sodium_memcmp(seal->ptr, good, seal->len) == 0
               ? CHURN_OK
               : CHURN_REJECT;
}

int32_t tombstones_add(struct tombstones *set, const churn_pair *fields, uint32_t count, int64_t now_ms)
{
    const size_t customers = set->customer_count;
    struct tombstone *stone;
    int32_t result;
    bool good = true;
    if (set->count == set->room) {
        uint64_t room = set->room == 0 ? 16 : set->room * 2;
        struct tombstone **grown = realloc((void *)set->items, room * sizeof(struct tombstone *));
        if (grown == NULL) {
            return CHURN_FATAL;
        }
        set->items = grown;
        set->room = room;
    }
    stone = copy(fields, count);
    if (stone == NULL) {
        return CHURN_FATAL;
    }
    stone->until_ms = INT64_MIN;
    stone->seen_ms = now_ms;
    stone->number = set->count + 1;
    for (uint32_t i = 0; i < stone->field_count && good; i++) {
        good = read_field(stone, &stone->fields[i]);
    }
    if (!good || stone->id[0] == '\0') {
        free(stone);
        return CHURN_REJECT;
    }
    result = check_key(set->key, stone);
    if (result != CHURN_OK) {
        free(stone);
        return result;
    }
    for (uint32_t i = 0; i < stone->field_count; i++) {
        churn_str hex;
        if (begins(stone->fields[i].name, TOMBSTONE_CUSTOMER, &hex) && !add_customer(set, stone, hex)) {
            set->customer_count = customers; /* a part of it would forget a part of them */
            free(stone);
            return CHURN_FATAL;
        }
    }
    set->items[set->count++] = stone;
    return CHURN_OK;
}

static int in_order(const void *a, const void *b)
{
    const struct tombstone_customer *x = a, *y = b;
    int by_hash = memcmp(x->hash, y->hash, sizeof x->hash);
    return by_hash != 0 ? by_hash
                        : (x->tombstone->number > y->tombstone->number) - (x->tombstone->number < y->tombstone->number);
}

void tombstones_sort(struct tombstones *set)
{
    if (set->customer_count > 0) {
        qsort(set->customers, set->customer_count, sizeof *set->customers, in_order);
    }
}

const struct tombstone *tombstones_find(const struct tombstones *set, const char *id)
{
    for (uint64_t i = set->count; i > 0; i--) {
        if (strcmp(set->items[i - 1]->id, id) == 0) {
            return set->items[i - 1];
        }
    }
    return NULL;
}

bool tombstones_merge(struct tombstones *set, const struct tombstones *from)
{
    for (uint64_t i = 0; i < from->count; i++) {
        const struct tombstone *one = from->items[i];
        if (tombstones_find(set, one->id) == NULL &&
            tombstones_add(set, one->fields, one->field_count, one->seen_ms) == CHURN_FATAL) {
            return false;
        }
    }
    tombstones_sort(set);
    return true;
}

static int by_age(const void *a, const void *b)
{
    const struct tombstone *x = *(const struct tombstone *const *)a, *y = *(const struct tombstone *const *)b;
    return x->at_ms != y->at_ms ? (x->at_ms > y->at_ms) - (x->at_ms < y->at_ms) : strcmp(x->id, y->id);
}

void tombstones_by_age(struct tombstones *set)
{
    if (set->count > 0) {
        qsort((void *)set->items, set->count, sizeof(struct tombstone *), by_age);
    }
}

void tombstones_free(struct tombstones *set)
{
    for (uint64_t i = 0; i < set->count; i++) {
        free(set->items[i]);
    }
    free((void *)set->items);
    free(set->customers);
    set->items = NULL;
    set->customers = NULL;
    set->count = set->room = 0;
    set->customer_count = set->customer_room = 0;
}

/* The first of the customer's; customer_count: none. */
static size_t first_of(const struct tombstones *set, const unsigned char hash[TOMBSTONE_HASH_BYTES])
{
    size_t low = 0, high = set->customer_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (memcmp(set->customers[mid].hash, hash, TOMBSTONE_HASH_BYTES) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static bool is_of(const struct tombstones *set, size_t i, const unsigned char hash[TOMBSTONE_HASH_BYTES])
{
    return i < set->customer_count && memcmp(set->customers[i].hash, hash, TOMBSTONE_HASH_BYTES) == 0;
}

const struct tombstone *tombstones_newest(const struct tombstones *set, const unsigned char hash[TOMBSTONE_HASH_BYTES])
{
    const struct tombstone *newest = NULL;
    for (size_t i = first_of(set, hash); is_of(set, i, hash); i++) {
        newest = set->customers[i].tombstone;
    }
    return newest;
}

int64_t tombstones_lowest_end(const struct tombstones *set, uint64_t since, churn_str source)
{
    int64_t lowest = INT64_MAX;
    for (uint64_t i = since; i < set->count; i++) {
        const struct tombstone *stone = set->items[i];
        for (uint32_t k = 0; k < stone->end_count; k++) {
            if (churn_equal(stone->ends[k].source, source) && stone->ends[k].offset < lowest) {
                lowest = stone->ends[k].offset;
            }
        }
    }
    return lowest;
}

static bool covers(const struct tombstone *stone, churn_str source, int64_t offset, int64_t time_ms)
{
    if (time_ms < stone->until_ms || (source.len == 0 && time_ms < stone->at_ms)) {
        return true;
    }
    for (uint32_t i = 0; i < stone->end_count; i++) {
        if (churn_equal(stone->ends[i].source, source)) {
            return offset < stone->ends[i].offset;
        }
    }
    return false;
}

bool tombstones_cover(const struct tombstones *set, const unsigned char hash[TOMBSTONE_HASH_BYTES], churn_str source,
                      int64_t offset, int64_t time_ms)
{
    for (size_t i = first_of(set, hash); is_of(set, i, hash); i++) {
        if (covers(set->customers[i].tombstone, source, offset, time_ms)) {
            return true;
        }
    }
    return false;
}
