#include "cli/test/answers.h"

#include "base/decimal.h"
#include "base/suggest.h"
#include "cli/test/sinks.h"
#include "config/option.h"
#include <stddef.h>
#include <stdlib.h>

#define MAX_TEXT 256 /* of what an API says beside the probability */

struct reader {
    struct config *config;
    const struct pipeline *pipeline;
};

/* One answer as its options are read; the texts that are kept are those of its node. */
struct said {
    const char *customer_id;
    double churn_probability;
    int64_t status;
    const char *risk_level;
    const char *model_version;
    const char *sink;
};

static const churn_option said_options[] = {
    {.name = "customer_id",
     .type = CHURN_OPTION_STRING,
     .flags = CHURN_OPTION_REQUIRED,
     .offset = offsetof(struct said, customer_id),
     .help = ""},
    {.name = "churn_probability",
     .type = CHURN_OPTION_DOUBLE,
     .default_text = "0",
     .min = 0,
     .max = 1,
     .offset = offsetof(struct said, churn_probability),
     .help = ""},
    {.name = "status",
     .type = CHURN_OPTION_INT,
     .default_text = "503",
     .min = 300,
     .max = 599,
     .offset = offsetof(struct said, status),
     .help = ""},
    {.name = "risk_level", .type = CHURN_OPTION_STRING, .offset = offsetof(struct said, risk_level), .help = ""},
    {.name = "model_version", .type = CHURN_OPTION_STRING, .offset = offsetof(struct said, model_version), .help = ""},
    {.name = "sink", .type = CHURN_OPTION_STRING, .offset = offsetof(struct said, sink), .help = ""},
};

/* The text of a member; NULL: it is not there. */
static const char *text_of(const struct node *answer, const char *name)
{
    const struct node *node = config_get(answer, name);
    return config_is_absent(node) ? NULL : node->text;
}

/* Whether an API that answers so is asked again until it answers otherwise. */
static bool is_tried_again(int64_t status)
{
    return status != 400 && status != 413 && status != 422;
}

static bool check_outcome(const struct reader *r, const struct node *node, const struct said *said)
{
    const struct node *status = config_get(node, "status"), *score = config_get(node, "churn_probability");
    if (config_is_absent(status) == config_is_absent(score)) {
        config_error(r->config, config_is_absent(status) ? node : status,
                     "answers: write churn_probability, from 0 to 1, or status, such as 503, for a model that fails");
        return false;
    }
    if (!config_is_absent(status) && !is_tried_again(said->status)) {
        config_error(r->config, status,
                     "answers: status: %lld makes a dead letter of a trigger, which no test shows; write one that is "
                     "tried again, such as 503",
                     (long long)said->status);
        return false;
    }
    if (!config_is_absent(score) && !decimal_is_number(score->text, strlen(score->text))) {
        config_error(r->config, score, "answers: churn_probability: '%s' is no number as JSON writes it, such as 0.8",
                     score->written);
        return false;
    }
    return true;
}

static bool check_length(const struct reader *r, const struct node *node, const char *name)
{
    const char *text = text_of(node, name);
    if (text != NULL && strlen(text) > MAX_TEXT) {
        config_error(r->config, config_get(node, name), "answers: %s: at most %d bytes", name, MAX_TEXT);
        return false;
    }
    return true;
}

static bool report_sink(const struct reader *r, const struct node *node, const char *name)
{
    struct suggest suggest = {.typed = name};
    char hint[128];
    for (unsigned i = 0; i < test_sink_count(r->pipeline); i++) {
        if (test_sink_predicts(&r->pipeline->sinks[i])) {
            suggest_offer(&suggest, r->pipeline->sinks[i].label);
        }
    }
    config_error(r->config, node, "answers: sink: the pipeline has no sink '%s' that predicts%s", node->written,
                 suggest_text(&suggest, hint, sizeof hint));
    return false;
}

static bool find_sink(const struct reader *r, const struct node *node, int *ret)
{
    const char *name = text_of(node, "sink");
    if (name == NULL) {
        *ret = -1;
        return true;
    }
    *ret = test_sink_find(r->pipeline, name);
    if (*ret == -2) {
        config_error(r->config, config_get(node, "sink"),
                     "answers: sink: the pipeline has several sinks '%s'; write the place in its list", name);
        return false;
    }
    return (*ret >= 0 && test_sink_predicts(&r->pipeline->sinks[*ret])) ||
           report_sink(r, config_get(node, "sink"), name);
}

static bool read_answer(const struct reader *r, const struct node *node, struct test_answer *ret)
{
    struct said said = {0};
    struct option_target target = OPTION_TARGET(said_options, &said);
    bool ok;
    if (node->kind != NODE_MAP) {
        config_error(r->config, node,
                     "answers: an answer belongs here, as in '{customer_id: cust_1, churn_probability: 0.8}'");
        return false;
    }
    ok = options_read(r->config, node, node, "answers", &target, 1, NULL);
    ok = ok && check_outcome(r, node, &said) && check_length(r, node, "risk_level") &&
         check_length(r, node, "model_version") && find_sink(r, node, &ret->sink);
    options_free(&target, 1);
    ret->node = node;
    ret->customer_id = text_of(node, "customer_id");
    ret->churn_probability = text_of(node, "churn_probability");
    ret->risk_level = text_of(node, "risk_level");
    ret->model_version = text_of(node, "model_version");
    return ok;
}

/* Whether anybody can be asked. */
static bool check_pipeline(const struct reader *r, const struct node *list)
{
    for (unsigned i = 0; i < test_sink_count(r->pipeline); i++) {
        if (test_sink_predicts(&r->pipeline->sinks[i])) {
            return true;
        }
    }
    config_error(r->config, list, "answers: this pipeline has no sink that predicts, so nobody is asked");
    return false;
}

bool test_answers_read(struct test_answers *answers, const struct pipeline *pipeline, struct config *config,
                       const struct node *test)
{
    const struct reader r = {.config = config, .pipeline = pipeline};
    const struct node *list = config_get(test, "answers");
    bool ok = true;
    *answers = (struct test_answers){0};
    if (config_is_absent(list)) {
        return true;
    }
    if (list->kind != NODE_LIST) {
        config_error(config, list, "answers: a list of answers belongs here, [] where nobody is asked");
        return false;
    }
    answers->node = list;
    answers->items = calloc(list->count + 1u, sizeof *answers->items);
    if (answers->items == NULL) {
        config_error(config, NULL, "out of memory");
        return false;
    }
    for (; answers->count < list->count; answers->count++) {
        ok = read_answer(&r, &list->items[answers->count], &answers->items[answers->count]) && ok;
    }
    return check_pipeline(&r, list) && ok;
}

void test_answers_free(struct test_answers *answers)
{
    free(answers->items);
    *answers = (struct test_answers){0};
}
