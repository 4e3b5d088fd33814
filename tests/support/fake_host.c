#include "fake_host.h"

#include <churn/ext/event_types.h>
#include <churn/ext/health.h>
#include <churn/ext/metrics.h>
#include <churn/ext/storage.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static int64_t clock_ms(clockid_t id)
{
    struct timespec t;
    (void)clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void fake_log(const churn_host *host, int32_t level, const char *message)
{
    struct fake_host *fake = host->ctx;
    fake->last_level = level;
    fake->log_lines++;
    (void)snprintf(fake->last_log, sizeof fake->last_log, "%s", message);
    if (getenv("TEST_VERBOSE") != NULL) {
        (void)fprintf(stderr, "log %d: %s\n", level, message);
    }
}

static int32_t fake_log_enabled(const churn_host *host, int32_t level)
{
    (void)host;
    (void)level;
    return 1;
}

static int64_t fake_now_ms(const churn_host *host)
{
    struct fake_host *fake = host->ctx;
    return fake->clock_ms != 0 ? fake->clock_ms : clock_ms(CLOCK_REALTIME);
}

static int64_t fake_monotonic_ms(const churn_host *host)
{
    struct fake_host *fake = host->ctx;
    return fake->monotonic_ms != 0 ? fake->monotonic_ms : clock_ms(CLOCK_MONOTONIC);
}

static churn_counter *fake_counter(const churn_host *host, const char *name)
{
    struct fake_host *fake = host->ctx;
    for (unsigned i = 0; i < FAKE_HOST_COUNTERS; i++) {
        if (fake->counters[i].name[0] == '\0') {
            (void)snprintf(fake->counters[i].name, sizeof fake->counters[i].name, "%s", name);
        }
        if (strcmp(fake->counters[i].name, name) == 0) {
            return (churn_counter *)(void *)&fake->counters[i].value;
        }
    }
    (void)fprintf(stderr, "fake host: no room for counter %s\n", name);
    exit(1);
}

static churn_counter *fake_shown(const churn_host *host, const char *name, const churn_metric *as)
{
    (void)as;
    return fake_counter(host, name);
}

static void fake_set(churn_counter *gauge, int64_t value)
{
    *(_Atomic int64_t *)(void *)gauge = value;
}

/* Counts how many values it was given. */
static churn_histogram *fake_histogram(const churn_host *host, const churn_metric *as)
{
    return (churn_histogram *)(void *)fake_counter(host, as->name);
}

static void fake_observe(churn_histogram *histogram, int64_t value)
{
    (void)value;
    *(_Atomic int64_t *)(void *)histogram += 1;
}

static void fake_add(churn_counter *counter, int64_t n)
{
    _Atomic int64_t *value = (_Atomic int64_t *)(void *)counter;
    *value += n;
}

int64_t fake_host_counter(struct fake_host *fake, const char *name)
{
    for (unsigned i = 0; i < FAKE_HOST_COUNTERS; i++) {
        if (strcmp(fake->counters[i].name, name) == 0) {
            return fake->counters[i].value;
        }
    }
    return 0;
}

static const churn_store_ops *fake_store(const churn_host *host, void **ret_self)
{
    struct fake_host *fake = host->ctx;
    *ret_self = fake->store_self;
    return fake->store;
}

static uint32_t fake_profile_key(const churn_host *host, churn_str customer_id, char *key)
{
    (void)host;
    return (uint32_t)snprintf(key, 512, "profile:%.*s", (int)customer_id.len, customer_id.ptr);
}

/* Numbers are told from texts by their look, which is enough for tests. */
static char *fake_profile_json(const churn_host *host, const churn_pair *fields, uint32_t count)
{
    size_t room = 3;
    char *json, *at;
    (void)host;
    for (uint32_t i = 0; i < count; i++) {
        room += fields[i].name.len + fields[i].value.len + 6u;
    }
    json = at = malloc(room);
    *at++ = '{';
    for (uint32_t i = 0; i < count; i++) {
        const churn_pair *f = &fields[i];
        int number = strspn(f->value.ptr, "-.0123456789") >= f->value.len;
        if (f->name.ptr[0] == '_') {
            continue;
        }
        at += sprintf(at, "%s\"%.*s\":%s%.*s%s", at == json + 1 ? "" : ",", (int)f->name.len, f->name.ptr,
                      number ? "" : "\"", (int)f->value.len, f->value.ptr, number ? "" : "\"");
    }
    *at++ = '}';
    *at = '\0';
    return json;
}

static char *fake_customer_json(const churn_host *host, churn_str customer_id, const churn_pair *fields, uint32_t count)
{
    (void)customer_id;
    return fake_profile_json(host, fields, count);
}

static void fake_free_text(char *text)
{
    free(text);
}

static int32_t fake_field_at(const churn_host *host, uint32_t index, churn_profile_field *ret)
{
    const struct fake_host *fake = host->ctx;
    if (index >= fake->field_count) {
        return 0;
    }
    *ret = fake->fields[index];
    return 1;
}

static void fake_stalled(const churn_host *host, const char *what, const char *message)
{
    struct fake_host *fake = host->ctx;
    unsigned i = 0;
    (void)pthread_mutex_lock(&fake->stall_lock);
    while (fake->stalls[i].what[0] != '\0' && strcmp(fake->stalls[i].what, what) != 0) {
        if (++i == FAKE_HOST_STALLS) {
            (void)fprintf(stderr, "fake host: no room for the state %s\n", what);
            exit(1);
        }
    }
    if (message != NULL && fake->stalls[i].message[0] == '\0') {
        fake_log(host, CHURN_LOG_WARN, message);
    }
    (void)snprintf(fake->stalls[i].what, sizeof fake->stalls[i].what, "%s", what);
    (void)snprintf(fake->stalls[i].message, sizeof fake->stalls[i].message, "%s", message != NULL ? message : "");
    (void)pthread_mutex_unlock(&fake->stall_lock);
}

bool fake_host_stalled(struct fake_host *fake, const char *what, char message[512])
{
    bool found = false;
    (void)pthread_mutex_lock(&fake->stall_lock);
    for (unsigned i = 0; i < FAKE_HOST_STALLS && !found; i++) {
        found = strcmp(fake->stalls[i].what, what) == 0 && fake->stalls[i].message[0] != '\0';
        if (found && message != NULL) {
            memcpy(message, fake->stalls[i].message, sizeof fake->stalls[i].message);
        }
    }
    (void)pthread_mutex_unlock(&fake->stall_lock);
    return found;
}

static uint32_t fake_type_count(const churn_host *host)
{
    return ((struct fake_host *)host->ctx)->type_count;
}

static const churn_event_type *fake_type_at(const churn_host *host, uint32_t index, const char **ret_name)
{
    struct fake_host *fake = host->ctx;
    *ret_name = fake->type_names[index];
    return fake->types[index];
}

static uint32_t fake_asks(const churn_host *host)
{
    return ((const struct fake_host *)host->ctx)->when_asks;
}

static int32_t fake_holds(const churn_host *host, const churn_when_subject *subject)
{
    return ((const struct fake_host *)host->ctx)->when_holds(subject);
}

static int64_t fake_known(const churn_host *host, int64_t *ret_looked_ms)
{
    struct fake_host *fake = host->ctx;
    *ret_looked_ms = fake->forgotten_looked_ms;
    return fake->forgotten_known;
}

static int32_t fake_covers(const churn_host *host, const churn_forgettable *what)
{
    return ((struct fake_host *)host->ctx)->forgotten(what);
}

static void fake_adopted(const churn_host *host, int64_t known)
{
    ((struct fake_host *)host->ctx)->forgotten_adopted = known;
}

static int32_t fake_heard(const churn_host *host)
{
    return ((const struct fake_host *)host->ctx)->alerts_heard;
}

static int32_t fake_raise(const churn_host *host, const churn_alert *alert, uint64_t id)
{
    struct fake_host *fake = host->ctx;
    const churn_str parts[] = {alert->event_id, alert->event_type, alert->customer_id, alert->message, alert->data};
    size_t at = 0;
    if (fake->alert_count == FAKE_HOST_ALERTS) {
        return CHURN_FATAL;
    }
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        char *text = fake->alerts[fake->alert_count].text;
        at += (size_t)snprintf(text + at, sizeof fake->alerts[0].text - at, "%s%.*s", i > 0 ? " " : "",
                               (int)parts[i].len, parts[i].ptr);
    }
    fake->alerts[fake->alert_count].severity = alert->severity;
    fake->alerts[fake->alert_count].answered = 0;
    fake->alerts[fake->alert_count++].id = id;
    return CHURN_OK;
}

static uint32_t fake_answers(const churn_host *host, uint64_t *ids, uint32_t max)
{
    struct fake_host *fake = host->ctx;
    uint32_t count = 0;
    for (uint32_t i = 0; i < fake->alert_count && count < max; i++) {
        if (fake->alerts[i].answered) {
            fake->alerts[i].answered = 0;
            ids[count++] = fake->alerts[i].id;
        }
    }
    return count;
}

static const void *fake_extension(const churn_host *host, const char *id)
{
    static const churn_metrics metrics = {.size = sizeof metrics,
                                          .counter = fake_counter,
                                          .add = fake_add,
                                          .shown = fake_shown,
                                          .set = fake_set,
                                          .histogram = fake_histogram,
                                          .observe = fake_observe};
    static const churn_storage storage = {.size = sizeof storage,
                                          .store = fake_store,
                                          .profile_key = fake_profile_key,
                                          .profile_json = fake_profile_json,
                                          .customer_json = fake_customer_json,
                                          .free_text = fake_free_text,
                                          .field_at = fake_field_at};
    static const churn_health health = {.size = sizeof health, .stalled = fake_stalled};
    static const churn_when when = {.size = sizeof when, .asks = fake_asks, .holds = fake_holds};
    static const churn_forgetting forgetting = {
        .size = sizeof forgetting, .known = fake_known, .covers = fake_covers, .adopted = fake_adopted};
    static const churn_event_types types = {.size = sizeof types, .count = fake_type_count, .at = fake_type_at};
    static const churn_alerts alerts = {
        .size = sizeof alerts, .heard = fake_heard, .raise = fake_raise, .answers = fake_answers};
    struct fake_host *fake = host->ctx;
    if (strcmp(id, CHURN_ALERTS_ID) == 0) {
        return &alerts;
    }
    if (strcmp(id, CHURN_METRICS_ID) == 0) {
        return &metrics;
    }
    if (strcmp(id, CHURN_HEALTH_ID) == 0) {
        return &health;
    }
    if (strcmp(id, CHURN_STORAGE_ID) == 0) {
        return fake->store != NULL ? &storage : NULL;
    }
    if (strcmp(id, CHURN_FORGETTING_ID) == 0) {
        return fake->forgotten != NULL ? &forgetting : NULL;
    }
    if (strcmp(id, CHURN_WHEN_ID) == 0) {
        return &when;
    }
    if (strcmp(id, CHURN_ANSWERS_ID) == 0) {
        return fake->answers;
    }
    return strcmp(id, CHURN_EVENT_TYPES_ID) == 0 ? &types : NULL;
}

void fake_host_init(struct fake_host *fake)
{
    memset(fake, 0, sizeof *fake);
    (void)pthread_mutex_init(&fake->stall_lock, NULL);
    fake->host = (churn_host){.size = sizeof fake->host,
                              .worker_count = 1,
                              .ctx = fake,
                              .pipeline = "test",
                              .log = fake_log,
                              .log_enabled = fake_log_enabled,
                              .now_ms = fake_now_ms,
                              .monotonic_ms = fake_monotonic_ms,
                              .get_extension = fake_extension};
}

const churn_plugin *fake_plugin_load(const char *role, const char *name)
{
    const char *dir = getenv("TEST_PLUGIN_DIR");
    char path[4096];
    void *so;
    const churn_plugin *plugin;
    (void)snprintf(path, sizeof path, "%s/%s/.libs/%s.so", dir != NULL ? dir : "plugins", role, name);
    so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    plugin = so != NULL ? dlsym(so, "churn_plugin_entry") : NULL;
    if (plugin == NULL) {
        (void)fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    return plugin;
}

static int64_t scaled(const char *text)
{
    static const struct {
        const char *unit;
        int64_t factor;
    } units[] = {{"ms", 1},       {"s", 1000},   {"m", 60000},         {"h", 3600000},
                 {"d", 86400000}, {"KiB", 1024}, {"MiB", 1024 * 1024}, {"", 1}};
    char *end;
    int64_t n = strtoll(text, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(end, units[i].unit) == 0) {
            return n * units[i].factor;
        }
    }
    (void)fprintf(stderr, "fake host: bad number %s\n", text);
    exit(1);
}

/* Splits `text` at commas (and, for maps, each part at `=`: a value lies in the same memory as its key). */
static uint32_t split(const char *text, const char ***ret_items, const char ***ret_values)
{
    char *copy = strdup(text), *save = NULL;
    const char **items = calloc(strlen(text) + 1, sizeof *items), **values = calloc(strlen(text) + 1, sizeof *values);
    uint32_t n = 0;
    for (char *part = strtok_r(copy, ",", &save); part != NULL; part = strtok_r(NULL, ",", &save), n++) {
        char *eq = ret_values != NULL ? strchr(part, '=') : NULL;
        size_t len = strlen(part) + 1;
        if (eq != NULL) {
            *eq = '\0';
        }
        items[n] = eq != NULL ? memcpy(malloc(len), part, len) : strdup(part);
        if (eq != NULL) {
            values[n] = items[n] + (eq + 1 - part);
        }
    }
    free(copy);
    *ret_items = items;
    if (ret_values != NULL) {
        *ret_values = values;
    } else {
        free(values);
    }
    return n;
}

static void free_items(const char *const *items, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        free((void *)(uintptr_t)items[i]);
    }
    free((void *)(uintptr_t)items);
}

static void clear_option(const churn_option *row, void *at)
{
    if (row->type == CHURN_OPTION_STRING) {
        free(*(char **)at);
    } else if (row->type == CHURN_OPTION_LIST) {
        free_items(((churn_list *)at)->items, ((churn_list *)at)->count);
    } else if (row->type == CHURN_OPTION_MAP) {
        free_items(((churn_map *)at)->keys, ((churn_map *)at)->count);
        free((void *)(uintptr_t)((churn_map *)at)->values);
    }
}

static void set_option(const churn_option *row, void *at, const char *text)
{
    const char **items, **values;
    clear_option(row, at);
    switch (row->type) {
    case CHURN_OPTION_STRING:
        *(const char **)at = strdup(text);
        break;
    case CHURN_OPTION_DOUBLE:
        *(double *)at = strtod(text, NULL);
        break;
    case CHURN_OPTION_BOOL:
        *(int32_t *)at = strcmp(text, "true") == 0;
        break;
    case CHURN_OPTION_ENUM:
        for (*(int32_t *)at = 0; strcmp(row->choices[*(int32_t *)at], text) != 0;) {
            ++*(int32_t *)at;
        }
        break;
    case CHURN_OPTION_LIST: {
        uint32_t n = split(text, &items, NULL);
        *(churn_list *)at = (churn_list){.items = items, .count = n};
        break;
    }
    case CHURN_OPTION_TREE: /* the test's own churn_node */
        *(const churn_node **)at = (const churn_node *)(const void *)text;
        break;
    case CHURN_OPTION_MAP: {
        uint32_t n = split(text, &items, &values);
        *(churn_map *)at = (churn_map){.keys = items, .values = values, .count = n};
        break;
    }
    default:
        *(int64_t *)at = scaled(text);
    }
}

static const churn_option *option_at(const churn_plugin *plugin, uint32_t i)
{
    return (const churn_option *)(const void *)((const char *)plugin->options + (size_t)i * plugin->option_stride);
}

void *fake_instance_new(const churn_plugin *plugin, ...)
{
    char *self = calloc(1, plugin->instance_size != 0 ? plugin->instance_size : 1);
    va_list args;
    const char *key;
    for (uint32_t i = 0; i < plugin->option_count; i++) {
        const churn_option *row = option_at(plugin, i);
        if (row->default_text != NULL && (row->flags & CHURN_OPTION_OWN_DEFAULT) == 0) {
            set_option(row, self + row->offset, row->default_text);
        }
    }
    va_start(args, plugin);
    while ((key = va_arg(args, const char *)) != NULL) {
        const char *value = va_arg(args, const char *);
        uint32_t i = 0;
        while (i < plugin->option_count && strcmp(option_at(plugin, i)->name, key) != 0) {
            i++;
        }
        if (i == plugin->option_count) {
            (void)fprintf(stderr, "%s has no option %s\n", plugin->name, key);
            exit(1);
        }
        set_option(option_at(plugin, i), self + option_at(plugin, i)->offset, value);
    }
    va_end(args);
    return self;
}

void fake_instance_free(const churn_plugin *plugin, void *instance)
{
    for (uint32_t i = 0; i < plugin->option_count && instance != NULL; i++) {
        clear_option(option_at(plugin, i), (char *)instance + option_at(plugin, i)->offset);
    }
    free(instance);
}
