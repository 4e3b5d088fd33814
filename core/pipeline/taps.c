#include "pipeline/taps.h"

#include "event/json_scan.h"
#include "plugin/journal.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define ALL_SHIFT 8 /* in `watched`: somebody looks at all records of the point, not at one customer's */
#define SHARED JOURNAL_WORKERS
#define NOTHING UINT32_MAX /* the length of what is not there */

/* Copies on their way from one thread that offers to the one that looks. `head` and `tail` only grow; their places in
 * `bytes` are what they leave modulo TAPS_ROOM. */
struct ring {
    _Alignas(64) _Atomic uint64_t head; /* the offering thread's */
    _Atomic uint64_t passed_over[TAP_POINTS];
    _Alignas(64) _Atomic uint64_t tail; /* the looking thread's */
    _Alignas(16) char bytes[TAPS_ROOM];
};

/* Which customer a watcher wants, as a hash: a stranger with the same one is left out by whoever looks. */
struct interest {
    _Atomic uint64_t customer;
    _Atomic uint32_t points; /* the point's bit; 0: not one customer's, or none */
};

struct taps_rings {
    _Atomic(struct ring *) rings[JOURNAL_WORKERS + 1]; /* made by whoever offers first, kept to the end */
    pthread_mutex_t lock;                              /* of those who share the last one */
    struct interest interests[TAPS_WATCHERS];
    uint32_t watching[TAPS_WATCHERS]; /* the looking thread's: what each has in `watched` */
};

/* What stands before a copy's bytes: customer, key, topic with its NUL, headers, value with the decoder's padding. */
struct copy {
    uint32_t size;  /* of all, with padding; first */
    uint32_t point; /* TAP_POINTS: nothing, the rest of the ring up to its end */
    uint32_t customer_len, key_len, topic_size, value_len;
    uint32_t header_count, severity;
    uint32_t cut;
    int32_t partition;
    int64_t offset, timestamp_ms;
};

static const char *const point_names[TAP_POINTS] = {"source", "events", "alerts", "dead_letters", "predictions"};

const char *taps_point_name(enum tap_point point)
{
    return point_names[point];
}

bool taps_point_find(const char *name, enum tap_point *ret)
{
    for (unsigned i = 0; i < TAP_POINTS; i++) {
        if (strcmp(name, point_names[i]) == 0) {
            *ret = (enum tap_point)i;
            return true;
        }
    }
    return false;
}

struct taps *taps_new(void)
{
    struct taps *taps = calloc(1, sizeof *taps);
    struct taps_rings *rings = calloc(1, sizeof *rings);
    if (taps == NULL || rings == NULL || pthread_mutex_init(&rings->lock, NULL) != 0) {
        free(taps);
        free(rings);
        return NULL;
    }
    taps->rings = rings;
    return taps;
}

void taps_free(struct taps *taps)
{
    if (taps == NULL) {
        return;
    }
    for (unsigned i = 0; i <= SHARED; i++) {
        free(atomic_load(&taps->rings->rings[i]));
    }
    (void)pthread_mutex_destroy(&taps->rings->lock);
    free(taps->rings);
    free(taps);
}

/* ---- offering ---- */

static uint64_t hash_of(const char *customer, size_t len)
{
    return XXH3_64bits(customer, len);
}

static bool is_wanted(const struct taps *taps, enum tap_point point, churn_str customer)
{
    uint32_t watched = atomic_load_explicit(&taps->watched, memory_order_acquire);
    uint64_t hash;
    bool wanted = false;
    if ((watched >> point & 1) == 0 || customer.ptr == NULL || (watched >> (point + ALL_SHIFT) & 1) != 0) {
        return (watched >> point & 1) != 0;
    }
    hash = hash_of(customer.ptr, customer.len);
    for (unsigned i = 0; i < TAPS_WATCHERS && !wanted; i++) {
        const struct interest *interest = &taps->rings->interests[i];
        wanted = (atomic_load_explicit(&interest->points, memory_order_relaxed) >> point & 1) != 0 &&
                 atomic_load_explicit(&interest->customer, memory_order_relaxed) == hash;
    }
    return wanted;
}

static uint32_t length_of(churn_str text)
{
    return text.ptr != NULL ? text.len : NOTHING;
}

static size_t bytes_of(uint32_t length)
{
    return length != NOTHING ? length : 0;
}

static size_t size_of_headers(const churn_record *record)
{
    size_t size = 0;
    for (uint32_t i = 0; i < record->header_count; i++) {
        const churn_header *header = &record->headers[i];
        size += 2 * sizeof(uint32_t) + strlen(header->name) + 1 + (header->value.ptr != NULL ? header->value.len : 0);
    }
    return size;
}

static size_t whole_size(const struct copy *copy, size_t headers)
{
    size_t size = sizeof *copy + bytes_of(copy->customer_len) + bytes_of(copy->key_len) + copy->topic_size + headers +
                  bytes_of(copy->value_len) + JSON_SCAN_PADDING;
    return (size + _Alignof(struct copy) - 1) / _Alignof(struct copy) * _Alignof(struct copy);
}

/* What is to be said of a record, and how much room it needs. */
static size_t measure(enum tap_point point, churn_str customer, const churn_record *record, struct copy *copy)
{
    *copy = (struct copy){.point = point,
                          .customer_len = length_of(customer),
                          .key_len = length_of(record->key),
                          .topic_size = record->topic != NULL ? (uint32_t)strlen(record->topic) + 1 : 0,
                          .value_len = length_of(record->value),
                          .header_count = record->headers == NULL                   ? 0
                                          : record->header_count > TAPS_MAX_HEADERS ? TAPS_MAX_HEADERS
                                                                                    : record->header_count,
                          .severity = record->severity,
                          .partition = record->partition,
                          .offset = record->offset,
                          .timestamp_ms = record->timestamp_ms};
    const churn_record shown = {.headers = record->headers, .header_count = copy->header_count};
    size_t size = whole_size(copy, size_of_headers(&shown));
    if (record->value.len > TAPS_MAX_VALUE || size > TAPS_ROOM / 2) {
        copy->cut = record->value.len;
        copy->value_len = copy->key_len = copy->customer_len = NOTHING;
        copy->header_count = 0;
        size = whole_size(copy, 0);
    }
    copy->size = (uint32_t)size;
    return size;
}

static char *put(char *at, const void *bytes, size_t len)
{
    if (len > 0) {
        memcpy(at, bytes, len);
    }
    return at + len;
}

static char *put_headers(char *at, const churn_record *record, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const churn_header *header = &record->headers[i];
        const uint32_t lengths[] = {(uint32_t)strlen(header->name) + 1, length_of(header->value)};
        at = put(at, lengths, sizeof lengths);
        at = put(at, header->name, lengths[0]);
        at = put(at, header->value.ptr, bytes_of(lengths[1]));
    }
    return at;
}

/* Room for `size` bytes in one piece; NULL: there is none. *ret_head is where the ring's head will be. */
static char *make_room(struct ring *ring, size_t size, uint64_t *ret_head)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint64_t used = head - atomic_load_explicit(&ring->tail, memory_order_acquire);
    size_t place = head % TAPS_ROOM, skipped = TAPS_ROOM - place < size ? TAPS_ROOM - place : 0;
    if (used + skipped + size > TAPS_ROOM) {
        return NULL;
    }
    if (skipped > 0) {
        const uint32_t rest[] = {(uint32_t)skipped, TAP_POINTS};
        memcpy(ring->bytes + place, rest, sizeof rest);
        head += skipped;
    }
    *ret_head = head + size;
    return ring->bytes + head % TAPS_ROOM;
}

static void write_copy(char *at, const struct copy *copy, churn_str customer, const churn_record *record)
{
    at = put(at, copy, sizeof *copy);
    at = put(at, customer.ptr, bytes_of(copy->customer_len));
    at = put(at, record->key.ptr, bytes_of(copy->key_len));
    at = put(at, record->topic, copy->topic_size);
    at = put_headers(at, record, copy->header_count);
    at = put(at, record->value.ptr, bytes_of(copy->value_len));
    memset(at, 0, JSON_SCAN_PADDING);
}

static struct ring *ring_at(struct taps *taps, unsigned number)
{
    struct ring *ring = atomic_load_explicit(&taps->rings->rings[number], memory_order_acquire);
    if (ring == NULL && (ring = aligned_alloc(_Alignof(struct ring), sizeof *ring)) != NULL) {
        memset(ring, 0, offsetof(struct ring, bytes));
        atomic_store_explicit(&taps->rings->rings[number], ring, memory_order_release);
    }
    return ring;
}

static void offer(struct taps *taps, unsigned number, enum tap_point point, churn_str customer,
                  const churn_record *record)
{
    struct ring *ring = ring_at(taps, number);
    struct copy copy;
    size_t size = measure(point, customer, record, &copy);
    uint64_t head;
    char *at = ring != NULL ? make_room(ring, size, &head) : NULL;
    if (at != NULL) {
        write_copy(at, &copy, customer, record);
        atomic_store_explicit(&ring->head, head, memory_order_release);
    } else if (ring != NULL) {
        atomic_fetch_add_explicit(&ring->passed_over[point], 1, memory_order_relaxed);
    }
}

void taps_offer(struct taps *taps, unsigned worker, enum tap_point point, churn_str customer,
                const churn_record *record)
{
    if (is_wanted(taps, point, customer)) {
        offer(taps, worker, point, customer, record);
    }
}

void taps_offer_shared(struct taps *taps, enum tap_point point, churn_str customer, const churn_record *record)
{
    if (is_wanted(taps, point, customer)) {
        (void)pthread_mutex_lock(&taps->rings->lock);
        offer(taps, SHARED, point, customer, record);
        (void)pthread_mutex_unlock(&taps->rings->lock);
    }
}

/* ---- looking ---- */

static void tell_watched(struct taps *taps)
{
    uint32_t watched = 0;
    for (unsigned i = 0; i < TAPS_WATCHERS; i++) {
        watched |= taps->rings->watching[i];
    }
    atomic_store_explicit(&taps->watched, watched, memory_order_release);
}

void taps_watch(struct taps *taps, unsigned watcher, enum tap_point point, const char *customer)
{
    struct interest *interest = &taps->rings->interests[watcher];
    uint32_t bit = UINT32_C(1) << point;
    if (customer != NULL) {
        atomic_store_explicit(&interest->customer, hash_of(customer, strlen(customer)), memory_order_relaxed);
        atomic_store_explicit(&interest->points, bit, memory_order_relaxed);
    }
    taps->rings->watching[watcher] = customer != NULL ? bit : bit | bit << ALL_SHIFT;
    tell_watched(taps);
}

void taps_unwatch(struct taps *taps, unsigned watcher)
{
    taps->rings->watching[watcher] = 0;
    tell_watched(taps);
    atomic_store_explicit(&taps->rings->interests[watcher].points, 0, memory_order_relaxed);
}

static churn_str take_text(const char **at, uint32_t length)
{
    churn_str text = {.ptr = length != NOTHING ? *at : NULL, .len = (uint32_t)bytes_of(length)};
    *at += bytes_of(length);
    return text;
}

static void read_copy(const char *at, taps_fn fn, void *ctx)
{
    const struct copy *copy = (const struct copy *)(const void *)at;
    churn_header headers[TAPS_MAX_HEADERS];
    struct tapped tapped = {.point = (enum tap_point)copy->point, .cut = copy->cut};
    churn_record *record = &tapped.record;
    *record = (churn_record){.size = sizeof *record,
                             .timestamp_ms = copy->timestamp_ms,
                             .offset = copy->offset,
                             .partition = copy->partition,
                             .severity = copy->severity,
                             .headers = headers,
                             .header_count = copy->header_count};
    at += sizeof *copy;
    tapped.customer = take_text(&at, copy->customer_len);
    record->key = take_text(&at, copy->key_len);
    record->topic = copy->topic_size > 0 ? at : NULL;
    at += copy->topic_size;
    for (uint32_t i = 0; i < copy->header_count; i++) {
        uint32_t lengths[2];
        memcpy(lengths, at, sizeof lengths);
        at += sizeof lengths;
        headers[i].name = at;
        at += lengths[0];
        headers[i].value = take_text(&at, lengths[1]);
    }
    record->value = take_text(&at, copy->value_len);
    fn(ctx, &tapped);
}

static unsigned take_from(struct ring *ring, unsigned most, taps_fn fn, void *ctx)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    unsigned count = 0;
    while (tail != head && count < most) {
        const char *at = ring->bytes + tail % TAPS_ROOM;
        uint32_t rest[2];
        memcpy(rest, at, sizeof rest);
        if (rest[1] != TAP_POINTS) {
            read_copy(at, fn, ctx);
            count++;
        }
        tail += rest[0];
        atomic_store_explicit(&ring->tail, tail, memory_order_release);
    }
    return count;
}

unsigned taps_take(struct taps *taps, unsigned most, taps_fn fn, void *ctx)
{
    unsigned count = 0;
    for (unsigned i = 0; i <= SHARED && count < most; i++) {
        struct ring *ring = atomic_load_explicit(&taps->rings->rings[i], memory_order_acquire);
        count += ring != NULL ? take_from(ring, most - count, fn, ctx) : 0;
    }
    return count;
}

uint64_t taps_passed_over(const struct taps *taps, enum tap_point point)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i <= SHARED; i++) {
        const struct ring *ring = atomic_load_explicit(&taps->rings->rings[i], memory_order_acquire);
        sum += ring != NULL ? atomic_load_explicit(&ring->passed_over[point], memory_order_relaxed) : 0;
    }
    return sum;
}
