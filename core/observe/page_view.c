#include "observe/page_view.h"

#include "base/clock.h"
#include "base/json_parse.h"
#include "observe/customer_view.h"
#include "observe/picture.h"
#include "observe/troubles.h"
#include <churn/time.h>
#include <json-c/json.h>
#include <stdlib.h>

#define MAX_PARTITIONS 20 /* that are listed, those with the most records waiting */

static void put(const struct view *view, const char *html)
{
    text_append_string(view->out, html);
}

static void put_text(const struct view *view, const char *text)
{
    text_append_html_string(view->out, text != NULL ? text : "");
}

static const char *member(const struct json_object *object, const char *name)
{
    struct json_object *value = NULL;
    return json_object_object_get_ex(object, name, &value) ? json_object_get_string(value) : NULL;
}

/* ---- the head ---- */

static const char *status_of(const struct view *view)
{
    const char *status = view->ready != NULL ? member(view->ready, "status") : NULL;
    return status == NULL ? "unknown" : strcmp(status, "not ok") == 0 ? "not ready" : status;
}

static void append_since(const struct view *view)
{
    const struct figure *uptime = figures_find(view->now, "churnd_uptime_seconds", NULL, NULL);
    const struct figure *build = figures_find(view->now, "churnd_build_info", NULL, NULL);
    char version[64];
    if (build != NULL) {
        put(view, "<span>churnd ");
        put_text(view, figure_label(build, "version", version, sizeof version));
        put(view, "</span> ");
    }
    if (uptime != NULL) {
        put(view, "<span>up ");
        view_append_duration(view->out, figure_number(uptime));
        put(view, "</span> ");
    }
}

static void append_head(const struct view *view, const char *name)
{
    const char *status = status_of(view);
    char now[CHURN_TIME_SIZE];
    churn_time_format(clock_wall_ms(), now);
    put(view, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
              "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
              "<meta name=\"color-scheme\" content=\"light dark\"><title>");
    put_text(view, name);
    put(view, " · churnd</title><link rel=\"icon\" href=\"data:,\"><link rel=\"stylesheet\" href=\"page.css\">"
              "<script src=\"page.js\" defer></script></head>\n<body><a class=\"skip\" href=\"#figures\">Skip to the "
              "figures</a>\n<header><h1>");
    put_text(view, name);
    put(view, "</h1> <div id=\"state\" data-live><span class=\"badge ");
    put(view, strcmp(status, "ready") == 0 ? "good" : strcmp(status, "stopping") == 0 ? "" : "bad");
    put(view, "\" id=\"status\">");
    put_text(view, status);
    put(view, "</span> ");
    append_since(view);
    text_printf(view->out, "<span>as of <time datetime=\"%s\">%.10s %.8s</time> UTC</span></div> ", now, now, now + 11);
    put(view, "<button id=\"pause\" type=\"button\" hidden>Pause</button></header>\n"
              "<p id=\"lost\" class=\"banner\" role=\"alert\" hidden></p>\n");
}

static void append_trouble(const struct view *view, const struct json_object *trouble)
{
    const char *since = member(trouble, "since");
    char who[TROUBLES_WHO_SIZE];
    troubles_who(trouble, who);
    put(view, "<li><strong>");
    put_text(view, member(trouble, "plugin"));
    put(view, "</strong> <span class=\"badge bad\">");
    put_text(view, member(trouble, "what"));
    put(view, "</span> ");
    put_text(view, member(trouble, "message"));
    put(view, " <span class=\"quiet\">");
    put_text(view, who);
    put(view, ", since <time>");
    put_text(view, since);
    put(view, "</time></span></li>");
}

static void append_troubles(const struct view *view)
{
    struct json_object *list = NULL;
    put(view, "<section id=\"troubles\" data-live aria-live=\"polite\">");
    if (view->ready != NULL && json_object_object_get_ex(view->ready, "troubles", &list) &&
        json_object_array_length(list) > 0) {
        put(view, "<h2>What keeps it from being ready</h2><ul>");
        for (size_t i = 0; i < json_object_array_length(list); i++) {
            append_trouble(view, json_object_array_get_idx(list, i));
        }
        put(view, "</ul>");
    }
    put(view, "</section>\n");
}

/* ---- tables ---- */

static const char *const of_sinks[] = {"", "sent", "now", "waiting", "dropped", "given up", NULL}; /* the widest */

static void begin_table(const struct view *view, const char *caption, const char *const *columns)
{
    put(view, columns == of_sinks ? "<section class=\"wide\"><table><caption>" : "<section><table><caption>");
    put(view, caption);
    put(view, "</caption><thead><tr>");
    for (unsigned i = 0; columns[i] != NULL; i++) {
        text_printf(view->out, "<th scope=\"col\"%s>%s</th>", i > 0 ? " class=\"number\"" : "", columns[i]);
    }
    put(view, "</tr></thead><tbody>");
}

static void end_table(const struct view *view)
{
    put(view, "</tbody></table></section>\n");
}

static void begin_row(const struct view *view, const char *title)
{
    put(view, "<tr><th scope=\"row\">");
    put_text(view, title);
    put(view, "</th>");
}

/* A figure and how fast it grows. */
static void append_counter(const struct view *view, const char *title, const char *name, const char *label,
                           const char *value)
{
    begin_row(view, title);
    view_append_figure(view, "td", name, label, value);
    put(view, "<td class=\"number\">");
    view_append_rate(view, name, label, value);
    put(view, "</td></tr>");
}

struct row {
    const char *title, *name;
};

/* Those of which /metrics says something. */
static void append_counters(const struct view *view, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (figures_find(view->now, rows[i].name, NULL, NULL) != NULL) {
            append_counter(view, rows[i].title, rows[i].name, NULL, NULL);
        }
    }
}

static const char *const counted[] = {"", "total", "now", NULL};

static void append_events(const struct view *view)
{
    static const struct row rows[] = {{"read", "churnd_events_total"},
                                      {"counted in a profile", "churnd_events_applied_total"},
                                      {"counted before", "churnd_events_already_counted_total"},
                                      {"duplicates", "churnd_events_duplicate_total"},
                                      {"filtered", "churnd_events_filtered_total"},
                                      {"of forgotten customers", "churnd_events_forgotten_total"},
                                      {"of ignored types", "churnd_events_ignored_total"}};
    begin_table(view, "Events", counted);
    append_counters(view, rows, sizeof rows / sizeof rows[0]);
    end_table(view);
}

static void append_store(const struct view *view)
{
    static const struct row rows[] = {{"profiles written", "churnd_store_puts_total"},
                                      {"new profiles", "churnd_profiles_created_total"},
                                      {"conflicts", "churnd_store_conflicts_total"},
                                      {"read again", "churnd_source_rewinds_total"}};
    if (view->pipeline->store.loaded == NULL) {
        return;
    }
    begin_table(view, "Store", counted);
    append_counters(view, rows, sizeof rows / sizeof rows[0]);
    end_table(view);
}

/* The figures of a family, one a row, by a label; those that are 0 are left out where there are `many`. */
static void append_by_label(const struct view *view, const char *name, const char *label, bool many)
{
    char value[256];
    const struct figure *at = figures_next(view->now, name, NULL);
    for (; at != NULL; at = figures_next(view->now, name, at)) {
        if (!many || figure_number(at) != 0) {
            (void)figure_label(at, label, value, sizeof value);
            append_counter(view, value, name, label, value);
        }
    }
}

static void append_letters(const struct view *view)
{
    static const char name[] = "churnd_dead_letters_total";
    if (figures_next(view->now, name, NULL) == NULL) {
        return;
    }
    begin_table(view, "Dead letters by reason", counted);
    append_by_label(view, name, "reason", true);
    if (figures_sum(view->now, name) == 0) {
        begin_row(view, "none");
        put(view, "<td></td><td></td></tr>");
    }
    end_table(view);
}

static void append_sinks(const struct view *view)
{
    static const char *const names[] = {"churnd_sink_waiting_records", "churnd_sink_dropped_total",
                                        "churnd_sink_given_up_total"};
    const struct pipeline *pipeline = view->pipeline;
    if (pipeline->sink_count == 0) {
        return;
    }
    begin_table(view, "Sinks", of_sinks);
    for (unsigned i = 0; i < pipeline->sink_count; i++) {
        const char *label = pipeline->sinks[i].label;
        begin_row(view, label);
        view_append_figure(view, "td", "churnd_sink_sent_total", "sink", label);
        put(view, "<td class=\"number\">");
        view_append_rate(view, "churnd_sink_sent_total", "sink", label);
        put(view, "</td>");
        for (unsigned k = 0; k < sizeof names / sizeof names[0]; k++) {
            view_append_figure(view, "td", names[k], "sink", label);
        }
        put(view, "</tr>");
    }
    end_table(view);
}

static void append_predictions(const struct view *view)
{
    static const struct row rows[] = {{"triggers", "churnd_triggers_total"},
                                      {"triggers that wait", "churnd_predictions_waiting"}};
    char sink[64];
    const struct figure *breaker = figures_next(view->now, "churnd_prediction_breaker_open", NULL);
    if ((view->pipeline->outputs & CHURN_RECORD_TRIGGER) == 0) {
        return;
    }
    begin_table(view, "Predictions", counted);
    append_counters(view, rows, sizeof rows / sizeof rows[0]);
    append_by_label(view, "churnd_predictions_total", "result", false);
    for (; breaker != NULL; breaker = figures_next(view->now, "churnd_prediction_breaker_open", breaker)) {
        put(view, "<tr><th scope=\"row\">breaker of ");
        put_text(view, figure_label(breaker, "sink", sink, sizeof sink));
        text_printf(view->out, "</th><td class=\"number\">%s</td><td></td></tr>",
                    figure_number(breaker) > 0 ? "open" : "closed");
    }
    end_table(view);
}

static void append_alert_counts(const struct view *view)
{
    if ((view->pipeline->outputs & CHURN_RECORD_ALERT) != 0 &&
        figures_next(view->now, "churnd_alerts_total", NULL) != NULL) {
        begin_table(view, "Alerts by severity", counted);
        append_by_label(view, "churnd_alerts_total", "severity", false);
        end_table(view);
    }
}

static int by_lag(const void *a, const void *b)
{
    double x = figure_number(*(const struct figure *const *)a), y = figure_number(*(const struct figure *const *)b);
    return (y > x) - (y < x);
}

static void append_partition(const struct view *view, const struct figure *sample)
{
    char topic[256], partition[32];
    put(view, "<tr><th scope=\"row\">");
    put_text(view, figure_label(sample, "topic", topic, sizeof topic));
    put(view, "/");
    put_text(view, figure_label(sample, "partition", partition, sizeof partition));
    put(view, "</th><td class=\"number\">");
    view_append_number(view->out, sample->value);
    put(view, "</td></tr>");
}

static void append_lag(const struct view *view)
{
    static const char *const columns[] = {"partition", "records behind", NULL};
    const struct figure *first = figures_next(view->now, "churnd_source_lag_records", NULL), **sorted;
    uint32_t count = 0;
    if (first == NULL || (sorted = calloc(view->now->count, sizeof *sorted)) == NULL) {
        return;
    }
    for (const struct figure *at = first; at != NULL; at = figures_next(view->now, "churnd_source_lag_records", at)) {
        sorted[count++] = at;
    }
    qsort(sorted, count, sizeof *sorted, by_lag);
    begin_table(view, "Lag", columns);
    for (uint32_t i = 0; i < count && i < MAX_PARTITIONS; i++) {
        append_partition(view, sorted[i]);
    }
    end_table(view);
    if (count > MAX_PARTITIONS) {
        text_printf(view->out, "<p class=\"quiet\">and %u more partitions</p>", count - MAX_PARTITIONS);
    }
    free(sorted);
}

static void append_figures(const struct view *view)
{
    put(view,
        "<section><h2>Pipeline</h2><div class=\"picture\" id=\"picture\" data-live tabindex=\"0\" role=\"region\" "
        "aria-label=\"Picture of the pipeline\">");
    if (view->pipeline != NULL) {
        picture_append(view);
    }
    put(view, "</div></section>\n<section><h2 class=\"hidden\">Figures</h2><div class=\"tables\" id=\"figures\" "
              "data-live tabindex=\"-1\">");
    if (view->pipeline != NULL) {
        append_events(view);
        append_sinks(view);
        append_letters(view);
        append_store(view);
        append_predictions(view);
        append_alert_counts(view);
        append_lag(view);
    } else {
        put(view, "<p>The pipeline is being exchanged.</p>");
    }
    put(view, "</div></section>\n");
}

/* ---- what is customers' own ---- */

static void append_alert(void *ctx, churn_str json, int64_t at_ms)
{
    const struct view *view = ctx;
    bool ok;
    struct json_object *alert = json_parse(json.ptr, json.len, 70, &ok);
    const char *severity = alert != NULL ? member(alert, "severity") : NULL, *customer;
    char at[CHURN_TIME_SIZE];
    if (severity == NULL) {
        (void)json_object_put(alert);
        return;
    }
    churn_time_format(at_ms, at);
    customer = member(alert, "customer_id");
    text_printf(view->out, "<tr><td><time datetime=\"%s\">%.8s</time></td><td><span class=\"badge ", at, at + 11);
    put(view, strcmp(severity, "critical") == 0 ? "bad" : strcmp(severity, "warning") == 0 ? "warn" : "");
    put(view, "\">");
    put_text(view, severity);
    put(view, "</span></td><td>");
    put_text(view, member(alert, "event_type"));
    put(view, "</td><td><a href=\"?customer=");
    customer_view_append_url(view->out, customer != NULL ? customer : "");
    put(view, "\">");
    put_text(view, customer);
    put(view, "</a></td><td>");
    put_text(view, member(alert, "message"));
    put(view, "</td></tr>");
    (void)json_object_put(alert);
}

static void append_alerts(const struct view *view, const struct page_guest *guest)
{
    put(view, "<section><h2>Newest alerts</h2><div id=\"alerts\" class=\"scroll\" data-live tabindex=\"0\" "
              "role=\"region\" aria-label=\"Newest alerts\"><table><thead><tr><th scope=\"col\">UTC</th>"
              "<th scope=\"col\">severity</th><th scope=\"col\">event</th><th scope=\"col\">customer</th>"
              "<th scope=\"col\">message</th></tr></thead><tbody>");
    if (recent_alerts_each(guest->alerts, append_alert, (void *)(uintptr_t)view) == 0) {
        put(view, "<tr><td colspan=\"5\" class=\"quiet\">none since the start</td></tr>");
    }
    put(view, "</tbody></table></div></section>\n");
}

static void append_search(const struct view *view, const struct page_guest *guest)
{
    put(view,
        "<section><h2>Customer</h2><form id=\"search\" method=\"get\" role=\"search\"><label for=\"customer-id\">"
        "customer_id</label> <input id=\"customer-id\" name=\"customer\" type=\"search\" required maxlength=\"128\" "
        "autocomplete=\"off\" autocapitalize=\"off\" spellcheck=\"false\" value=\"");
    put_text(view, guest->customer);
    put(view, "\"> <button>Show</button></form>\n<div id=\"customer\" aria-live=\"polite\">");
    if (guest->answer != NULL) {
        customer_view_append(view->out, guest->answer);
    } else if (guest->customer != NULL) {
        put(view, "<p>A customer_id has 1 to 128 bytes.</p>");
    }
    put(view, "</div></section>\n");
}

static void append_guest(const struct view *view, const struct page_guest *guest)
{
    if (guest->granted) {
        append_search(view, guest);
        append_alerts(view, guest);
    } else if (guest->token) {
        put(view, "<section><h2>Alerts and customers</h2><p><a id=\"sign-in\" href=\"sign-in\">Sign in</a> with the "
                  "pipeline’s token as the password, and any user name, to see them.</p></section>\n");
    } else {
        put(view, "<section><h2>Alerts and customers</h2><p class=\"quiet\">Nobody is shown them: the pipeline has no "
                  "<code>health: token</code>.</p></section>\n");
    }
}

void page_view_append(const struct view *view, const struct page_guest *guest)
{
    append_head(view, view->pipeline != NULL ? view->pipeline->settings.name : "churnd");
    put(view, "<main>\n");
    append_troubles(view);
    append_figures(view);
    append_guest(view, guest);
    put(view, "</main>\n<footer><a href=\"metrics\">/metrics</a> <a href=\"readyz\">/readyz</a> "
              "<a href=\"healthz\">/healthz</a></footer>\n</body></html>\n");
}
