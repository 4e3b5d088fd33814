/*
 * Raises an alert when a customer has so many events of one type within a window of event time: exactly, also when
 * events come late, are delivered again or replayed, and whatever is killed.
 *
 * What is known of a customer in one source partition is a function of that partition's events in the order of their
 * offsets, and nothing else: no clock, no other partition. It is kept with the offset up to which it goes, and with the
 * offsets that raised an alert. So an event below that offset finds its answer, and one at or behind it is decided from
 * all that came before it. README.md has the argument in full.
 */
#include <churn/ext/event_types.h>
#include <churn/ext/storage.h>
#include <churn/plugin.h>
#include <churn/processor.h>

#include <inttypes.h>
#include <stdlib.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) ((void)((element)->lost = 1))
#include <uthash.h>

#define KEY_BEGIN "churnd:burst:"
#define MAX_KEY 512
#define MAX_NAME 64      /* of an alert */
#define MAX_TIMES 2000   /* events of a customer that are looked at together */
#define MAX_ALERTS 1000  /* of a customer in a partition that are remembered */
#define PATIENCE_MS 2000 /* for the store in one call */
#define POLL_MS 100      /* … of that in one call of the store */
#define PAUSE_MS 500     /* between attempts to open a session */
#define REPLIES 256

struct alert {
    int64_t offset;
    int64_t time_ms;
};

/* A customer in one source partition. */
struct part {
    struct part *next;
    char *place;     /* "topic/partition" */
    int dirty;       /* not stored as it is */
    int64_t end;     /* the offset after the last event that is in here */
    int64_t high_ms; /* the newest event time */
    int64_t *times;  /* of the events that a window can still reach, sorted */
    uint32_t time_count, time_room;
    struct alert *alerts; /* in the order of their offsets */
    uint32_t alert_count, alert_room;
};

struct customer {
    UT_hash_handle hh; /* the table is in the order of use: the first one was used longest ago */
    struct customer *next_dirty;
    struct part *parts;
    uint64_t version; /* of the stored hash; 0: none */
    int dirty;
    int lost;  /* could not be put into the table */
    int asked; /* its put is with the store */
    uint32_t id_len;
    char id[];
};

/* A growing text; `failed` once memory ran out. */
struct text {
    char *ptr;
    size_t len, room;
    int failed;
};

struct burst {
    const char *event_type; /* options */
    const char *name;
    int64_t count;
    int64_t window_ms, lateness_ms, cooldown_ms, remember_ms;
    int64_t customers;
    int32_t severity;
    const churn_host *host;
    const churn_storage *storage;
    const churn_store_ops *store;
    void *store_self;
    void *session;      /* NULL: not open; all puts of an open one are answered between two calls */
    int64_t open_at_ms; /* not before */
    struct customer *table;
    struct customer *dirty; /* a list of those that are */
    struct text text;
    char key[MAX_KEY]; /* its beginning, which all have */
    size_t key_len;
};

static const char *const severities[] = {"info", "warning", "critical", NULL};

#define YEARS (INT64_C(3650) * 86400000)

static const churn_option options[] = {
    {"event_type", .type = CHURN_OPTION_STRING, .default_text = "payment_failed",
     .offset = offsetof(struct burst, event_type), .help = "The event type that is counted."},
    {"count", .type = CHURN_OPTION_INT, .default_text = "3", .min = 2, .max = 1000,
     .offset = offsetof(struct burst, count), .help = "How many such events of one customer are a burst."},
    {"window", .type = CHURN_OPTION_DURATION, .default_text = "10m", .min = 0, .max = YEARS,
     .offset = offsetof(struct burst, window_ms),
     .help = "The longest time from the first to the last of them, by their own timestamps."},
    {"lateness", .type = CHURN_OPTION_DURATION, .default_text = "1h", .min = 0, .max = YEARS,
     .offset = offsetof(struct burst, lateness_ms),
     .help =
         "How much older than the customer's newest such event one may be when it comes; an older one is not counted."},
    {"cooldown", .type = CHURN_OPTION_DURATION, .default_text = "1h", .min = 0, .max = YEARS,
     .offset = offsetof(struct burst, cooldown_ms),
     .help = "The least time between two alerts of one customer, by the timestamps of their events."},
    {"severity", .type = CHURN_OPTION_ENUM, .default_text = "critical", .choices = severities,
     .offset = offsetof(struct burst, severity), .help = "The severity of the alert."},
    {"name", .type = CHURN_OPTION_STRING, .default_text = "burst", .offset = offsetof(struct burst, name),
     .help = "The last part of the alert's id, and of the keys in the store: another one for each burst processor of a "
             "pipeline."},
    {"remember", .type = CHURN_OPTION_DURATION, .default_text = "0s", .min = 0, .max = YEARS,
     .offset = offsetof(struct burst, remember_ms),
     .help =
         "How long the store keeps what is known of a customer, by its clock, after the last such event; 0s: for ever. "
         "Longer than a replay reaches back, or it begins anew there."},
    {"customers", .type = CHURN_OPTION_INT, .default_text = "100000", .min = 1, .max = 100000000,
     .offset = offsetof(struct burst, customers), .help = "How many customers each worker keeps in memory."},
};

static int32_t out_of_memory(churn_error *err)
{
    return churn_fail(err, CHURN_FATAL, "out of memory");
}

/* --- Texts --- */

static void add(struct text *text, const char *ptr, size_t len)
{
    if (text->room - text->len < len) {
        size_t room = 2 * text->room + len + 256;
        char *grown = text->failed ? NULL : realloc(text->ptr, room);
        if (grown == NULL) {
            text->failed = 1;
            return;
        }
        text->ptr = grown;
        text->room = room;
    }
    memcpy(text->ptr + text->len, ptr, len);
    text->len += len;
}

static void add_number(struct text *text, int64_t number)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRId64 " ", number);
    add(text, digits, (size_t)len);
}

/* Takes a number and the space behind it from the front of `rest`; 0 when there is none. */
static int take_number(churn_str *rest, int64_t *ret)
{
    char digits[24], *end;
    uint32_t len = 0;
    while (len < rest->len && len < sizeof digits - 1 && rest->ptr[len] != ' ') {
        digits[len] = rest->ptr[len];
        len++;
    }
    digits[len] = '\0';
    if (len == 0 || len == rest->len || rest->ptr[len] != ' ') {
        return 0;
    }
    *ret = strtoll(digits, &end, 10);
    rest->ptr += len + 1;
    rest->len -= len + 1;
    return *end == '\0';
}

/* "10m": the largest unit that is whole. */
static void format_duration(int64_t ms, char out[32])
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    size_t i = 0;
    while (ms % units[i].ms != 0) {
        i++;
    }
    (void)snprintf(out, 32, "%" PRId64 "%s", ms / units[i].ms, units[i].name);
}

/* --- What is known of a customer in a partition --- */

static void free_part(struct part *part)
{
    free(part->place);
    free(part->times);
    free(part->alerts);
    free(part);
}

static struct part *new_part(churn_str place)
{
    struct part *part = calloc(1, sizeof *part);
    if (part != NULL) {
        part->high_ms = INT64_MIN;
        part->place = strndup(place.ptr, place.len);
    }
    if (part != NULL && part->place == NULL) {
        free(part);
        return NULL;
    }
    return part;
}

/* Makes room for one more element; NULL when memory ran out. */
static void *grown(void *array, uint32_t count, uint32_t *room, size_t size)
{
    void *more;
    if (count < *room) {
        return array;
    }
    more = realloc(array, (2 * (size_t)*room + 8) * size);
    if (more != NULL) {
        *room = 2 * *room + 8;
    }
    return more;
}

static int add_time(struct part *part, int64_t time_ms, uint32_t *ret_at)
{
    int64_t *times = grown(part->times, part->time_count, &part->time_room, sizeof *times);
    uint32_t at = part->time_count;
    if (times == NULL) {
        return 0;
    }
    part->times = times;
    while (at > 0 && times[at - 1] > time_ms) {
        at--;
    }
    memmove(times + at + 1, times + at, (part->time_count - at) * sizeof *times);
    times[at] = time_ms;
    part->time_count++;
    *ret_at = at;
    return 1;
}

static int add_alert(struct part *part, int64_t offset, int64_t time_ms)
{
    struct alert *alerts = grown(part->alerts, part->alert_count, &part->alert_room, sizeof *alerts);
    if (alerts == NULL) {
        return 0;
    }
    part->alerts = alerts;
    alerts[part->alert_count++] = (struct alert){.offset = offset, .time_ms = time_ms};
    if (part->alert_count > MAX_ALERTS) {
        memmove(alerts, alerts + 1, --part->alert_count * sizeof *alerts);
    }
    return 1;
}

static int has_alerted(const struct part *part, int64_t offset)
{
    for (uint32_t i = part->alert_count; i-- > 0 && part->alerts[i].offset >= offset;) {
        if (part->alerts[i].offset == offset) {
            return 1;
        }
    }
    return 0;
}

static int is_cooling(const struct burst *b, const struct part *part, int64_t time_ms)
{
    for (uint32_t i = 0; i < part->alert_count; i++) {
        if (llabs(time_ms - part->alerts[i].time_ms) < b->cooldown_ms) {
            return 1;
        }
    }
    return 0;
}

/* Does any window that reaches the event at `at` hold enough? */
static int is_burst(const struct burst *b, const struct part *part, uint32_t at)
{
    uint32_t more = (uint32_t)b->count - 1;
    for (uint32_t first = at > more ? at - more : 0; first <= at && first + more < part->time_count; first++) {
        if (part->times[first + more] - part->times[first] <= b->window_ms) {
            return 1;
        }
    }
    return 0;
}

/* Forgets what no window can reach any more, whatever comes; returns how many events that were. */
static uint32_t forget_old(const struct burst *b, struct part *part)
{
    int64_t oldest = part->high_ms - b->lateness_ms - b->window_ms;
    uint32_t old = 0;
    while (part->times[old] < oldest || part->time_count - old > MAX_TIMES) {
        old++;
    }
    part->time_count -= old;
    memmove(part->times, part->times + old, part->time_count * sizeof *part->times);
    return old;
}

/* Takes the next event of the partition in; *ret_alerts: it makes a burst. 0 when memory ran out. */
static int take_event(const struct burst *b, struct part *part, int64_t offset, int64_t time_ms, int *ret_alerts)
{
    uint32_t at = 0, old;
    *ret_alerts = 0;
    if (part->high_ms == INT64_MIN || time_ms >= part->high_ms - b->lateness_ms) {
        if (!add_time(part, time_ms, &at)) {
            return 0;
        }
        part->high_ms = time_ms > part->high_ms ? time_ms : part->high_ms;
        old = forget_old(b, part);
        if (at >= old && is_burst(b, part, at - old) && !is_cooling(b, part, time_ms)) {
            if (!add_alert(part, offset, time_ms)) {
                return 0;
            }
            *ret_alerts = 1;
        }
    }
    part->end = offset + 1;
    part->dirty = 1;
    return 1;
}

static void write_part(struct text *text, const struct part *part)
{
    add_number(text, part->end);
    add_number(text, part->high_ms);
    add_number(text, part->time_count);
    for (uint32_t i = 0; i < part->time_count; i++) {
        add_number(text, part->times[i]);
    }
    for (uint32_t i = 0; i < part->alert_count; i++) {
        add_number(text, part->alerts[i].offset);
        add_number(text, part->alerts[i].time_ms);
    }
}

/* CHURN_OK; CHURN_REJECT: it is no such text; CHURN_FATAL: memory ran out. */
static int32_t read_part(struct part *part, churn_str text)
{
    int64_t times, value, offset;
    uint32_t at;
    if (!take_number(&text, &part->end) || !take_number(&text, &part->high_ms) || !take_number(&text, &times)) {
        return CHURN_REJECT;
    }
    part->time_count = part->alert_count = 0;
    for (int64_t i = 0; i < times; i++) {
        if (!take_number(&text, &value)) {
            return CHURN_REJECT;
        }
        if (!add_time(part, value, &at)) {
            return CHURN_FATAL;
        }
    }
    while (text.len > 0) {
        if (!take_number(&text, &offset) || !take_number(&text, &value)) {
            return CHURN_REJECT;
        }
        if (!add_alert(part, offset, value)) {
            return CHURN_FATAL;
        }
    }
    part->dirty = 0;
    return CHURN_OK;
}

/* --- The customers in memory --- */

static void free_customer(struct customer *customer)
{
    for (struct part *part = customer->parts, *next; part != NULL; part = next) {
        next = part->next;
        free_part(part);
    }
    free(customer);
}

static void forget_all(struct burst *b)
{
    struct customer *customer, *next;
    HASH_ITER(hh, b->table, customer, next)
    {
        HASH_DEL(b->table, customer);
        free_customer(customer);
    }
    b->dirty = NULL;
}

/* The part of a place, made at the first call; NULL when memory ran out. */
static struct part *part_of(struct customer *customer, churn_str place)
{
    struct part *part = customer->parts;
    while (part != NULL && !churn_equal(churn_text(part->place), place)) {
        part = part->next;
    }
    if (part == NULL && (part = new_part(place)) != NULL) {
        part->next = customer->parts;
        customer->parts = part;
    }
    return part;
}

static uint64_t read_version(churn_str text)
{
    char digits[24];
    (void)snprintf(digits, sizeof digits, "%.*s", (int)text.len, text.ptr);
    return strtoull(digits, NULL, 10);
}

/* Takes a stored hash: of each part what goes further, since both are the same function of the same events. */
static int32_t take_fields(struct customer *customer, const churn_pair *fields, uint32_t count, churn_error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        struct part *part;
        churn_str rest = fields[i].value;
        int64_t end;
        int32_t result;
        if (churn_equal(fields[i].name, churn_text("_v"))) {
            customer->version = read_version(fields[i].value);
            continue;
        }
        part = part_of(customer, fields[i].name);
        result = part == NULL ? CHURN_FATAL : CHURN_REJECT;
        if (part != NULL && take_number(&rest, &end)) {
            result = end > part->end ? read_part(part, fields[i].value) : CHURN_OK;
        }
        if (result != CHURN_OK) {
            return result == CHURN_FATAL ? out_of_memory(err)
                                         : churn_fail(err, CHURN_FATAL,
                                                      "the store holds something else under the key " KEY_BEGIN
                                                      "… of customer %.*s; delete it",
                                                      (int)customer->id_len, customer->id);
        }
    }
    return CHURN_OK;
}

/* --- The store --- */

static churn_str key_of(struct burst *b, const struct customer *customer)
{
    memcpy(b->key + b->key_len, customer->id, customer->id_len); /* there is room, see burst_create */
    return (churn_str){.ptr = b->key, .len = (uint32_t)b->key_len + customer->id_len};
}

static void close_session(struct burst *b)
{
    if (b->session != NULL) {
        b->store->close(b->session);
        b->session = NULL;
    }
}

/* CHURN_OK: there is a session. */
static int32_t ready(struct burst *b, churn_error *err)
{
    int32_t result;
    if (b->session != NULL) {
        return CHURN_OK;
    }
    if (b->host->monotonic_ms(b->host) < b->open_at_ms) {
        return churn_fail(err, CHURN_RETRY, "the store is out of reach");
    }
    result = b->store->open(b->store_self, &b->session, err);
    if (result != CHURN_OK) {
        b->session = NULL;
        b->open_at_ms = b->host->monotonic_ms(b->host) + PAUSE_MS;
    }
    return result;
}

/* What a call on the session answered; a broken one is closed. */
static int32_t answered(struct burst *b, int32_t result)
{
    if (result == CHURN_RETRY) {
        close_session(b);
    }
    return result == CHURN_OK || result == CHURN_RETRY || result == CHURN_PENDING ? result : CHURN_FATAL;
}

struct reading {
    struct customer *customer;
    churn_error *err;
    int32_t result;
};

static int32_t on_fields(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct reading *reading = ctx;
    (void)key;
    reading->result = take_fields(reading->customer, fields, count, reading->err);
    return CHURN_OK;
}

static int32_t read_customer(struct burst *b, struct customer *customer, churn_error *err)
{
    struct reading reading = {.customer = customer, .err = err, .result = CHURN_OK};
    int32_t result = ready(b, err);
    if (result == CHURN_OK) {
        result = answered(b, b->store->get(b->session, key_of(b, customer), on_fields, &reading, err));
    }
    return result == CHURN_OK ? reading.result : result;
}

/* One put with all parts that are dirty. */
static int32_t put_customer(struct burst *b, struct customer *customer, churn_error *err)
{
    churn_put put = {.size = sizeof put,
                     .key = key_of(b, customer),
                     .expected_version = customer->version,
                     .id = (uintptr_t)customer,
                     .ttl_ms = b->remember_ms};
    uint32_t parts = 0, begin;
    churn_pair *fields;
    int32_t result;
    for (const struct part *part = customer->parts; part != NULL; part = part->next) {
        parts++;
    }
    fields = calloc(parts, sizeof *fields);
    b->text.len = 0;
    for (const struct part *part = customer->parts; part != NULL && fields != NULL; part = part->next) {
        if (part->dirty) {
            begin = (uint32_t)b->text.len;
            write_part(&b->text, part);
            fields[put.count].name = churn_text(part->place);
            fields[put.count++].value.len = (uint32_t)b->text.len - begin;
        }
    }
    if (fields == NULL || b->text.failed) {
        free(fields);
        return out_of_memory(err);
    }
    begin = 0;
    for (uint32_t i = 0; i < put.count; i++) { /* the text stays where it is only now */
        fields[i].value.ptr = b->text.ptr + begin;
        begin += fields[i].value.len;
    }
    put.fields = fields;
    result = answered(b, b->store->put(b->session, &put, err));
    customer->asked = result == CHURN_OK;
    free(fields);
    return result;
}

static void set_clean(struct customer *customer)
{
    customer->dirty = 0;
    for (struct part *part = customer->parts; part != NULL; part = part->next) {
        part->dirty = 0;
    }
}

static int has_dirty_part(const struct customer *customer)
{
    const struct part *part = customer->parts;
    while (part != NULL && !part->dirty) {
        part = part->next;
    }
    return part != NULL;
}

static int32_t take_reply(const churn_put_reply *reply, churn_error *err)
{
    struct customer *customer = (struct customer *)(uintptr_t)reply->id;
    int32_t result;
    customer->asked = 0;
    switch (reply->result) {
    case CHURN_OK:
        customer->version++;
        set_clean(customer);
        return CHURN_OK;
    case CHURN_CONFLICT: /* somebody else wrote, or a put of ours whose answer was lost */
        customer->version = reply->version;
        result = take_fields(customer, reply->fields, reply->count, err);
        customer->dirty = has_dirty_part(customer);
        return result;
    case CHURN_RETRY:
        return churn_fail(err, CHURN_RETRY, "%s", reply->message);
    default:
        return churn_fail(err, CHURN_FATAL, "%s", reply->message);
    }
}

/* Puts what is dirty and was not asked; *ret_waits: some answers are due. */
static int32_t put_dirty(struct burst *b, int *ret_waits, churn_error *err)
{
    int32_t result = CHURN_OK;
    *ret_waits = 0;
    for (struct customer *customer = b->dirty; customer != NULL && result == CHURN_OK;
         customer = customer->next_dirty) {
        if (customer->dirty && !customer->asked) {
            result = put_customer(b, customer, err);
        }
        *ret_waits |= customer->dirty;
    }
    return result;
}

/* One round with the store; *ret_waits as above. */
static int32_t write_step(struct burst *b, int *ret_waits, churn_error *err)
{
    churn_put_reply replies[REPLIES];
    uint32_t count = 0;
    int32_t result = put_dirty(b, ret_waits, err);
    if (result != CHURN_OK || !*ret_waits) {
        return result;
    }
    result = answered(b, b->store->poll(b->session, replies, REPLIES, POLL_MS, &count, err));
    for (uint32_t i = 0; i < count && result == CHURN_OK; i++) {
        result = take_reply(&replies[i], err);
    }
    return result == CHURN_PENDING ? CHURN_OK : result;
}

/* What is stored leaves the list. Of puts that were not answered a conflict will tell, on another session. */
static void end_writing(struct burst *b)
{
    struct customer **link = &b->dirty;
    while (*link != NULL) {
        struct customer *customer = *link;
        if (customer->asked) {
            customer->asked = 0;
            close_session(b);
        }
        if (customer->dirty) {
            link = &customer->next_dirty;
        } else {
            *link = customer->next_dirty;
        }
    }
}

/* Stores all that is not. CHURN_OK: it is stored. */
static int32_t write_all(struct burst *b, churn_error *err)
{
    churn_error why = {.size = sizeof why, .message = "the store does not answer"};
    int64_t deadline = b->host->monotonic_ms(b->host) + PATIENCE_MS;
    int waits = b->dirty != NULL;
    int32_t result = waits ? ready(b, &why) : CHURN_OK;
    while (result == CHURN_OK && waits) {
        result = b->host->monotonic_ms(b->host) < deadline ? write_step(b, &waits, &why) : CHURN_RETRY;
    }
    end_writing(b);
    return result == CHURN_OK ? CHURN_OK : churn_fail(err, result, "%s", why.message);
}

/* Lets go of the customers used longest ago. */
static int32_t make_room(struct burst *b, churn_error *err)
{
    int32_t result = CHURN_OK;
    while (result == CHURN_OK && (int64_t)HASH_COUNT(b->table) >= b->customers) {
        struct customer *oldest = b->table;
        if (oldest->dirty) {
            result = write_all(b, err);
        } else {
            HASH_DEL(b->table, oldest);
            free_customer(oldest);
        }
    }
    return result;
}

static int32_t add_customer(struct burst *b, churn_str id, struct customer **ret, churn_error *err)
{
    struct customer *customer;
    int32_t result = make_room(b, err);
    if (result != CHURN_OK) {
        return result;
    }
    customer = calloc(1, sizeof *customer + id.len);
    if (customer == NULL) {
        return out_of_memory(err);
    }
    customer->id_len = id.len;
    memcpy(customer->id, id.ptr, id.len);
    result = read_customer(b, customer, err);
    if (result == CHURN_OK) {
        HASH_ADD(hh, b->table, id, customer->id_len, customer);
        result = customer->lost ? out_of_memory(err) : CHURN_OK;
    }
    if (result != CHURN_OK) {
        free_customer(customer);
        return result;
    }
    *ret = customer;
    return CHURN_OK;
}

/* The customer with all that is stored of it. */
static int32_t get_customer(struct burst *b, churn_str id, struct customer **ret, churn_error *err)
{
    struct customer *customer;
    HASH_FIND(hh, b->table, id.ptr, id.len, customer);
    if (customer == NULL) {
        return add_customer(b, id, ret, err);
    }
    HASH_DEL(b->table, customer); /* to the end: used just now */
    HASH_ADD(hh, b->table, id, customer->id_len, customer);
    if (customer->lost) {
        return out_of_memory(err); /* the pipeline stops; nothing of it was let go of */
    }
    *ret = customer;
    return CHURN_OK;
}

/* --- The processor --- */

static int32_t check_type(const struct burst *b, churn_error *err)
{
    const churn_event_types *types = b->host->get_extension(b->host, CHURN_EVENT_TYPES_ID);
    for (uint32_t i = 0; types != NULL && i < types->count(b->host); i++) {
        const char *name;
        (void)types->at(b->host, i, &name);
        if (strcmp(name, b->event_type) == 0) {
            return CHURN_OK;
        }
    }
    return types == NULL
               ? CHURN_OK
               : churn_fail_option(err, "event_type", "there is no event type `%s` in this pipeline", b->event_type);
}

static int32_t check_name(const struct burst *b, churn_error *err)
{
    size_t len = strlen(b->name);
    if (len < 1 || len > MAX_NAME ||
        strspn(b->name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") != len) {
        return churn_fail_option(err, "name", "must have 1 to %d letters, digits, '_', '-' and '.'", MAX_NAME);
    }
    return CHURN_OK;
}

static int32_t burst_create(void *self, const churn_host *host, churn_error *err)
{
    struct burst *b = self;
    char prefix[MAX_KEY];
    int32_t result;
    b->host = host;
    b->storage = host->get_extension(host, CHURN_STORAGE_ID);
    b->store = b->storage != NULL ? b->storage->store(host, &b->store_self) : NULL;
    if (b->store == NULL) {
        return churn_fail(err, CHURN_FATAL, "needs a store: add a section 'store:' to the pipeline");
    }
    if ((result = check_type(b, err)) != CHURN_OK || (result = check_name(b, err)) != CHURN_OK) {
        return result;
    }
    /* Beside the profiles, which have at most 255 bytes before the customer: all fits into MAX_KEY. */
    b->key_len = b->storage->profile_key(host, (churn_str){.ptr = ""}, prefix);
    b->key_len = (size_t)snprintf(b->key, sizeof b->key, KEY_BEGIN "%.*s%s\t", (int)b->key_len, prefix, b->name);
    return CHURN_OK;
}

static int32_t raise_alert(const struct burst *b, const churn_event *event, churn_edit *edit, churn_error *err)
{
    char window[32], message[512];
    int len;
    format_duration(b->window_ms, window);
    len = snprintf(message, sizeof message, "Customer %.*s has had %" PRId64 " %s events within %s",
                   (int)event->customer_id.len, event->customer_id.ptr, b->count, b->event_type, window);
    len = len < (int)sizeof message ? len : (int)sizeof message - 1;
    return edit->alert(edit, (uint32_t)b->severity + CHURN_SEVERITY_INFO, b->name,
                       (churn_str){.ptr = message, .len = (uint32_t)len}, err);
}

static void mark_dirty(struct burst *b, struct customer *customer)
{
    if (!customer->dirty) {
        customer->dirty = 1;
        customer->next_dirty = b->dirty;
        b->dirty = customer;
    }
}

static int32_t burst_transform(void *self, const churn_event *event, churn_edit *edit, churn_error *err)
{
    struct burst *b = self;
    struct customer *customer = NULL;
    struct part *part;
    char place[300];
    int alerts, len;
    int32_t result;
    if (!churn_equal(event->event_type, churn_text(b->event_type))) {
        return CHURN_OK;
    }
    result = get_customer(b, event->customer_id, &customer, err);
    if (result != CHURN_OK) {
        return result;
    }
    len = snprintf(place, sizeof place, "%.*s/%" PRId32, (int)event->topic.len, event->topic.ptr, event->partition);
    if (len >= (int)sizeof place) {
        return churn_fail(err, CHURN_FATAL, "the name of the topic is too long");
    }
    part = part_of(customer, (churn_str){.ptr = place, .len = (uint32_t)len});
    if (part == NULL) {
        return out_of_memory(err);
    }
    if (event->offset < part->end) {
        alerts = has_alerted(part, event->offset);
    } else if (take_event(b, part, event->offset, event->timestamp_ms, &alerts)) {
        mark_dirty(b, customer);
    } else {
        return out_of_memory(err);
    }
    return alerts ? raise_alert(b, event, edit, err) : CHURN_OK;
}

static int32_t burst_checkpoint(void *self, churn_error *err)
{
    return write_all(self, err);
}

static void burst_forget(void *self)
{
    forget_all(self);
}

static void burst_stop(void *self)
{
    struct burst *b = self;
    forget_all(b);
    close_session(b);
}

static void burst_destroy(void *self)
{
    struct burst *b = self;
    burst_stop(b);
    free(b->text.ptr);
}

/* For hosts that do not know transform. */
static int32_t burst_process(void *self, const churn_event *event, churn_error *err)
{
    (void)self;
    (void)event;
    return churn_fail(err, CHURN_FATAL, "needs a host of ABI 1.2, which lets processors change events");
}

static const churn_processor_ops ops = {
    .size = sizeof(churn_processor_ops),
    .create = burst_create,
    .stop = burst_stop,
    .destroy = burst_destroy,
    .process = burst_process,
    .transform = burst_transform,
    .checkpoint = burst_checkpoint,
    .forget = burst_forget,
};

CHURN_PLUGIN(.kind = CHURN_KIND_PROCESSOR, .name = "burst", .version = "1.0.0",
             .summary = "Raises an alert for many events of a customer within a window",
             CHURN_OPTIONS(options, struct burst), .ops = &ops);
