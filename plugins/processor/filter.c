/*
 * Keeps the events that meet every condition and leaves out the rest.
 *
 * This file is also the model for a processor of your own. Its parts, in their order:
 *   1. the instance: what one worker's processor remembers, its options first;
 *   2. the option table: the host reads YAML by it, so that no plugin parses anything;
 *   3. create: checks options against each other and prepares what `process` needs, without I/O;
 *   4. process: the verdict on one event. It runs for every event, so nothing is allocated here. The same event must
 * get the same verdict whenever it comes again: no clock, no random number, no memory of earlier events;
 *   5. destroy: gives back what create took;
 *   6. the entry, by which the host finds all this.
 * The host never calls two functions of one instance at the same time, so no lock is needed.
 */
#include <churn/ext/event_types.h>
#include <churn/plugin.h>
#include <churn/processor.h>

#include <churn/time.h>

#include <stdlib.h>

/* --- 1. The instance --- */

/* Texts in an order that makes a look-up a few comparisons, however long the list is. */
struct text_set {
    churn_str *items;
    uint32_t count;
};

struct filter {
    churn_list event_types; /* options, filled in by the host before create */
    churn_list drop_event_types;
    churn_list customers;
    const char *customer_prefix;
    const char *from;
    const char *until;

    struct text_set kept_types; /* made by create */
    struct text_set dropped_types;
    struct text_set kept_customers;
    uint32_t prefix_len;
    int64_t from_ms;
    int64_t until_ms;
};

/* --- 2. The options --- */

static const churn_option options[] = {
    {"event_types", .type = CHURN_OPTION_LIST, .offset = offsetof(struct filter, event_types),
     .help = "Keep only events of these types."},
    {"drop_event_types", .type = CHURN_OPTION_LIST, .offset = offsetof(struct filter, drop_event_types),
     .help = "Leave out events of these types."},
    {"customers", .type = CHURN_OPTION_LIST, .offset = offsetof(struct filter, customers),
     .help = "Keep only events of these customers."},
    {"customer_prefix", .type = CHURN_OPTION_STRING, .default_text = "",
     .offset = offsetof(struct filter, customer_prefix),
     .help = "Keep only events of customers whose customer_id begins so."},
    {"from", .type = CHURN_OPTION_STRING, .default_text = "", .offset = offsetof(struct filter, from),
     .help = "Keep only events of this time and later, such as 2026-01-01T00:00:00Z (event time, RFC 3339)."},
    {"until", .type = CHURN_OPTION_STRING, .default_text = "", .offset = offsetof(struct filter, until),
     .help = "Keep only events before this time."},
};

/* --- 3. create --- */

/* Shorter texts first: most comparisons end at the length. */
static int compare(const void *a, const void *b)
{
    const churn_str *x = a, *y = b;
    if (x->len != y->len) {
        return x->len < y->len ? -1 : 1;
    }
    return memcmp(x->ptr, y->ptr, x->len);
}

static int32_t make_set(struct text_set *set, const churn_list *list, churn_error *err)
{
    if (list->count == 0) {
        return CHURN_OK;
    }
    set->items = calloc(list->count, sizeof *set->items);
    if (set->items == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    set->count = list->count;
    for (uint32_t i = 0; i < list->count; i++) {
        set->items[i] = churn_text(list->items[i]);
    }
    qsort(set->items, set->count, sizeof *set->items, compare);
    return CHURN_OK;
}

static int has(const struct text_set *set, churn_str text)
{
    return bsearch(&text, set->items, set->count, sizeof *set->items, compare) != NULL;
}

/* A misspelt event type would silently keep or drop nothing. churn_fail_option makes the host name the option's line.
 */
static int32_t check_types(const churn_host *host, const char *option, const churn_list *names, churn_error *err)
{
    const churn_event_types *loaded = host->get_extension(host, CHURN_EVENT_TYPES_ID);
    for (uint32_t i = 0; i < names->count && loaded != NULL; i++) {
        uint32_t at = 0, count = loaded->count(host);
        const char *name = NULL;
        while (at < count && (loaded->at(host, at, &name) == NULL || strcmp(name, names->items[i]) != 0)) {
            at++;
        }
        if (at == count) {
            return churn_fail_option(err, option, "there is no event type `%s` in this pipeline", names->items[i]);
        }
    }
    return CHURN_OK;
}

static int32_t read_time(const char *option, const char *text, int64_t none, int64_t *ret_ms, churn_error *err)
{
    *ret_ms = none;
    if (text[0] != '\0' && !churn_time_parse(text, strlen(text), ret_ms)) {
        return churn_fail_option(err, option, "`%s` is no time such as 2026-01-01T00:00:00Z", text);
    }
    return CHURN_OK;
}

static int32_t check_options(struct filter *f, const churn_host *host, churn_error *err)
{
    int32_t result;
    if (f->event_types.count > 0 && f->drop_event_types.count > 0) {
        return churn_fail_option(err, "drop_event_types", "cannot be used together with `event_types`");
    }
    if ((result = check_types(host, "event_types", &f->event_types, err)) != CHURN_OK ||
        (result = check_types(host, "drop_event_types", &f->drop_event_types, err)) != CHURN_OK ||
        (result = read_time("from", f->from, INT64_MIN, &f->from_ms, err)) != CHURN_OK ||
        (result = read_time("until", f->until, INT64_MAX, &f->until_ms, err)) != CHURN_OK) {
        return result;
    }
    if (f->from_ms >= f->until_ms) {
        return churn_fail_option(err, "until", "must be later than `from`");
    }
    f->prefix_len = (uint32_t)strlen(f->customer_prefix);
    return CHURN_OK;
}

static void filter_destroy(void *self);

static int32_t filter_create(void *self, const churn_host *host, churn_error *err)
{
    struct filter *f = self;
    int32_t result = check_options(f, host, err);
    if (result != CHURN_OK) {
        return result;
    }
    if ((result = make_set(&f->kept_types, &f->event_types, err)) != CHURN_OK ||
        (result = make_set(&f->dropped_types, &f->drop_event_types, err)) != CHURN_OK ||
        (result = make_set(&f->kept_customers, &f->customers, err)) != CHURN_OK) {
        filter_destroy(f); /* after a create that failed the host calls nothing else */
    }
    return result;
}

/* --- 4. process --- */

static int32_t filter_process(void *self, const churn_event *event, churn_error *err)
{
    const struct filter *f = self;
    churn_str customer = event->customer_id;
    (void)err; /* only CHURN_REJECT and CHURN_FATAL need a message */
    if (event->timestamp_ms < f->from_ms || event->timestamp_ms >= f->until_ms) {
        return CHURN_DROP;
    }
    if (customer.len < f->prefix_len || memcmp(customer.ptr, f->customer_prefix, f->prefix_len) != 0) {
        return CHURN_DROP;
    }
    if (f->kept_types.count > 0 && !has(&f->kept_types, event->event_type)) {
        return CHURN_DROP;
    }
    if (f->dropped_types.count > 0 && has(&f->dropped_types, event->event_type)) {
        return CHURN_DROP;
    }
    if (f->kept_customers.count > 0 && !has(&f->kept_customers, customer)) {
        return CHURN_DROP;
    }
    return CHURN_OK;
}

/* --- 5. destroy --- */

static void filter_destroy(void *self)
{
    struct filter *f = self;
    free(f->kept_types.items);
    free(f->dropped_types.items);
    free(f->kept_customers.items);
}

/* --- 6. The entry --- */

static const churn_processor_ops ops = {
    .size = sizeof(churn_processor_ops),
    .create = filter_create,
    .process = filter_process,
    .destroy = filter_destroy,
};

static const churn_needs needs = {.size = sizeof needs};

CHURN_PLUGIN(.kind = CHURN_KIND_PROCESSOR, .name = "filter", .version = "1.0.0",
             .summary = "Keeps or leaves out events by type, customer and time", CHURN_OPTIONS(options, struct filter),
             .ops = &ops, .needs = &needs);
