#include "cli/top/model.h"

#include "base/decimal.h"
#include "base/grouped.h"
#include "base/json_parse.h"
#include "base/printable.h"
#include "observe/troubles.h"
#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>

#define MAX_DEPTH 32
#define MAX_BUCKETS 64
#define MAX_LAGGING 12 /* partitions that are shown one by one: those that lag most */

bool top_look_read(struct top_look *look)
{
    churn_str text = {.ptr = look->metrics.bytes, .len = (uint32_t)look->metrics.len};
    return !look->metrics.failed && !look->ready.failed && figures_read(&look->figures, text);
}

void top_look_free(struct top_look *look)
{
    figures_free(&look->figures);
    text_free(&look->metrics);
    text_free(&look->ready);
    *look = (struct top_look){0};
}

/* ---- values for people ---- */

enum kind {
    KIND_NUMBER,
    KIND_SECONDS,
    KIND_BYTES,
    KIND_YES,     /* 1: yes */
    KIND_BREAKER, /* 1: open */
};

static void format_seconds(double s, char out[TOP_NUMBER_SIZE])
{
    if (s < 1) {
        (void)snprintf(out, TOP_NUMBER_SIZE, "%.3g ms", s * 1000);
    } else if (s < 120) {
        (void)snprintf(out, TOP_NUMBER_SIZE, "%.3g s", s);
    } else if (s < 7200) {
        (void)snprintf(out, TOP_NUMBER_SIZE, "%.0f min", floor(s / 60));
    } else if (s < 2 * 86400.0 && fmod(s, 3600) < 60) {
        (void)snprintf(out, TOP_NUMBER_SIZE, "%.0f h", floor(s / 3600));
    } else if (s < 2 * 86400.0) {
        (void)snprintf(out, TOP_NUMBER_SIZE, "%.0f h %.0f min", floor(s / 3600), floor(fmod(s, 3600) / 60));
    } else {
        (void)snprintf(out, TOP_NUMBER_SIZE, "%.0f days", floor(s / 86400));
    }
}

static void format_number(double n, char out[TOP_NUMBER_SIZE])
{
    char whole[GROUPED_SIZE];
    if (n == floor(n) && fabs(n) < 1e15) {
        (void)snprintf(out, TOP_NUMBER_SIZE, "%s%s", n < 0 ? "-" : "", grouped((int64_t)fabs(n), whole));
    } else {
        (void)snprintf(out, TOP_NUMBER_SIZE, "%.3g", n);
    }
}

static void format_value(enum kind kind, double n, char out[TOP_NUMBER_SIZE])
{
    if (!isfinite(n)) {
        (void)snprintf(out, TOP_NUMBER_SIZE, "-");
        return;
    }
    switch (kind) {
    case KIND_SECONDS:
        format_seconds(n, out);
        break;
    case KIND_BYTES:
        (void)snprintf(out, TOP_NUMBER_SIZE, "%.1f MiB", n / 1048576);
        break;
    case KIND_YES:
        (void)snprintf(out, TOP_NUMBER_SIZE, "%s", n != 0 ? "yes" : "no");
        break;
    case KIND_BREAKER:
        (void)snprintf(out, TOP_NUMBER_SIZE, "%s", n != 0 ? "open" : "closed");
        break;
    default:
        format_number(n, out);
    }
}

/* ---- rows ---- */

/* What rows are made of. */
struct source {
    struct top_model *model;
    const struct figures *now, *before; /* `before` NULL: no rates */
    double seconds;                     /* between them */
};

static struct top_row *add_row(struct top_model *model, const char *group, const char *name, enum kind kind,
                               double number)
{
    struct top_row *row;
    if (model->count == model->room) {
        uint32_t room = model->room > 0 ? model->room * 2 : 64;
        struct top_row *rows = realloc(model->rows, room * sizeof *rows);
        if (rows == NULL) {
            model->failed = true;
            return NULL;
        }
        model->rows = rows;
        model->room = room;
    }
    row = &model->rows[model->count++];
    *row = (struct top_row){.group = group, .number = number, .rate = NAN};
    (void)snprintf(row->name, sizeof row->name, "%s", name);
    format_value(kind, number, row->value);
    return row;
}

/* How fast a counter grew; NAN where that cannot be told, as when the run began anew. */
static double rate_of(const struct source *source, double now, double before)
{
    return source->before != NULL && source->seconds > 0 && now >= before ? (now - before) / source->seconds : NAN;
}

static void add_counter(const struct source *source, const char *group, const char *name, double now, double before)
{
    struct top_row *row = add_row(source->model, group, name, KIND_NUMBER, now);
    if (row != NULL) {
        row->rate = rate_of(source, now, before);
    }
}

/* The same figure in another look; 0: it was not there. */
static double number_before(const struct source *source, const struct figure *figure)
{
    for (uint32_t i = 0; source->before != NULL && i < source->before->count; i++) {
        const struct figure *other = &source->before->items[i];
        if (churn_equal(other->name, figure->name) && churn_equal(other->labels, figure->labels)) {
            return figure_number(other);
        }
    }
    return 0;
}

struct spec {
    const char *group, *name, *metric;
    const char *label; /* a row for each of its values; NULL: the sum */
    enum kind kind;
    bool counts;
};

static void add_each(const struct source *source, const struct spec *spec)
{
    const struct figure *figure = NULL;
    while ((figure = figures_next(source->now, spec->metric, figure)) != NULL) {
        char value[TOP_NAME_SIZE], name[TOP_NAME_SIZE + 32];
        (void)figure_label(figure, spec->label, value, sizeof value);
        (void)snprintf(name, sizeof name, "%s%s%s", value, *spec->name != '\0' ? " " : "", spec->name);
        if (spec->counts) {
            add_counter(source, spec->group, name, figure_number(figure), number_before(source, figure));
        } else {
            (void)add_row(source->model, spec->group, name, spec->kind, figure_number(figure));
        }
    }
}

static void add_spec(const struct source *source, const struct spec *spec)
{
    if (figures_find(source->now, spec->metric, NULL, NULL) == NULL) {
        return;
    }
    if (spec->label != NULL) {
        add_each(source, spec);
    } else if (spec->counts) {
        add_counter(source, spec->group, spec->name, figures_sum(source->now, spec->metric),
                    source->before != NULL ? figures_sum(source->before, spec->metric) : 0);
    } else {
        (void)add_row(source->model, spec->group, spec->name, spec->kind, figures_sum(source->now, spec->metric));
    }
}

/* ---- histograms ---- */

struct buckets {
    double bounds[MAX_BUCKETS], counts[MAX_BUCKETS]; /* cumulated, by ascending bounds */
    unsigned count;
};

static void add_bucket(struct buckets *buckets, double bound, double count)
{
    unsigned i = 0;
    while (i < buckets->count && buckets->bounds[i] < bound) {
        i++;
    }
    if (i < buckets->count && buckets->bounds[i] == bound) {
        buckets->counts[i] += count;
    } else if (buckets->count < MAX_BUCKETS) {
        for (unsigned k = buckets->count++; k > i; k--) {
            buckets->bounds[k] = buckets->bounds[k - 1];
            buckets->counts[k] = buckets->counts[k - 1];
        }
        buckets->bounds[i] = bound;
        buckets->counts[i] = count;
    }
}

/* Of what came since the look before; of all, where nothing did. */
static void read_buckets(const struct source *source, const char *metric, bool since, struct buckets *ret)
{
    char name[TOP_NAME_SIZE];
    const struct figure *figure = NULL;
    *ret = (struct buckets){0};
    (void)snprintf(name, sizeof name, "%s_bucket", metric);
    while ((figure = figures_next(source->now, name, figure)) != NULL) {
        char bound[32];
        double count = figure_number(figure) - (since ? number_before(source, figure) : 0);
        (void)figure_label(figure, "le", bound, sizeof bound);
        add_bucket(ret, strcmp(bound, "+Inf") == 0 ? INFINITY : strtod(bound, NULL), count);
    }
}

static double total_of(const struct buckets *buckets)
{
    return buckets->count > 0 ? buckets->counts[buckets->count - 1] : 0;
}

/* As Prometheus has it: evenly spread within a bucket. Beyond the last finite bound it is that bound, `*ret_above`. */
static double quantile(const struct buckets *buckets, double q, bool *ret_above)
{
    double rank = q * total_of(buckets), low = 0, below = 0;
    for (unsigned i = 0; i < buckets->count; i++) {
        if (buckets->counts[i] >= rank) {
            double within = buckets->counts[i] - below;
            *ret_above = isinf(buckets->bounds[i]);
            return isinf(buckets->bounds[i])
                       ? low
                       : low + (buckets->bounds[i] - low) * (within > 0 ? (rank - below) / within : 0);
        }
        low = buckets->bounds[i];
        below = buckets->counts[i];
    }
    return NAN;
}

static void add_quantile(struct top_model *model, const char *group, const char *name, const struct buckets *buckets,
                         double q)
{
    bool above = false;
    struct top_row *row = add_row(model, group, name, KIND_SECONDS, quantile(buckets, q, &above));
    if (row != NULL && above) {
        row->value[0] = '>';
        row->value[1] = ' ';
        format_value(KIND_SECONDS, row->number, row->value + 2);
        row->above = true;
    }
}

static void add_quantiles(const struct source *source, const char *group, const char *name, const char *metric)
{
    static const struct {
        const char *name;
        double q;
    } shown[] = {{"median", 0.5}, {"99 %", 0.99}};
    struct buckets buckets;
    read_buckets(source, metric, source->before != NULL, &buckets);
    if (total_of(&buckets) <= 0) {
        read_buckets(source, metric, false, &buckets);
    }
    for (size_t i = 0; total_of(&buckets) > 0 && i < sizeof shown / sizeof shown[0]; i++) {
        char full[TOP_NAME_SIZE];
        (void)snprintf(full, sizeof full, "%s, %s", name, shown[i].name);
        add_quantile(source->model, group, full, &buckets, shown[i].q);
    }
}

/* ---- partitions ---- */

static int by_lag(const void *a, const void *b)
{
    double x = figure_number(*(const struct figure *const *)a), y = figure_number(*(const struct figure *const *)b);
    return (x < y) - (x > y);
}

/* Those that lag most, one by one. */
static void add_partitions(const struct source *source)
{
    static const char metric[] = "churnd_source_lag_records";
    const struct figure **found = calloc(source->now->count + 1u, sizeof(const struct figure *));
    const struct figure *figure = NULL;
    uint32_t count = 0;
    while (found != NULL && (figure = figures_next(source->now, metric, figure)) != NULL) {
        if (figure_number(figure) > 0) {
            found[count++] = figure;
        }
    }
    if (count > 0) {
        qsort((void *)found, count, sizeof(const struct figure *), by_lag);
    }
    for (uint32_t i = 0; i < count && i < MAX_LAGGING; i++) {
        char topic[TOP_NAME_SIZE - 24], partition[16], name[TOP_NAME_SIZE];
        (void)snprintf(name, sizeof name, "%s/%s", figure_label(found[i], "topic", topic, sizeof topic),
                       figure_label(found[i], "partition", partition, sizeof partition));
        (void)add_row(source->model, "lag", name, KIND_NUMBER, figure_number(found[i]));
    }
    source->model->failed = source->model->failed || found == NULL;
    free((void *)found);
}

/* ---- all of it ---- */

static const struct spec first_specs[] = {
    {"run", "uptime", "churnd_uptime_seconds", .kind = KIND_SECONDS},
    {"run", "memory", "process_resident_memory_bytes", .kind = KIND_BYTES},
    {"run", "workers", "churnd_workers", .label = "state"},
    {"run", "knows what it reads", "churnd_source_assigned", .kind = KIND_YES},
    {"run", "connected to the store", "churnd_store_connected", .kind = KIND_YES},
    {"run", "reloads", "churnd_config_reloads_total", .label = "result", .counts = true},
    {"events", "read", "churnd_events_total", .counts = true},
    {"events", "applied", "churnd_events_applied_total", .counts = true},
    {"events", "already counted", "churnd_events_already_counted_total", .counts = true},
    {"events", "filtered", "churnd_events_filtered_total", .counts = true},
    {"events", "forgotten", "churnd_events_forgotten_total", .counts = true},
    {"events", "duplicate", "churnd_events_duplicate_total", .counts = true},
    {"events", "ignored", "churnd_events_ignored_total", .counts = true},
    {"events", "dead letters", "churnd_dead_letters_total", .counts = true},
    {"lag", "records", "churnd_source_lag_records", .kind = KIND_NUMBER},
    {"lag", "behind", "churnd_source_lag_seconds", .kind = KIND_SECONDS},
};

static const struct spec later_specs[] = {
    {"store", "profiles written", "churnd_store_puts_total", .counts = true},
    {"store", "conflicts", "churnd_store_conflicts_total", .counts = true},
    {"store", "profiles created", "churnd_profiles_created_total", .counts = true},
    {"store", "damaged profiles", "churnd_profiles_damaged", .kind = KIND_NUMBER},
    {"store", "windows in flight", "churnd_windows_in_flight", .kind = KIND_NUMBER},
    {"store", "rewinds", "churnd_source_rewinds_total", .counts = true},
    {"predictions", "triggers", "churnd_triggers_total", .counts = true},
    {"predictions", "waiting", "churnd_predictions_waiting", .kind = KIND_NUMBER},
    {"predictions", "breaker", "churnd_prediction_breaker_open", .label = "sink", .kind = KIND_BREAKER},
    {"predictions", "", "churnd_predictions_total", .label = "result", .counts = true},
    {"alerts", "", "churnd_alerts_total", .label = "severity", .counts = true},
    {"dead letters", "", "churnd_dead_letters_total", .label = "reason", .counts = true},
    {"sinks", "sent", "churnd_sink_sent_total", .label = "sink", .counts = true},
    {"sinks", "waiting", "churnd_sink_waiting_records", .label = "sink"},
    {"sinks", "dropped", "churnd_sink_dropped_total", .label = "sink", .counts = true},
    {"sinks", "given up", "churnd_sink_given_up_total", .label = "sink", .counts = true},
};

static void add_cpu(const struct source *source)
{
    static const char metric[] = "process_cpu_seconds_total";
    struct top_row *row;
    if (source->before == NULL || figures_find(source->now, metric, NULL, NULL) == NULL) {
        return;
    }
    double busy = rate_of(source, figures_sum(source->now, metric), figures_sum(source->before, metric));
    row = isnan(busy) ? NULL : add_row(source->model, "run", "processor", KIND_NUMBER, busy);
    if (row != NULL) {
        (void)snprintf(row->value, sizeof row->value, "%.0f %%", busy * 100);
    }
}

static const char *text_of(struct json_object *object, const char *name)
{
    struct json_object *value;
    return json_object_object_get_ex(object, name, &value) ? json_object_get_string(value) : "";
}

static size_t count_workers(struct json_object *ready)
{
    struct json_object *workers;
    bool listed =
        json_object_object_get_ex(ready, "workers", &workers) && json_object_is_type(workers, json_type_array);
    return listed ? json_object_array_length(workers) : 0;
}

static void read_troubles(struct top_model *model, struct json_object *ready)
{
    struct json_object *troubles;
    if (!json_object_object_get_ex(ready, "troubles", &troubles) || !json_object_is_type(troubles, json_type_array)) {
        return;
    }
    for (size_t i = 0; i < json_object_array_length(troubles); i++) {
        struct json_object *trouble = json_object_array_get_idx(troubles, i);
        char who[TROUBLES_WHO_SIZE];
        troubles_who(trouble, who);
        bool one = count_workers(ready) < 2 || who[0] == '\0';
        const char *parts[] = {text_of(trouble, "plugin"),
                               " (",
                               text_of(trouble, "what"),
                               "): ",
                               text_of(trouble, "message"),
                               one ? "" : " (",
                               one ? "" : who,
                               one ? "" : ")"};
        for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) {
            printable_append_line(&model->troubles, parts[k], strlen(parts[k]));
        }
        text_append_string(&model->troubles, "\n");
    }
}

static void read_ready(struct top_model *model, const struct text *text)
{
    bool ok;
    struct json_object *ready = json_parse(text->bytes, text->len, MAX_DEPTH, &ok);
    (void)snprintf(model->state, sizeof model->state, "%s", ok ? text_of(ready, "status") : "unknown");
    (void)snprintf(model->pipeline, sizeof model->pipeline, "%s", text_of(ready, "pipeline"));
    model->ready = strcmp(model->state, "ready") == 0;
    read_troubles(model, ready);
    (void)json_object_put(ready);
}

void top_model_make(struct top_model *model, const struct top_look *now, const struct top_look *before)
{
    const struct source source = {.model = model,
                                  .now = &now->figures,
                                  .before = before != NULL ? &before->figures : NULL,
                                  .seconds = before != NULL ? (double)(now->at_ms - before->at_ms) / 1000 : 0};
    *model = (struct top_model){0};
    read_ready(model, &now->ready);
    add_cpu(&source);
    for (size_t i = 0; i < sizeof first_specs / sizeof first_specs[0]; i++) {
        add_spec(&source, &first_specs[i]);
    }
    add_partitions(&source);
    add_quantiles(&source, "lag", "event to profile", "churnd_event_to_profile_seconds");
    for (size_t i = 0; i < sizeof later_specs / sizeof later_specs[0]; i++) {
        add_spec(&source, &later_specs[i]);
    }
    add_quantiles(&source, "time", "write to the store", "churnd_store_write_seconds");
    add_quantiles(&source, "time", "prediction request", "churnd_prediction_request_seconds");
}

void top_model_free(struct top_model *model)
{
    free(model->rows);
    text_free(&model->troubles);
    *model = (struct top_model){0};
}
