#include "cli/test/predicting.h"

#include "base/json_build.h"
#include "base/json_parse.h"
#include "base/printable.h"
#include "cli/test/sinks.h"
#include "config/option.h"
#include <churn/ext/answers.h>
#include <churn/ext/tap.h>
#include <churn/time.h>
#include <json-c/json.h>
#include <stdlib.h>

#define RECORD_DEPTH 32

/* One sink that predicts. */
struct room {
    struct section section; /* first, since instances know it: the pipeline's own but for plugin and options */
    struct node options;
    struct predicting *all;
    unsigned number;          /* of the sink */
    const char *cache_prefix; /* sinks that share it share the newest prediction */
    int64_t min_interval_ms;
    bool shadow; /* its predictions are the newest of nobody */
};

/* One prediction. */
struct made {
    const struct room *room;
    unsigned event; /* its number among those that were predicted for */
    struct json_object *shown;
};

struct predicting {
    const struct test_case *test;
    const void *(*host_extension)(const churn_host *host, const char *id); /* the host's own */
    bool *used;                                                            /* of the test's answers */
    struct json_object *lacking;                                           /* triggers that had none */
    struct made *made;
    unsigned made_count;
    struct room *rooms; /* one for each sink; without a plugin where that does not predict */
    unsigned room_count;
    bool failed; /* memory ran out */
};

/* ---- the sections ---- */

static bool copy_option(struct node *to, const struct node *from, const char *name)
{
    const struct node *value = config_get(from, name);
    return config_is_absent(value) || config_put(to, name, config_copy(value));
}

/* What an option of the sink says that is a text. */
static const char *text_option(const struct section *sink, const char *name)
{
    const struct node *value = config_get(sink->node, name);
    const churn_plugin *plugin = &sink->loaded->plugin;
    const char *text = config_is_absent(value) ? NULL : value->text;
    for (uint32_t i = 0; text == NULL && i < plugin->option_count; i++) {
        const churn_option *row = plugin_option(plugin, i);
        text = strcmp(row->name, name) == 0 ? row->default_text : NULL;
    }
    return text != NULL ? text : "";
}

/* Of the sink's options those that say what becomes of an answer. They were checked when the pipeline was loaded. */
static bool copy_options(struct room *room, const struct section *sink)
{
    static const char *const of_alert[] = {"above", "clear_below", "severity"};
    const struct node *from = sink->node, *alert = config_get(from, "alert");
    struct node copy = config_map(from);
    bool ok = true;
    room->options = config_map(from);
    for (size_t i = 0; alert != NULL && i < sizeof of_alert / sizeof of_alert[0]; i++) {
        ok = copy_option(&copy, alert, of_alert[i]) && ok;
    }
    ok = config_put(&room->options, "alert", copy) && copy_option(&room->options, from, "cache_prefix") && ok;
    room->cache_prefix = text_option(sink, "cache_prefix");
    (void)option_parse_duration(text_option(sink, "min_interval"), &room->min_interval_ms);
    (void)option_parse_bool(text_option(sink, "shadow"), &room->shadow);
    return ok;
}

static bool make_rooms(struct predicting *p, const struct section *sinks, const struct loaded *scoring)
{
    bool ok = true;
    for (unsigned i = 0; i < p->room_count; i++) {
        struct room *room = &p->rooms[i];
        if (test_sink_predicts(&sinks[i])) {
            *room = (struct room){.section = sinks[i], .all = p, .number = i};
            ok = copy_options(room, &sinks[i]) && ok;
            room->section.loaded = scoring;
            room->section.node = &room->options;
        }
    }
    return ok;
}

static const struct loaded *load_scoring(const struct pipeline *pipeline)
{
    char message[2048];
    const struct loaded *loaded =
        loader_get(pipeline->loader, CHURN_KIND_SINK, "prediction_local", message, sizeof message);
    if (loaded == NULL) {
        printable_line(stderr, "churnd: test: predictions are made by the sink prediction_local meanwhile: %s",
                       message);
    }
    return loaded;
}

struct predicting *predicting_new(const struct pipeline *pipeline, const struct section *sinks,
                                  const struct test_case *test)
{
    const struct loaded *scoring = load_scoring(pipeline);
    struct predicting *p = scoring != NULL ? calloc(1, sizeof *p) : NULL;
    bool ok = p != NULL;
    if (ok) {
        *p = (struct predicting){.test = test,
                                 .room_count = test_sink_count(pipeline),
                                 .used = calloc(test->answers.count + 1u, sizeof *p->used),
                                 .rooms = calloc(test_sink_count(pipeline) + 1u, sizeof *p->rooms),
                                 .lacking = json_object_new_array()};
        ok = p->used != NULL && p->rooms != NULL && p->lacking != NULL && make_rooms(p, sinks, scoring);
    }
    if (!ok && scoring != NULL) {
        (void)fputs("churnd: test: out of memory\n", stderr);
    }
    if (!ok) {
        predicting_free(p);
        return NULL;
    }
    return p;
}

void predicting_free(struct predicting *p)
{
    if (p == NULL) {
        return;
    }
    for (unsigned i = 0; p->rooms != NULL && i < p->room_count; i++) {
        config_free_node(&p->rooms[i].options);
    }
    for (unsigned i = 0; i < p->made_count; i++) {
        json_object_put(p->made[i].shown);
    }
    free(p->made);
    json_object_put(p->lacking);
    free(p->rooms);
    free(p->used);
    free(p);
}

const struct section *predicting_section(const struct predicting *p, unsigned sink)
{
    return sink < p->room_count && p->rooms[sink].section.loaded != NULL ? &p->rooms[sink].section : NULL;
}

/* Of a host that was adapted. */
static const struct room *room_of(const churn_host *host)
{
    const struct instance *instance = host->ctx;
    return (const struct room *)(const void *)instance->section;
}

/* ---- whether a trigger is asked about ---- */

static const char *member(struct json_object *object, const char *name)
{
    struct json_object *value;
    return json_object_object_get_ex(object, name, &value) ? json_object_get_string(value) : "";
}

/* The customer's, as the sink's cache has it; NULL: there is none. */
static struct json_object *newest_prediction(const struct room *room, churn_str customer_id)
{
    for (unsigned i = room->all->made_count; i-- > 0;) {
        const struct made *made = &room->all->made[i];
        if (!made->room->shadow && strcmp(made->room->cache_prefix, room->cache_prefix) == 0 &&
            churn_equal(churn_text(member(made->shown, "customer_id")), customer_id)) {
            return made->shown;
        }
    }
    return NULL;
}

static int64_t age_of(struct json_object *prediction, const churn_host *host)
{
    const char *at = member(prediction, "predicted_at");
    int64_t ms, now = host->now_ms(host);
    return churn_time_parse(at, strlen(at), &ms) && ms < now ? now - ms : 0;
}

/* By the section's `when` and `min_interval`. */
static bool is_wanted(const struct room *room, const churn_host *host, const churn_when_subject *asked)
{
    const churn_when *when = host->get_extension(host, CHURN_WHEN_ID);
    struct json_object *newest = newest_prediction(room, asked->customer_id);
    churn_when_subject subject = *asked;
    bool recent = false;
    if (newest != NULL) {
        subject.score = churn_text(member(newest, "churn_probability"));
        subject.score_age_ms = age_of(newest, host);
        recent = subject.score_age_ms < room->min_interval_ms &&
                 !churn_equal(churn_text(member(newest, "event_id")), asked->event_id);
    }
    return when->holds(host, &subject) == 1 && !recent;
}

/* ---- answers ---- */

/* The first that is left for the customer. */
static const struct test_answer *take_answer(const struct room *room, churn_str customer_id)
{
    const struct test_answers *answers = &room->all->test->answers;
    for (unsigned i = 0; i < answers->count; i++) {
        const struct test_answer *answer = &answers->items[i];
        if (!room->all->used[i] && (answer->sink < 0 || (unsigned)answer->sink == room->number) &&
            churn_equal(churn_text(answer->customer_id), customer_id)) {
            room->all->used[i] = true;
            return answer;
        }
    }
    return NULL;
}

static void note_lack(const struct room *room, const churn_when_subject *asked)
{
    struct json_object *lack = json_object_new_object();
    if (lack != NULL) {
        json_add(lack, "customer_id", json_object_new_string_len(asked->customer_id.ptr, (int)asked->customer_id.len));
        json_add(lack, "event_id", json_object_new_string_len(asked->event_id.ptr, (int)asked->event_id.len));
        json_add(lack, "event_type", json_object_new_string_len(asked->event_type.ptr, (int)asked->event_type.len));
        json_add_text(lack, "sink", room->section.label);
    }
    if (lack == NULL || json_object_array_add(room->all->lacking, lack) != 0) {
        json_object_put(lack);
        room->all->failed = true;
    }
}

static churn_str text_or_none(const char *text)
{
    return text != NULL ? churn_text(text) : (churn_str){0};
}

static int32_t on_answer(const churn_host *host, const churn_when_subject *subject, churn_answer *ret)
{
    const struct room *room = room_of(host);
    const struct test_answer *answer;
    if (!is_wanted(room, host, subject)) {
        return CHURN_END;
    }
    answer = take_answer(room, subject->customer_id);
    if (answer == NULL) {
        note_lack(room, subject);
        return CHURN_END;
    }
    if (answer->churn_probability == NULL) {
        return CHURN_RETRY;
    }
    ret->churn_probability = churn_text(answer->churn_probability);
    ret->risk_level = text_or_none(answer->risk_level);
    ret->model_version = text_or_none(answer->model_version);
    return CHURN_OK;
}

/* ---- predictions ---- */

static int32_t on_watched(const churn_host *host, uint32_t point)
{
    (void)host;
    return point == CHURN_TAP_PREDICTIONS;
}

/* Events come one after another, so that the predictions of one stand together. */
static unsigned event_of(const struct predicting *p, struct json_object *prediction)
{
    const struct made *last = p->made_count > 0 ? &p->made[p->made_count - 1] : NULL;
    bool same = last != NULL && strcmp(member(last->shown, "request_id"), member(prediction, "request_id")) == 0;
    return last == NULL ? 0 : last->event + !same;
}

/* Takes `prediction`. */
static void keep(const struct room *room, struct json_object *prediction)
{
    struct predicting *p = room->all;
    struct made *made = realloc(p->made, (p->made_count + 1u) * sizeof *made);
    if (made == NULL || prediction == NULL) {
        p->made = made != NULL ? made : p->made;
        json_object_put(prediction);
        p->failed = true;
        return;
    }
    p->made = made;
    json_add_text(prediction, "sink", room->section.label);
    made[p->made_count] = (struct made){.room = room, .event = event_of(p, prediction), .shown = prediction};
    p->made_count++;
}

static void on_offer(const churn_host *host, uint32_t point, const churn_record *record)
{
    bool parsed;
    if (point == CHURN_TAP_PREDICTIONS) {
        keep(room_of(host), json_parse(record->value.ptr, record->value.len, RECORD_DEPTH, &parsed));
    }
}

/* ---- their host ---- */

static const void *on_extension(const churn_host *host, const char *id)
{
    static const churn_answers answers = {.size = sizeof answers, .answer = on_answer};
    static const churn_tap tap = {.size = sizeof tap, .watched = on_watched, .offer = on_offer};
    if (strcmp(id, CHURN_ANSWERS_ID) == 0) {
        return &answers;
    }
    return strcmp(id, CHURN_TAP_ID) == 0 ? &tap : room_of(host)->all->host_extension(host, id);
}

void predicting_adapt(struct predicting *p, churn_host *host)
{
    const struct instance *instance = host->ctx;
    for (unsigned i = 0; i < p->room_count; i++) {
        if (instance->section == &p->rooms[i].section) {
            p->host_extension = host->get_extension;
            host->get_extension = on_extension;
        }
    }
}

/* ---- what came of it ---- */

static int by_event_and_sink(const void *a, const void *b)
{
    const struct made *left = a, *right = b;
    unsigned of_left = left->room->number, of_right = right->room->number;
    return left->event != right->event ? (left->event > right->event) - (left->event < right->event)
                                       : (of_left > of_right) - (of_left < of_right);
}

struct json_object *predicting_predictions(struct predicting *p)
{
    struct json_object *list = json_object_new_array();
    bool ok = list != NULL && !p->failed;
    if (p->made_count > 0) {
        qsort(p->made, p->made_count, sizeof *p->made, by_event_and_sink);
    }
    for (unsigned i = 0; ok && i < p->made_count; i++) {
        ok = json_object_array_add(list, json_object_get(p->made[i].shown)) == 0;
    }
    if (!ok) {
        json_object_put(list);
        return NULL;
    }
    return list;
}

struct json_object *predicting_answers(const struct predicting *p)
{
    struct json_object *answers = json_object_new_object(), *left = json_object_new_array();
    for (unsigned i = 0; left != NULL && i < p->test->answers.count; i++) {
        if (!p->used[i] && json_object_array_add(left, json_object_new_int64(i)) != 0) {
            json_object_put(left);
            left = NULL;
        }
    }
    if (answers == NULL || left == NULL || p->failed) {
        json_object_put(left);
        json_object_put(answers);
        return NULL;
    }
    json_add(answers, "left", left);
    json_add(answers, "lacking", json_object_get(p->lacking));
    return answers;
}
