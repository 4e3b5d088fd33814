/* The generator through the ABI, with the real event types: the same options give the same bytes, good events are valid
 * by the contract, bad ones are not, customers are as unequal as asked. */
#define _GNU_SOURCE /* memmem, timegm */
#include "cunit_main.h"
#include "fake_host.h"
#include "strict_json.h"

#include <churn/source.h>
#include <json-c/json.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#define MAX 777
#define START "2026-01-01T00:00:00Z"
#define START_MS INT64_C(1767225600000)

static const churn_plugin *plugin;
static const churn_source_ops *ops;
static struct fake_host fake;
static churn_error err;
static const char *const type_names[] = {
    "cart_abandoned",   "email_clicked",    "email_opened",           "login",
    "order_cancelled",  "order_placed",     "payment_failed",         "product_viewed",
    "refund_requested", "review_submitted", "subscription_cancelled", "support_ticket_created"};
#define TYPES (sizeof type_names / sizeof type_names[0])
static const churn_event_type *types[TYPES];

/* --- Set-up --- */

static void use_types(const churn_event_type *const *tables, const char *const *names, uint32_t count)
{
    fake_host_init(&fake);
    for (uint32_t i = 0; i < count; i++) {
        fake.types[i] = tables[i];
        fake.type_names[i] = names[i];
    }
    fake.type_count = count;
    err = (churn_error){.size = sizeof err};
}

static unsigned assigned;
static char topic[128];

static void on_assigned(void *ctx, const churn_position *positions, uint32_t count)
{
    (void)ctx;
    assigned += count;
    CU_ASSERT_EQUAL(positions->offset, 0);
    CU_ASSERT_EQUAL(positions->partition, (int32_t)fake.host.worker);
    (void)snprintf(topic, sizeof topic, "%s", positions->topic);
}

static void start(void *source)
{
    churn_source_listener listener = {.size = sizeof listener, .assigned = on_assigned};
    int32_t result = ops->create(source, &fake.host, &err);
    if (result != CHURN_OK) {
        (void)fprintf(stderr, "%s\n", err.message);
    }
    CU_ASSERT_EQUAL_FATAL(result, CHURN_OK);
    CU_ASSERT_EQUAL_FATAL(ops->start(source, &listener, &err), CHURN_OK);
    assigned = 0;
}

static void end(void *source)
{
    ops->stop(source);
    ops->destroy(source);
    fake_instance_free(plugin, source);
}

/* All events of one worker, each copied to texts[] in the order in which a single worker would make them. */
static unsigned collect(void *source, char **texts, unsigned room)
{
    churn_record records[MAX];
    uint32_t count;
    unsigned made = 0;
    int32_t result;
    start(source);
    while ((result = ops->poll(source, records, MAX, 0, &count, &err)) == CHURN_OK) {
        for (uint32_t i = 0; i < count; i++, made++) {
            size_t index = fake.host.worker + (size_t)records[i].offset * fake.host.worker_count;
            CU_ASSERT_FATAL(index < room && texts[index] == NULL);
            texts[index] = strndup(records[i].value.ptr, records[i].value.len);
            CU_ASSERT_EQUAL(records[i].offset, (int64_t)made);
        }
    }
    CU_ASSERT_EQUAL(result, CHURN_END);
    CU_ASSERT_EQUAL(assigned, 1);
    end(source);
    return made;
}

static void free_texts(char **texts, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        free(texts[i]);
        texts[i] = NULL;
    }
}

/* --- The contract, once more --- */

static bool plain_utf8(const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)text[i];
        size_t more = c < 0x80 ? 0 : c >= 0xc2 && c < 0xe0 ? 1 : (c & 0xf0) == 0xe0 ? 2 : (c & 0xf8) == 0xf0 ? 3 : 9;
        if (more == 9 || i + more >= len || c < 0x20) {
            return false;
        }
        while (more-- > 0) {
            i++;
            if (((unsigned char)text[i] & 0xc0) != 0x80) {
                return false;
            }
        }
        i++;
    }
    return true;
}

static bool is_id(json_object *value)
{
    const char *text = json_object_get_string(value);
    int len = json_object_get_string_len(value);
    bool ok = json_object_is_type(value, json_type_string) && len >= 1 && len <= 128;
    for (int i = 0; i < len && ok; i++) {
        ok = (unsigned char)text[i] >= 0x20;
    }
    return ok;
}

static bool is_time(json_object *value)
{
    struct tm t = {0}, again;
    int ms = -1, used = 0;
    time_t seconds;
    if (!json_object_is_type(value, json_type_string) ||
        sscanf(json_object_get_string(value), "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &t.tm_year, &t.tm_mon, &t.tm_mday,
               &t.tm_hour, &t.tm_min, &t.tm_sec, &ms, &used) != 7 ||
        used != 24 || json_object_get_string_len(value) != 24) {
        return false;
    }
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    again = t;
    seconds = timegm(&again);
    return seconds != -1 && again.tm_mday == t.tm_mday && again.tm_mon == t.tm_mon && again.tm_hour == t.tm_hour;
}

static bool is_money(json_object *value)
{
    bool number = json_object_is_type(value, json_type_double) || json_object_is_type(value, json_type_int);
    return number && json_object_get_double(value) >= 0 && json_object_get_double(value) < 1e12;
}

static bool is_choice(const churn_field *field, const char *text)
{
    bool found = field->choices == NULL;
    for (const char *const *c = field->choices; c != NULL && *c != NULL; c++) {
        found = found || strcmp(*c, text) == 0;
    }
    return found;
}

static bool is_int(const churn_field *field, json_object *value)
{
    const char *text = json_object_to_json_string(value);
    int64_t n = json_object_get_int64(value);
    char again[32];
    (void)snprintf(again, sizeof again, "%jd", (intmax_t)n);
    return json_object_is_type(value, json_type_int) && strcmp(text, again) == 0 && n >= field->min && n <= field->max;
}

static bool field_holds(const churn_field *field, json_object *data)
{
    json_object *value;
    if (!json_object_object_get_ex(data, field->name, &value)) {
        return (field->flags & CHURN_FIELD_REQUIRED) == 0;
    }
    switch (field->type) {
    case CHURN_FIELD_STRING:
        return json_object_is_type(value, json_type_string) && is_choice(field, json_object_get_string(value));
    case CHURN_FIELD_INT:
        return is_int(field, value);
    case CHURN_FIELD_MONEY:
        return is_money(value);
    case CHURN_FIELD_BOOL:
        return json_object_is_type(value, json_type_boolean);
    default:
        return is_time(value);
    }
}

static const churn_event_type *type_of(json_object *event)
{
    json_object *name;
    if (json_object_object_get_ex(event, "event_type", &name) && json_object_is_type(name, json_type_string)) {
        for (uint32_t i = 0; i < fake.type_count; i++) {
            if (strcmp(fake.type_names[i], json_object_get_string(name)) == 0) {
                return fake.types[i];
            }
        }
    }
    return NULL;
}

static bool event_holds(json_object *event)
{
    const churn_event_type *type = type_of(event);
    json_object *id, *customer, *timestamp, *data;
    bool ok = type != NULL && json_object_object_get_ex(event, "event_id", &id) && is_id(id) &&
              json_object_object_get_ex(event, "customer_id", &customer) && is_id(customer) &&
              json_object_object_get_ex(event, "timestamp", &timestamp) && is_time(timestamp) &&
              json_object_object_get_ex(event, "data", &data) && json_object_is_type(data, json_type_object);
    for (uint32_t i = 0; ok && i < type->field_count; i++) {
        ok = field_holds(&type->fields[i], data);
    }
    return ok;
}

/* The parsed event when it is valid, else NULL. The caller puts it. */
static json_object *valid_event(const churn_record *record)
{
    json_object *event = NULL;
    if (plain_utf8(record->value.ptr, record->value.len) &&
        memmem(record->value.ptr, record->value.len, "\\ud83d\"", 7) == NULL) {
        event = strict_json_parse(record->value.ptr, record->value.len, 64);
    }
    if (!json_object_is_type(event, json_type_object) || !event_holds(event)) {
        json_object_put(event);
        return NULL;
    }
    return event;
}

/* --- Tests --- */

static void the_same_options_give_the_same_bytes(void)
{
    enum { N = 20000 };
    static char *first[N], *second[N], *other[N];
    unsigned same = 0;
    for (unsigned run = 0; run < 3; run++) {
        use_types(types, type_names, TYPES);
        CU_ASSERT_EQUAL(collect(fake_instance_new(plugin, "events", "20000", "start_time", START, "bad_share", "0.1",
                                                  "seed", run == 2 ? "8" : "7", NULL),
                                run == 0   ? first
                                : run == 1 ? second
                                           : other,
                                N),
                        N);
    }
    for (unsigned i = 0; i < N; i++) {
        CU_ASSERT_FATAL(strcmp(first[i], second[i]) == 0);
        same += strcmp(first[i], other[i]) == 0;
    }
    CU_ASSERT(same < N / 20);
    free_texts(first, N);
    free_texts(second, N);
    free_texts(other, N);
}

static void workers_share_the_same_events(void)
{
    enum { N = 10001 };
    static char *alone[N], *shared[N];
    unsigned made = 0;
    use_types(types, type_names, TYPES);
    (void)collect(fake_instance_new(plugin, "events", "10001", "start_time", START, NULL), alone, N);
    for (uint32_t worker = 0; worker < 3; worker++) {
        use_types(types, type_names, TYPES);
        fake.host.worker = worker;
        fake.host.worker_count = 3;
        made += collect(fake_instance_new(plugin, "events", "10001", "start_time", START, NULL), shared, N);
    }
    CU_ASSERT_EQUAL(made, N);
    for (unsigned i = 0; i < N; i++) {
        CU_ASSERT_FATAL(strcmp(alone[i], shared[i]) == 0);
    }
    free_texts(alone, N);
    free_texts(shared, N);
}

/* Other events must not come under the positions of these. */
static void topics_tell_generators_apart(void)
{
    static const char *const variants[][2] = {{"events", "5"},
                                              {"rate", "100"},
                                              {"customers", "999"},
                                              {"zipf", "0.5"},
                                              {"seed", "2"},
                                              {"time_step", "2s"},
                                              {"bad_share", "0.01"},
                                              {"types", "login"},
                                              {"customer_prefix", "x"},
                                              {"start_time", "2026-01-01T00:00:01Z"}};
    char plain[128];
    churn_record record;
    uint32_t count;
    for (size_t i = 0; i <= sizeof variants / sizeof variants[0]; i++) {
        void *source;
        use_types(types, type_names, TYPES);
        source = i == 0 ? fake_instance_new(plugin, "start_time", START, NULL)
                        : fake_instance_new(plugin, "start_time", START, variants[i - 1][0], variants[i - 1][1], NULL);
        start(source);
        CU_ASSERT_EQUAL(ops->poll(source, &record, 1, 0, &count, &err), CHURN_OK);
        CU_ASSERT_STRING_EQUAL(record.topic, topic);
        if (i == 0) {
            (void)snprintf(plain, sizeof plain, "%s", topic);
            CU_ASSERT_EQUAL(strncmp(plain, "generate/1/1767225600000/", 25), 0);
        } else {
            CU_ASSERT_EQUAL(strcmp(plain, topic) == 0, i <= 2);
        }
        end(source);
    }
}

static void good_events_are_valid(void)
{
    churn_record records[MAX];
    uint32_t count, seen = 0, optional = 0, orders = 0;
    unsigned of_type[TYPES] = {0};
    void *source;
    use_types(types, type_names, TYPES);
    source = fake_instance_new(plugin, "events", "30000", "start_time", START, "time_step", "1s", "customer_prefix",
                               "k\"ü\\_", NULL);
    start(source);
    while (ops->poll(source, records, MAX, 0, &count, &err) == CHURN_OK) {
        for (uint32_t i = 0; i < count; i++, seen++) {
            json_object *event = valid_event(&records[i]), *value, *data;
            CU_ASSERT_PTR_NOT_NULL_FATAL(event);
            (void)json_object_object_get_ex(event, "customer_id", &value);
            CU_ASSERT_EQUAL((uint32_t)json_object_get_string_len(value), records[i].key.len);
            CU_ASSERT_EQUAL(memcmp(json_object_get_string(value), records[i].key.ptr, records[i].key.len), 0);
            CU_ASSERT(records[i].timestamp_ms >= START_MS + seen * INT64_C(1000));
            CU_ASSERT(records[i].timestamp_ms < START_MS + (seen + 1) * INT64_C(1000));
            for (size_t t = 0; t < TYPES; t++) {
                of_type[t] += type_of(event) == types[t];
            }
            (void)json_object_object_get_ex(event, "event_type", &value);
            (void)json_object_object_get_ex(event, "data", &data);
            if (strcmp(json_object_get_string(value), "order_cancelled") == 0) {
                orders++;
                optional += json_object_object_get_ex(data, "reason", NULL);
            }
            json_object_put(event);
        }
    }
    CU_ASSERT_EQUAL(seen, 30000);
    for (size_t t = 0; t < TYPES; t++) {
        CU_ASSERT(of_type[t] > 0);
    }
    CU_ASSERT(orders > 50 && optional * 10 > orders * 6 && optional * 10 < orders * 8);
    end(source);
}

static void shares_follow_the_weights(void)
{
    churn_record records[MAX];
    uint32_t count, total = 0;
    unsigned of_type[TYPES] = {0};
    void *source;
    use_types(types, type_names, TYPES);
    source = fake_instance_new(plugin, "events", "50000", NULL);
    for (size_t t = 0; t < TYPES; t++) {
        total += types[t]->sample_weight;
    }
    start(source);
    while (ops->poll(source, records, MAX, 0, &count, &err) == CHURN_OK) {
        for (uint32_t i = 0; i < count; i++) {
            json_object *event = valid_event(&records[i]);
            for (size_t t = 0; t < TYPES; t++) {
                of_type[t] += type_of(event) == types[t];
            }
            json_object_put(event);
        }
    }
    for (size_t t = 0; t < TYPES; t++) {
        double expected = 50000.0 * types[t]->sample_weight / total;
        CU_ASSERT(fabs(of_type[t] - expected) < 6 * sqrt(expected));
    }
    end(source);
}

static void bad_events_are_bad(void)
{
    churn_record records[MAX];
    uint32_t count, seen = 0, bad = 0;
    void *source;
    use_types(types, type_names, TYPES);
    source = fake_instance_new(plugin, "events", "40000", "bad_share", "0.25", NULL);
    start(source);
    while (ops->poll(source, records, MAX, 0, &count, &err) == CHURN_OK) {
        for (uint32_t i = 0; i < count; i++, seen++) {
            json_object *event = valid_event(&records[i]);
            bad += event == NULL;
            CU_ASSERT(records[i].key.len > 0);
            json_object_put(event);
        }
    }
    CU_ASSERT_EQUAL(seen, 40000);
    CU_ASSERT(bad > 9500 && bad < 10500); /* 10,000 ± 5.8 standard deviations */
    end(source);

    use_types(types, type_names, TYPES);
    source = fake_instance_new(plugin, "events", "20000", "bad_share", "1", NULL);
    start(source);
    while (ops->poll(source, records, MAX, 0, &count, &err) == CHURN_OK) {
        for (uint32_t i = 0; i < count; i++) {
            json_object *event = valid_event(&records[i]);
            if (event != NULL) {
                (void)fprintf(stderr, "%.*s\n", (int)records[i].value.len, records[i].value.ptr);
                CU_FAIL_FATAL("an event that should be bad is valid");
            }
        }
    }
    end(source);
}

/* Every kind of field, and tables that say as little as they may. */
static void any_table_will_do(void)
{
    static const char *const choices[] = {"a\"b", "c#", NULL}, *const samples[] = {"x#\\#", NULL};
    static const churn_field fields[] = {
        {"choice", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_REQUIRED, .choices = choices},
        {"sample", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_REQUIRED, .samples = samples},
        {"gift_id", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_REQUIRED},
        {"any", .type = CHURN_FIELD_INT, .flags = CHURN_FIELD_REQUIRED, .min = INT64_MIN, .max = INT64_MAX},
        {"negative", .type = CHURN_FIELD_INT, .flags = CHURN_FIELD_REQUIRED, .min = -5, .max = -3},
        {"high", .type = CHURN_FIELD_INT, .flags = CHURN_FIELD_REQUIRED, .min = INT64_MAX - 1, .max = INT64_MAX},
        {"wide", .type = CHURN_FIELD_INT, .flags = CHURN_FIELD_REQUIRED, .min = INT64_MIN, .max = INT64_MAX,
         .sample_min = INT64_MIN, .sample_max = INT64_MAX},
        {"clipped", .type = CHURN_FIELD_INT, .flags = CHURN_FIELD_REQUIRED, .min = 1, .max = 2, .sample_min = -9,
         .sample_max = 9},
        {"money", .type = CHURN_FIELD_MONEY, .flags = CHURN_FIELD_REQUIRED},
        {"small", .type = CHURN_FIELD_MONEY, .flags = CHURN_FIELD_REQUIRED, .sample_min = 1, .sample_max = 9},
        {"flag", .type = CHURN_FIELD_BOOL, .flags = CHURN_FIELD_REQUIRED},
        {"when", .type = CHURN_FIELD_TIME, .flags = CHURN_FIELD_REQUIRED},
    };
    static const churn_event_type gift = {.size = sizeof gift,
                                          .field_stride = sizeof(churn_field),
                                          .fields = fields,
                                          .field_count = sizeof fields / sizeof fields[0],
                                          .sample_weight = 1},
                                  bare = {.size = sizeof bare, .field_stride = sizeof(churn_field)};
    const churn_event_type *const tables[] = {&bare, &gift};
    static const char *const names[] = {"bare", "gift"};
    churn_record records[MAX];
    uint32_t count, seen = 0;
    for (unsigned bad = 0; bad < 2; bad++) {
        void *source;
        use_types(tables, names, 2);
        source = fake_instance_new(plugin, "events", "5000", "types", "bare,gift", "bad_share", bad ? "1" : "0",
                                   "time_step", bad ? "0s" : "1s", NULL);
        start(source);
        while (ops->poll(source, records, MAX, 0, &count, &err) == CHURN_OK) {
            for (uint32_t i = 0; i < count; i++, seen++) {
                json_object *event = valid_event(&records[i]), *value;
                if ((event == NULL) != (bad == 1)) {
                    (void)fprintf(stderr, "%.*s\n", (int)records[i].value.len, records[i].value.ptr);
                }
                CU_ASSERT_EQUAL_FATAL(event == NULL, bad == 1);
                if (event != NULL && type_of(event) == &gift) {
                    (void)json_object_object_get_ex(event, "data", &value);
                    (void)json_object_object_get_ex(value, "sample", &value);
                    CU_ASSERT_EQUAL(strspn(json_object_get_string(value) + 1, "0123456789"), 1);
                }
                json_object_put(event);
            }
        }
        end(source);
    }
    CU_ASSERT_EQUAL(seen, 10000);
}

/* Counts of the ten most active customers; returns how many customers there were. */
static unsigned count_customers(const char *zipf, unsigned *counts, unsigned customers)
{
    churn_record records[MAX];
    uint32_t count;
    unsigned different = 0;
    void *source;
    use_types(types, type_names, TYPES);
    source = fake_instance_new(plugin, "events", "200000", "customers", "100", "zipf", zipf, NULL);
    start(source);
    memset(counts, 0, customers * sizeof *counts);
    while (ops->poll(source, records, MAX, 0, &count, &err) == CHURN_OK) {
        for (uint32_t i = 0; i < count; i++) {
            unsigned number = 0;
            CU_ASSERT_EQUAL(sscanf(records[i].key.ptr, "cust_%6u", &number), 1);
            CU_ASSERT_FATAL(number >= 1 && number <= customers);
            different += counts[number - 1]++ == 0;
        }
    }
    end(source);
    return different;
}

static void customers_are_as_unequal_as_asked(void)
{
    static const double exponents[] = {0, 0.5, 1, 1.5, 3};
    static const char *const texts[] = {"0", "0.5", "1.0", "1.5", "3"};
    unsigned counts[100];
    for (size_t e = 0; e < sizeof exponents / sizeof exponents[0]; e++) {
        double sum = 0;
        unsigned different = count_customers(texts[e], counts, 100);
        for (unsigned r = 1; r <= 100; r++) {
            sum += pow(r, -exponents[e]);
        }
        CU_ASSERT(different == 100 || exponents[e] > 1);
        for (unsigned r = 1; r <= 100; r++) {
            double expected = 200000 * pow(r, -exponents[e]) / sum;
            CU_ASSERT(fabs(counts[r - 1] - expected) < 6 * sqrt(expected) + 3);
        }
    }
}

static void keeps_to_its_rate(void)
{
    churn_record records[MAX];
    uint32_t count, made = 0;
    int64_t began;
    int32_t result;
    void *source;
    use_types(types, type_names, TYPES);
    source = fake_instance_new(plugin, "events", "1000", "rate", "2000", NULL);
    start(source);
    began = fake.host.monotonic_ms(&fake.host);
    while ((result = ops->poll(source, records, MAX, 50, &count, &err)) != CHURN_END) {
        int64_t elapsed = fake.host.monotonic_ms(&fake.host) - began;
        CU_ASSERT_FATAL(result == CHURN_OK || result == CHURN_PENDING);
        made += count;
        CU_ASSERT(made <= (uint32_t)(elapsed + 2) * 2 + 1);
    }
    CU_ASSERT_EQUAL(made, 1000);
    CU_ASSERT(fake.host.monotonic_ms(&fake.host) - began >= 499);
    end(source);
}

static void positions_can_be_sought(void)
{
    churn_record records[4];
    churn_position position = {.topic = topic, .offset = 90};
    churn_lag lag = {.size = sizeof lag};
    char *text;
    uint32_t count;
    void *source;
    use_types(types, type_names, TYPES);
    source = fake_instance_new(plugin, "events", "100", NULL);
    start(source);
    CU_ASSERT_EQUAL(ops->poll(source, records, 0, 0, &count, &err), CHURN_PENDING);
    CU_ASSERT_EQUAL(assigned, 1);
    ops->lag(source, &lag);
    CU_ASSERT_EQUAL(lag.messages, 100);
    CU_ASSERT_EQUAL(ops->seek(source, &position, &err), CHURN_OK);
    CU_ASSERT_EQUAL(ops->poll(source, records, 2, 0, &count, &err), CHURN_OK);
    CU_ASSERT_EQUAL(records[0].offset, 90);
    text = strndup(records[1].value.ptr, records[1].value.len);
    position.offset = 91;
    CU_ASSERT_EQUAL(ops->seek(source, &position, &err), CHURN_OK);
    CU_ASSERT_EQUAL(ops->poll(source, records, 1, 0, &count, &err), CHURN_OK);
    CU_ASSERT_EQUAL(records[0].value.len, strlen(text));
    CU_ASSERT_NSTRING_EQUAL(records[0].value.ptr, text, records[0].value.len);
    free(text);
    ops->lag(source, &lag);
    CU_ASSERT_EQUAL(lag.messages, 8);
    CU_ASSERT_EQUAL(lag.total, 100);
    position.offset = 1000;
    CU_ASSERT_EQUAL(ops->seek(source, &position, &err), CHURN_OK);
    CU_ASSERT_EQUAL(ops->poll(source, records, 1, 0, &count, &err), CHURN_END);
    ops->lag(source, &lag);
    CU_ASSERT_EQUAL(lag.messages, 0);
    end(source);

    use_types(types, type_names, TYPES);
    source = fake_instance_new(plugin, NULL);
    start(source);
    ops->lag(source, &lag);
    CU_ASSERT_EQUAL(lag.messages, -1);
    CU_ASSERT_EQUAL(lag.total, -1);
    end(source);
}

static void more_workers_than_events(void)
{
    churn_record record;
    uint32_t count;
    void *source;
    use_types(types, type_names, TYPES);
    fake.host.worker = 3;
    fake.host.worker_count = 4;
    source = fake_instance_new(plugin, "events", "3", NULL);
    start(source);
    CU_ASSERT_EQUAL(ops->poll(source, &record, 1, 0, &count, &err), CHURN_END);
    end(source);
}

static void refused(const char *key, const char *value, const char *key2, const char *value2, const char *option)
{
    void *source = fake_instance_new(plugin, key, value, key2, value2, NULL);
    CU_ASSERT_EQUAL(ops->create(source, &fake.host, &err), CHURN_FATAL);
    CU_ASSERT_STRING_EQUAL(err.option, option);
    fake_instance_free(plugin, source);
}

static void bad_options_are_refused(void)
{
    static const char long_prefix[] =
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901";
    use_types(types, type_names, TYPES);
    refused("start_time", "tomorrow", NULL, NULL, "start_time");
    refused("types", "login,logim", NULL, NULL, "types");
    refused("customer_prefix", "a\nb", NULL, NULL, "customer_prefix");
    refused("customer_prefix", "\xff", NULL, NULL, "customer_prefix");
    refused("customer_prefix", "\xc2\x85", NULL, NULL, "customer_prefix");
    refused("customer_prefix", long_prefix, NULL, NULL, "customer_prefix");
    refused("events", "9000000000", "time_step", "1h", "events");
    fake.host.until_end = 1;
    refused(NULL, NULL, NULL, NULL, "events");
    use_types(NULL, NULL, 0);
    refused(NULL, NULL, NULL, NULL, "types");
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(the_same_options_give_the_same_bytes),
                           TEST(workers_share_the_same_events),
                           TEST(topics_tell_generators_apart),
                           TEST(good_events_are_valid),
                           TEST(shares_follow_the_weights),
                           TEST(bad_events_are_bad),
                           TEST(any_table_will_do),
                           TEST(customers_are_as_unequal_as_asked),
                           TEST(keeps_to_its_rate),
                           TEST(positions_can_be_sought),
                           TEST(more_workers_than_events),
                           TEST(bad_options_are_refused),
                           CU_TEST_INFO_NULL};
    plugin = fake_plugin_load("source", "generate");
    ops = plugin->ops;
    for (size_t i = 0; i < TYPES; i++) {
        types[i] = fake_plugin_load("event", type_names[i])->ops;
    }
    return run_tests("source/generate", tests);
}
