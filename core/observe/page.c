#include "observe/page.h"

#include "audit/audit.h"
#include "base/address.h"
#include "base/clock.h"
#include "base/json_parse.h"
#include "observe/access.h"
#include "observe/assets.h"
#include "observe/customer_view.h"
#include "observe/history.h"
#include "observe/page_view.h"
#include "pipeline/health_section.h"
#include <json-c/json.h>
#include <pthread.h>
#include <stdlib.h>

#define CONTENT_POLICY                                                                                                 \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "              \
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

struct page {
    struct page_sources sources;
    struct access *access;
    struct lookup *lookup;
    struct recent_alerts *alerts;
    struct history history; /* the listener's thread's own */
    pthread_mutex_t lock;   /* of the pipeline */
    const struct pipeline *pipeline;
};

/* A question that a request waits for. */
struct search {
    struct lookup_question question;
    void *connection;
};

/* ---- who asks ---- */

static void set_headers(struct listener_answer *answer)
{
    static const struct listener_header headers[] = {{"Content-Security-Policy", CONTENT_POLICY},
                                                     {"X-Content-Type-Options", "nosniff"},
                                                     {"X-Frame-Options", "DENY"},
                                                     {"Referrer-Policy", "no-referrer"},
                                                     {"Cross-Origin-Resource-Policy", "same-origin"}};
    memcpy(answer->headers, headers, sizeof headers);
}

/* A name that leads here can be anybody's, whose page would then be taken for this one by a browser: on this machine
 * only numbers and its own name are answered. */
static bool is_host_good(const struct page *page, const struct listener_request *request)
{
    const char *host = listener_host(request);
    return !page->sources.loopback || host == NULL || address_is_local_name(host);
}

/* What every answer begins with; false: it is one already. */
static bool begin(const struct page *page, const struct listener_request *request, struct listener_answer *answer)
{
    set_headers(answer);
    if (!is_host_good(page, request)) {
        answer->status = 421;
        text_append_string(&answer->body, "this name is not asked for here: use localhost or the address itself\n");
        return false;
    }
    return true;
}

/* The same for what is customers' own. */
static bool begin_guarded(const struct page *page, const struct listener_request *request,
                          struct listener_answer *answer)
{
    enum access_result result;
    if (!begin(page, request, answer)) {
        return false;
    }
    result = access_judge(page->access, request);
    if (result != ACCESS_GRANTED) {
        access_refuse(result, answer);
    }
    return result == ACCESS_GRANTED;
}

/* Before alerts, or a customer, are shown; false: they must not be. The page asks again and again by itself. */
static bool is_audited(const struct page *page, const struct listener_request *request, const char *customer,
                       bool again)
{
    char address[LISTENER_ADDRESS_SIZE], message[TRAIL_MESSAGE_SIZE];
    const struct audit_act act = {.action = "read",
                                  .by = "page",
                                  .customer = customer,
                                  .details = customer != NULL ? NULL : "\"what\":\"alerts\"",
                                  .address = address,
                                  .as_before = again};
    listener_address(request, address);
    return audit_write(page->sources.audit, &act, message, sizeof message);
}

static void refuse_unaudited(struct listener_answer *answer)
{
    answer->status = 503;
    answer->content_type = "application/json";
    text_append_string(&answer->body, "{\"error\":\"this read cannot be audited, so nothing is shown; /readyz and the "
                                      "log say why\"}\n");
}

/* ---- a search ---- */

static void on_ready(struct lookup_question *question)
{
    const struct search *search = question->ctx;
    listener_go_on(search->connection);
}

static void forget_search(void *kept)
{
    struct search *search = kept;
    text_free(&search->question.profile);
    text_free(&search->question.prediction);
    free(search);
}

/* Looks a customer up while the request waits. False: it does not. */
static bool ask(const struct page *page, const struct listener_request *request, const char *id)
{
    size_t len = strlen(id);
    struct search *search = len > 0 && len <= LOOKUP_ID_MAX ? calloc(1, sizeof *search) : NULL;
    if (search == NULL) {
        return false;
    }
    memcpy(search->question.id, id, len + 1);
    search->question.ready = on_ready;
    search->question.ctx = search;
    search->connection = request->connection;
    if (!listener_wait_for(request, search)) {
        free(search);
        return false;
    }
    lookup_ask(page->lookup, &search->question);
    return true;
}

/* ---- the page ---- */

/* What /readyz says, to be freed by json_object_put. */
static struct json_object *readiness(const struct page *page)
{
    struct text text = {0};
    struct json_object *object = NULL;
    bool ok;
    health_append(page->sources.health, &text);
    if (!text.failed) {
        object = json_parse(text.bytes, text.len, 16, &ok);
    }
    text_free(&text);
    return object;
}

static void draw_view(struct page *page, const struct view *view, struct page_guest *guest)
{
    (void)pthread_mutex_lock(&page->lock);
    struct view whole = *view;
    whole.pipeline = page->pipeline;
    guest->token = page->pipeline != NULL && health_section_has_token(&page->pipeline->health_settings);
    page_view_append(&whole, guest);
    (void)pthread_mutex_unlock(&page->lock);
}

static void draw(struct page *page, struct page_guest *guest, struct text *out)
{
    struct text text = {0};
    struct figures now = {0}, before = {0};
    int64_t now_ms = clock_monotonic_ms();
    const struct history_entry *entry = history_before(&page->history, now_ms);
    struct json_object *ready = readiness(page);
    page->sources.figures(page->sources.figures_ctx, &text);
    if (!text.failed && figures_read(&now, (churn_str){.ptr = text.bytes, .len = (uint32_t)text.len}) &&
        (entry == NULL ||
         figures_read(&before, (churn_str){.ptr = entry->text.bytes, .len = (uint32_t)entry->text.len}))) {
        const struct view view = {.out = out,
                                  .now = &now,
                                  .before = entry != NULL ? &before : NULL,
                                  .seconds = entry != NULL ? (double)(now_ms - entry->at_ms) / 1000 : 0,
                                  .ready = ready};
        draw_view(page, &view, guest);
        history_add(&page->history, &text, now_ms);
    } else {
        out->failed = true;
    }
    figures_free(&now);
    figures_free(&before);
    text_free(&text);
    (void)json_object_put(ready);
}

/* The page once it is known who asks; a customer who is looked for comes first. */
static void answer_view(struct page *page, const struct listener_request *request, bool granted,
                        struct listener_answer *answer)
{
    const struct search *search = request->kept;
    struct page_guest guest = {.granted = granted,
                               .alerts = page->alerts,
                               .customer = granted ? listener_query(request, "customer") : NULL,
                               .answer = search != NULL ? &search->question : NULL};
    if (search == NULL && guest.customer != NULL && ask(page, request, guest.customer)) {
        return;
    }
    answer->content_type = "text/html; charset=utf-8";
    draw(page, &guest, &answer->body);
}

/* Whether the page may show what is customers' own. Where that cannot be audited, it still shows the rest. */
static bool may_see(const struct page *page, const struct listener_request *request)
{
    const char *customer = listener_query(request, "customer");
    return is_audited(page, request, NULL, true) &&
           (customer == NULL || *customer == '\0' || is_audited(page, request, customer, true));
}

static void answer_page(void *ctx, const struct listener_request *request, struct listener_answer *answer)
{
    struct page *page = ctx;
    if (begin(page, request, answer)) {
        bool granted =
            request->kept != NULL || (access_judge(page->access, request) == ACCESS_GRANTED && may_see(page, request));
        answer_view(page, request, granted, answer);
    }
}

/* The same page, for which a browser asks its user for the token. */
static void answer_sign_in(void *ctx, const struct listener_request *request, struct listener_answer *answer)
{
    if (request->kept != NULL ? begin(ctx, request, answer) : begin_guarded(ctx, request, answer)) {
        answer_view(ctx, request, request->kept != NULL || may_see(ctx, request), answer);
    }
}

static void answer_css(void *ctx, const struct listener_request *request, struct listener_answer *answer)
{
    if (begin(ctx, request, answer)) {
        answer->content_type = "text/css; charset=utf-8";
        text_append(&answer->body, asset_css, asset_css_size);
    }
}

static void answer_js(void *ctx, const struct listener_request *request, struct listener_answer *answer)
{
    if (begin(ctx, request, answer)) {
        answer->content_type = "text/javascript; charset=utf-8";
        text_append(&answer->body, asset_js, asset_js_size);
    }
}

/* ---- what is customers' own ---- */

struct list {
    struct text *out;
    bool more;
};

static void append_alert(void *ctx, churn_str json, int64_t at_ms)
{
    struct list *list = ctx;
    (void)at_ms;
    text_append_string(list->out, list->more ? ",\n" : "");
    text_append(list->out, json.ptr, json.len);
    list->more = true;
}

static void answer_alerts(void *ctx, const struct listener_request *request, struct listener_answer *answer)
{
    struct page *page = ctx;
    struct list list = {.out = &answer->body};
    if (!begin_guarded(page, request, answer)) {
        return;
    }
    if (!is_audited(page, request, NULL, true)) {
        refuse_unaudited(answer);
        return;
    }
    answer->content_type = "application/json";
    text_append_string(list.out, "{\"alerts\":[");
    (void)recent_alerts_each(page->alerts, append_alert, &list);
    text_append_string(list.out, "]}\n");
}

static void answer_customer(void *ctx, const struct listener_request *request, struct listener_answer *answer)
{
    struct page *page = ctx;
    struct search *search = request->kept;
    if (search == NULL && !begin_guarded(page, request, answer)) {
        return;
    }
    if (search != NULL) {
        set_headers(answer);
        answer->content_type = "application/json";
        answer->status = customer_view_status(&search->question);
        customer_view_append_json(&answer->body, &search->question);
    } else if (*request->rest == '\0' || strlen(request->rest) > LOOKUP_ID_MAX) {
        answer->status = 404;
        answer->content_type = "application/json";
        text_append_string(&answer->body, "{\"error\":\"a customer_id has 1 to 128 bytes\"}\n");
    } else if (!is_audited(page, request, request->rest, false)) {
        refuse_unaudited(answer);
    } else if (!ask(page, request, request->rest)) {
        answer->status = 503;
        answer->content_type = "application/json";
        text_append_string(&answer->body, "{\"error\":\"out of memory\"}\n");
    }
}

void page_serve(struct page *page, struct listener *listener)
{
    const struct listener_route routes[] = {
        {.path = "/", .answer = answer_page, .forget = forget_search, .ctx = page},
        {.path = "/page.css", .answer = answer_css, .ctx = page},
        {.path = "/page.js", .answer = answer_js, .ctx = page},
        {.path = "/sign-in", .answer = answer_sign_in, .forget = forget_search, .ctx = page},
        {.path = "/alerts", .answer = answer_alerts, .ctx = page},
        {.path = "/customers/", .answer = answer_customer, .forget = forget_search, .ctx = page},
    };
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        listener_add(listener, &routes[i]);
    }
}

/* ---- main's ---- */

struct page *page_new(const struct page_sources *sources)
{
    struct page *page = calloc(1, sizeof *page);
    if (page == NULL || pthread_mutex_init(&page->lock, NULL) != 0) {
        free(page);
        return NULL;
    }
    page->sources = *sources;
    page->access = access_new(sources->log, clock_monotonic_ms);
    page->alerts = recent_alerts_new();
    page->lookup = lookup_new();
    if (page->access == NULL || page->alerts == NULL || page->lookup == NULL) {
        page_stop(page);
        page_free(page);
        return NULL;
    }
    return page;
}

static void show(struct page *page, const struct pipeline *pipeline)
{
    (void)pthread_mutex_lock(&page->lock);
    page->pipeline = pipeline;
    (void)pthread_mutex_unlock(&page->lock);
}

void page_prepare(struct page *page, struct pipeline *pipeline)
{
    access_set(page->access, pipeline->health_settings.token);
    pipeline->alerts = health_section_has_token(&pipeline->health_settings) ? page->alerts : NULL;
}

void page_attach(struct page *page, struct pipeline *pipeline)
{
    lookup_attach(page->lookup, pipeline);
    show(page, pipeline);
}

void page_detach(struct page *page)
{
    show(page, NULL);
    lookup_detach(page->lookup);
}

void page_tick(struct page *page)
{
    lookup_expire(page->lookup);
    access_tick(page->access);
}

void page_stop(struct page *page)
{
    show(page, NULL);
    if (page->lookup != NULL) {
        lookup_stop(page->lookup);
    }
}

void page_free(struct page *page)
{
    if (page != NULL) {
        access_free(page->access);
        lookup_free(page->lookup);
        recent_alerts_free(page->alerts);
        history_free(&page->history);
        (void)pthread_mutex_destroy(&page->lock);
        free(page);
    }
}
