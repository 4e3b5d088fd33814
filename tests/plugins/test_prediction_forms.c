/* The forms in which a model server is asked: options checked, bodies byte by byte, answers of every shape. */
#include "../support/fake_host.h"
#include "../unit/no_leaks.h"

#include "answer_rows.h"
#include "model.h"
#include "model_metadata.h"
#include "model_options.h"
#include "request_body.h"
#include "request_row.h"
#include <stdlib.h>
#include <string.h>

#define NAME(text_) {.ptr = text_, .len = sizeof(text_) - 1}

static const churn_profile_field profile_fields[] = {
    {.name = NAME("order_count"), .type = CHURN_PROFILE_INT},
    {.name = NAME("total_spent"), .type = CHURN_PROFILE_MONEY},
    {.name = NAME("email_click_rate"), .type = CHURN_PROFILE_DECIMAL},
    {.name = NAME("last_login_at"), .type = CHURN_PROFILE_TIME},
    {.name = NAME("last_event_type"), .type = CHURN_PROFILE_STRING},
    {.name = NAME("subscription_status"), .type = CHURN_PROFILE_STATE},
};

static struct fake_host fake;
static churn_error err;
static const churn_store_ops no_store = {.size = sizeof no_store};

static void begin(void)
{
    fake_host_init(&fake);
    fake.store = &no_store;
    fake.fields = profile_fields;
    fake.field_count = COUNT(profile_fields);
    err = (churn_error){.size = sizeof err};
}

/* --- Options as a test writes them --- */

#define SCALAR(text_) {.kind = CHURN_NODE_SCALAR, .text = (text_)}
#define QUOTED(text_) {.kind = CHURN_NODE_SCALAR, .flags = CHURN_NODE_QUOTED, .text = (text_)}
#define NOTHING {.kind = CHURN_NODE_SCALAR, .flags = CHURN_NODE_NULL, .text = ""}
#define LIST(...)                                                                                                      \
    {.kind = CHURN_NODE_LIST,                                                                                          \
     .items = (const churn_node[]){__VA_ARGS__},                                                                       \
     .count = sizeof((const churn_node[]){__VA_ARGS__}) / sizeof(churn_node)}
#define KEYS(...)                                                                                                      \
    .keys = (const char *const[])                                                                                      \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }
#define MAP(keys_, ...)                                                                                                \
    {.kind = CHURN_NODE_MAP,                                                                                           \
     keys_,                                                                                                            \
     .items = (const churn_node[]){__VA_ARGS__},                                                                       \
     .count = sizeof((const churn_node[]){__VA_ARGS__}) / sizeof(churn_node)}

static struct model model_of(int32_t format, const churn_node *features)
{
    return (struct model){.format = format, .name = "churn", .tensor = "", .features_option = features};
}

static void check_refused(struct model model, int64_t batch_max, const char *option, const char *part)
{
    err = (churn_error){.size = sizeof err};
    CU_ASSERT_EQUAL(model_options_read(&model, &fake.host, batch_max, &err), CHURN_FATAL);
    if (strcmp(err.option, option) != 0 || strstr(err.message, part) == NULL) {
        (void)fprintf(stderr, "said of '%s': %s\n", err.option, err.message);
        CU_FAIL("another refusal");
    }
}

static const churn_node two_features =
    LIST(SCALAR("order_count"),
         MAP(KEYS("field", "name", "missing"), SCALAR("total_spent"), SCALAR("spent"), SCALAR("-1.5")));

static void test_features_are_checked(void)
{
    const churn_node unknown = LIST(SCALAR("order_count"), MAP(KEYS("field"), SCALAR("totl_spent"))),
                     time = LIST(MAP(KEYS("missing", "field"), SCALAR("0"), SCALAR("last_login_at"))),
                     text = LIST(SCALAR("last_event_type")),
                     words = LIST(MAP(KEYS("field", "missing"), SCALAR("order_count"), SCALAR("none"))),
                     key = LIST(MAP(KEYS("field", "missinq"), SCALAR("order_count"), SCALAR("0"))),
                     twice = LIST(SCALAR("order_count"), SCALAR("order_count")),
                     none = LIST(MAP(KEYS("missing"), SCALAR("0"))),
                     huge = LIST(MAP(KEYS("field", "missing"), SCALAR("order_count"), SCALAR("1e999"))),
                     nameless = LIST(MAP(KEYS("field", "name"), SCALAR("order_count"), QUOTED(""))),
                     no_type = LIST(MAP(KEYS("field", "datatype"), SCALAR("order_count"), QUOTED(""))),
                     type = LIST(MAP(KEYS("field", "datatype"), SCALAR("order_count"), SCALAR("FP16")));
    begin();
    check_refused(model_of(FORMAT_KSERVE_V2, &unknown), 1, "features.1.field",
                  "profiles have no field 'totl_spent' (did you mean 'total_spent'?)");
    check_refused(model_of(FORMAT_KSERVE_V2, &time), 1, "features.0.field", "{days_since: last_login_at}");
    check_refused(model_of(FORMAT_MLFLOW, &time), 1, "features.0.field", "is a time");
    check_refused(model_of(FORMAT_KSERVE_V2, &text), 1, "features.0", "'last_event_type' is a text");
    check_refused(model_of(FORMAT_KSERVE_V2, &words), 1, "features.0.missing", "'none' is not a number");
    check_refused(model_of(FORMAT_KSERVE_V2, &huge), 1, "features.0.missing", "'1e999' is not a number");
    check_refused(model_of(FORMAT_KSERVE_V2, &nameless), 1, "features.0.name", "must not be empty");
    check_refused(model_of(FORMAT_KSERVE_V2, &no_type), 1, "features.0.datatype", "must not be empty");
    check_refused(model_of(FORMAT_KSERVE_V2, &key), 1, "features.0.missinq", "(did you mean 'missing'?)");
    check_refused(model_of(FORMAT_KSERVE_V2, &twice), 1, "features.1", "'order_count' is there twice");
    check_refused(model_of(FORMAT_KSERVE_V2, &none), 1, "features.0", "a field of the profile belongs here");
    check_refused(model_of(FORMAT_KSERVE_V2, &type), 1, "features.0.datatype", "not one of INT64, INT32, FP64, FP32");
    check_refused(model_of(FORMAT_MLFLOW, &type), 1, "features.0.datatype", "unknown option 'datatype'");
    check_refused(model_of(FORMAT_KSERVE_V2, NULL), 1, "features", "must be given");
}

static void test_other_options_are_checked(void)
{
    const churn_node body = MAP(KEYS("x"), SCALAR("<rows>"));
    static const char *const one[] = {"predict_proba"};
    struct model m;
    begin();
    check_refused(model_of(FORMAT_CHURND, &two_features), 1, "features", "belongs to format: kserve_v2");
    check_refused(model_of(FORMAT_CHURND, NULL), 2, "batch.max", "must be 1");
    m = model_of(FORMAT_MLFLOW, &two_features);
    m.outputs = (churn_list){.items = one, .count = 1};
    check_refused(m, 1, "outputs", "belongs to format: kserve_v2");
    m = model_of(FORMAT_MLFLOW, &two_features);
    m.body_template = &body;
    check_refused(m, 1, "template", "belongs to format: template");
    m = model_of(FORMAT_KSERVE_V2, &two_features);
    m.name = "";
    check_refused(m, 1, "model", "must be given");
    m = model_of(FORMAT_KSERVE_V2, &two_features);
    m.answer = "outputs/0";
    check_refused(m, 1, "answer", "no JSON pointer");
    m.answer = "/a~2";
    check_refused(m, 1, "answer", "no JSON pointer");
    m = model_of(FORMAT_TEMPLATE, &two_features);
    m.body_template = &body;
    check_refused(m, 1, "answer", "must be given");
    m.answer = "/x";
    m.body_template = NULL;
    check_refused(m, 1, "template", "must be given");
}

/* --- Bodies --- */

static struct trigger *make_trigger(const char *customer, const char *offset)
{
    char id[32];
    struct trigger *made, texts = {.customer_id = churn_text(customer),
                                   .event_id = churn_text("e\"1"),
                                   .event_type = churn_text("login"),
                                   .timestamp = churn_text("2026-01-02T00:00:00.000Z")};
    (void)snprintf(id, sizeof id, "t/0/%s", offset);
    texts.request_id = churn_text(id);
    made = trigger_new(&texts);
    CU_ASSERT_PTR_NOT_NULL_FATAL(made);
    return made;
}

static const churn_pair first[] = {{.name = NAME("order_count"), .value = NAME("3")},
                                   {.name = NAME("total_spent"), .value = NAME("99.99")},
                                   {.name = NAME("_v"), .value = NAME("7")}},
                        second[] = {{.name = NAME("last_event_type"), .value = NAME("login")}};

static const churn_storage *storage(void)
{
    return fake.host.get_extension(&fake.host, CHURN_STORAGE_ID);
}

/* The body about the first `count` of two customers. */
static void check_body(struct model model, uint32_t count, const char *wanted)
{
    struct trigger *triggers[2] = {make_trigger("C1", "1"), make_trigger("C 2", "2")};
    struct text_buffer texts[2] = {{0}, {0}}, body = {0};
    struct request_row rows[2];
    err = (churn_error){.size = sizeof err};
    CU_ASSERT_EQUAL(model_options_read(&model, &fake.host, count, &err), CHURN_OK);
    for (uint32_t i = 0; i < 2; i++) {
        request_row_write(&model, &fake.host, storage(), triggers[i]->customer_id, i == 0 ? first : second,
                          i == 0 ? COUNT(first) : COUNT(second), &texts[i]);
        CU_ASSERT_FALSE(texts[i].failed);
        rows[i] = (struct request_row){.trigger = triggers[i], .row = text_str(&texts[i])};
    }
    request_body_write(&model, rows, count, &body);
    CU_ASSERT_FALSE(body.failed);
    if (body.ptr == NULL || strcmp(body.ptr, wanted) != 0) {
        (void)fprintf(stderr, "%s\nwrote  %s\nwanted %s\n", err.message, body.ptr, wanted);
        CU_FAIL("another body");
    }
    for (uint32_t i = 0; i < 2; i++) {
        free(triggers[i]);
        text_free(&texts[i]);
    }
    text_free(&body);
    model_options_free(&model);
}

static void test_kserve_bodies(void)
{
    static const char *const wanted[] = {"predict", "predict_proba"};
    const churn_node narrow = LIST(MAP(KEYS("field", "datatype"), SCALAR("order_count"), SCALAR("FP32")));
    struct model m = model_of(FORMAT_KSERVE_V2, &two_features);
    begin();
    check_body(m, 1,
               "{\"id\":\"t/0/1\",\"parameters\":{\"content_type\":\"pd\"},\"inputs\":["
               "{\"name\":\"order_count\",\"shape\":[1,1],\"datatype\":\"INT64\",\"data\":[3]},"
               "{\"name\":\"spent\",\"shape\":[1,1],\"datatype\":\"FP64\",\"data\":[99.99]}]}");
    check_body(m, 2,
               "{\"parameters\":{\"content_type\":\"pd\"},\"inputs\":["
               "{\"name\":\"order_count\",\"shape\":[2,1],\"datatype\":\"INT64\",\"data\":[3,null]},"
               "{\"name\":\"spent\",\"shape\":[2,1],\"datatype\":\"FP64\",\"data\":[99.99,-1.5]}]}");
    m.outputs = (churn_list){.items = wanted, .count = 2};
    m.tensor = "x";
    check_body(m, 2,
               "{\"inputs\":[{\"name\":\"x\",\"shape\":[2,2],\"datatype\":\"FP64\",\"data\":[3,99.99,null,-1.5]}],"
               "\"outputs\":[{\"name\":\"predict\"},{\"name\":\"predict_proba\"}]}");
    check_body(model_of(FORMAT_KSERVE_V2, &narrow), 1,
               "{\"id\":\"t/0/1\",\"parameters\":{\"content_type\":\"pd\"},\"inputs\":["
               "{\"name\":\"order_count\",\"shape\":[1,1],\"datatype\":\"FP32\",\"data\":[3]}]}");
}

static void test_kserve_path(void)
{
    struct model m = model_of(FORMAT_KSERVE_V2, &two_features);
    begin();
    m.name = "a/b c";
    CU_ASSERT_EQUAL(model_options_read(&m, &fake.host, 1, &err), CHURN_OK);
    CU_ASSERT_STRING_EQUAL(m.path, "/v2/models/a%2Fb%20c/infer");
    model_options_free(&m);
}

static void test_mlflow_bodies(void)
{
    const churn_node texts = LIST(MAP(KEYS("field", "missing"), SCALAR("last_event_type"), SCALAR("no\"ne")));
    begin();
    check_body(model_of(FORMAT_MLFLOW, &two_features), 2,
               "{\"dataframe_split\":{\"columns\":[\"order_count\",\"spent\"],\"data\":[[3,99.99],[null,-1.5]]}}");
    check_body(model_of(FORMAT_MLFLOW, &texts), 2,
               "{\"dataframe_split\":{\"columns\":[\"last_event_type\"],\"data\":[[\"no\\\"ne\"],[\"login\"]]}}");
}

static void test_template_bodies(void)
{
    const churn_node body =
        MAP(KEYS("n", "for", "q", "t", "z", "esc", "all", "rec", "col", "each", "less"), SCALAR("<count>"),
            SCALAR("m=<model>!"), QUOTED("1"), SCALAR("true"), NOTHING, SCALAR("<<rows>"), SCALAR("<rows>"),
            SCALAR("<records>"), SCALAR("<columns>"),
            MAP(KEYS("<each>"), MAP(KEYS("id", "x", "who"), SCALAR("<customer_id>/<event_id>"),
                                    SCALAR("<features.spent>"), LIST(SCALAR("<row>"), SCALAR("1.50")))),
            SCALAR("a < b"));
    const churn_node one = MAP(KEYS("p", "r", "q", "w", "e"), SCALAR("<profile>"), SCALAR("<record>"),
                               SCALAR("<request_id>"), SCALAR("<timestamp>"), SCALAR("<event_type>"));
    struct model m = model_of(FORMAT_TEMPLATE, &two_features);
    begin();
    m.answer = "/p";
    m.body_template = &body;
    check_body(m, 2,
               "{\"n\":2,\"for\":\"m=churn!\",\"q\":\"1\",\"t\":true,\"z\":null,\"esc\":\"<rows>\","
               "\"all\":[[3,99.99],[null,-1.5]],"
               "\"rec\":[{\"order_count\":3,\"spent\":99.99},{\"order_count\":null,\"spent\":-1.5}],"
               "\"col\":[\"order_count\",\"spent\"],"
               "\"each\":[{\"id\":\"C1/e\\\"1\",\"x\":99.99,\"who\":[[3,99.99],1.50]},"
               "{\"id\":\"C 2/e\\\"1\",\"x\":-1.5,\"who\":[[null,-1.5],1.50]}],\"less\":\"a < b\"}");
    m.body_template = &one;
    check_body(m, 1,
               "{\"p\":{\"order_count\":3,\"total_spent\":99.99},\"r\":{\"order_count\":3,\"spent\":99.99},"
               "\"q\":\"t/0/1\",\"w\":\"2026-01-02T00:00:00.000Z\",\"e\":\"login\"}");
}

static void test_templates_are_checked(void)
{
    const churn_node unknown = MAP(KEYS("a"), LIST(SCALAR("<customer>"))),
                     feature = MAP(KEYS("a"), SCALAR("<features.spend>")), inside = MAP(KEYS("a"), SCALAR("x <rows>")),
                     outside = MAP(KEYS("a"), SCALAR("<row>")),
                     company = MAP(KEYS("<each>", "b"), SCALAR("<row>"), SCALAR("1"));
    struct model m = model_of(FORMAT_TEMPLATE, &two_features);
    begin();
    m.answer = "";
    m.body_template = &unknown;
    check_refused(
        m, 1, "template.a.0",
        "unknown placeholder <customer> (did you mean <customer_id>?); for the text itself write <<customer>");
    m.body_template = &feature;
    check_refused(m, 1, "template.a", "unknown placeholder <features.spend> (did you mean <features.spent>?)");
    m.body_template = &inside;
    check_refused(m, 1, "template.a", "<rows> is no text: it must stand alone");
    m.body_template = &outside;
    check_refused(m, 2, "template.a", "a batch has several: put it below <each>");
    m.body_template = &company;
    check_refused(m, 2, "template.<each>", "must be alone in its map");
}

static void test_what_was_sent(void)
{
    struct model m = model_of(FORMAT_MLFLOW, &two_features);
    struct text_buffer row = {0}, text = {0};
    begin();
    CU_ASSERT_EQUAL(model_options_read(&m, &fake.host, 1, &err), CHURN_OK);
    request_row_write(&m, &fake.host, storage(), churn_text("C1"), second, COUNT(second), &row);
    request_row_features(&m, text_str(&row), &text);
    CU_ASSERT_STRING_EQUAL(text.ptr, "{\"order_count\":null,\"spent\":-1.5}");
    text_free(&row);
    text_free(&text);
    model_options_free(&m);
}

/* --- Answers --- */

/* `wanted`: a probability for each row, "-" for a row that has none; NULL: no answer at all. */
static void check_answer(int32_t format, const char *pointer, const char *body, uint32_t count, const char *wanted)
{
    struct model m = {.format = format, .answer = pointer};
    struct answer *answers[8] = {NULL};
    const char *reason = NULL;
    char said[4096] = "";
    int good = answer_rows_read(&m, churn_text(body), count, answers, &reason);
    for (uint32_t i = 0; i < count; i++) {
        size_t used = strlen(said);
        (void)snprintf(said + used, sizeof said - used, "%s%s%s", i > 0 ? " " : "",
                       answers[i] != NULL ? answers[i]->churn_probability : "-",
                       answers[i] != NULL ? answers[i]->risk_level : "");
        free(answers[i]);
    }
    if (good != (wanted != NULL) || (wanted != NULL && strcmp(said, wanted) != 0) || (!good && reason == NULL)) {
        (void)fprintf(stderr, "%s: said '%s', reason %s\n", body, said, reason != NULL ? reason : "none");
        CU_FAIL("another answer");
    }
}

static void test_answers(void)
{
    static const struct {
        int32_t format;
        const char *pointer, *body;
        uint32_t count;
        const char *wanted;
    } cases[] = {
        {FORMAT_MLFLOW, NULL, "{\"predictions\":[0.25]}", 1, "0.25"},
        {FORMAT_MLFLOW, NULL, "{\"predictions\":[0.25,1]}", 2, "0.25 1"},
        {FORMAT_MLFLOW, NULL, "{\"predictions\":[[0.75,0.25],[0.1,0.9]]}", 2, "0.25 0.9"},
        {FORMAT_MLFLOW, NULL, "{\"predictions\":[0.75,0.25,0.1,0.9]}", 2, "0.25 0.9"},
        {FORMAT_MLFLOW, NULL, "{\"predictions\":[0.75,0.25]}", 1, "0.25"},
        {FORMAT_MLFLOW, NULL, "{\"predictions\":[{\"label\":\"yes\",\"p\":0.5}]}", 1, "0.5"},
        {FORMAT_MLFLOW, NULL, "{\"predictions\":[{\"label\":1,\"p\":0.5},{\"label\":0,\"p\":0.4}]}", 2, "0.5 0.4"},
        {FORMAT_MLFLOW, NULL, "{\"predictions\":[[\"stay\",0.5]]}", 1, "0.5"},
        {FORMAT_MLFLOW, NULL, "{\"predictions\":[{\"p\":0.5,\"risk_level\":\"high\"}]}", 1, "0.5high"},
        {FORMAT_MLFLOW, NULL, "{\"predictions\":[0.5,null,2]}", 3, "0.5 - -"},
        {FORMAT_MLFLOW, NULL, "{\"predictions\":[0.5,0.6]}", 3, NULL},
        {FORMAT_MLFLOW, NULL, "{\"predictions\":[0.5,0.6,0.7]}", 1, NULL},
        {FORMAT_MLFLOW, NULL, "{\"predictions\":[]}", 1, NULL},
        {FORMAT_MLFLOW, NULL, "{\"predictions\":[NaN]}", 1, NULL},
        {FORMAT_MLFLOW, NULL, "{\"predictions\":[\"0.5\"]}", 1, NULL},
        {FORMAT_MLFLOW, NULL, "{\"predictions\":[[0.1,0.2,0.7]]}", 1, NULL},
        {FORMAT_MLFLOW, NULL, "{\"prediction\":[0.5]}", 1, NULL},
        {FORMAT_MLFLOW, NULL, "{\"predictions\":[0.5]", 1, NULL},
        {FORMAT_MLFLOW, NULL, "null", 1, NULL},
        {FORMAT_TEMPLATE, "", "[0.5,0.25]", 2, "0.5 0.25"},
        {FORMAT_TEMPLATE, "", "0.5", 1, "0.5"},
        {FORMAT_TEMPLATE, "", "0.5", 2, NULL},
        {FORMAT_TEMPLATE, "", "0.", 1, NULL},
        {FORMAT_TEMPLATE, "", "0.5 0.5", 1, NULL},
        {FORMAT_TEMPLATE, "", "[0.5", 1, NULL},
        {FORMAT_TEMPLATE, "/a~1b/1/~0", "{\"a/b\":[0,{\"~\":[0.125]}]}", 1, "0.125"},
        {FORMAT_TEMPLATE, "/score", "{\"score\":0.5,\"risk_level\":\"low\",\"model_version\":3}", 1, "0.5low"},
        {FORMAT_TEMPLATE, "/score", "{\"score\":1.0000000000000001}", 1, NULL},
        {FORMAT_TEMPLATE, "/score", "{\"score\":-0.000e8888888888888888888888888888888888888888888888888888}", 1, "0"},
        {FORMAT_TEMPLATE, "/score/0", "{\"score\":0.5}", 1, NULL},
        {FORMAT_KSERVE_V2, NULL, "{\"outputs\":[{\"name\":\"p\",\"datatype\":\"FP32\",\"data\":[0.5,0.75]}]}", 2,
         "0.5 0.75"},
        {FORMAT_KSERVE_V2, NULL, "{\"outputs\":[{\"datatype\":\"INT64\",\"data\":[1]}]}", 1, "1"},
        {FORMAT_KSERVE_V2, NULL,
         "{\"outputs\":[{\"datatype\":\"INT64\",\"data\":[1]},{\"datatype\":\"FP64\",\"data\":[0.25,0.75]}]}", 1,
         "0.75"},
        {FORMAT_KSERVE_V2, NULL,
         "{\"outputs\":[{\"datatype\":\"FP32\",\"data\":[1]},{\"datatype\":\"FP64\",\"data\":[0.5]}]}", 1, NULL},
        {FORMAT_KSERVE_V2, "/outputs/0/data",
         "{\"outputs\":[{\"datatype\":\"FP32\",\"data\":[1]},{\"datatype\":\"FP64\",\"data\":[0.5]}]}", 1, "1"},
        {FORMAT_KSERVE_V2, NULL, "{\"outputs\":[]}", 1, NULL},
        {FORMAT_KSERVE_V2, NULL, "{\"outputs\":[{\"name\":\"p\"}]}", 1, NULL},
        {FORMAT_KSERVE_V2, NULL, "[]", 1, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        check_answer(cases[i].format, cases[i].pointer, cases[i].body, cases[i].count, cases[i].wanted);
    }
}

static void test_the_models_version(void)
{
    struct model m = {.format = FORMAT_KSERVE_V2};
    struct answer *answer = NULL;
    const char *reason;
    CU_ASSERT_EQUAL_FATAL(
        answer_rows_read(
            &m,
            churn_text("{\"model_name\":\"churn\",\"model_version\":\"v7\",\"outputs\":[{\"datatype\":\"FP64\","
                       "\"data\":[0.5]}]}"),
            1, &answer, &reason),
        1);
    CU_ASSERT_STRING_EQUAL(answer->model_version, "v7");
    free(answer);
}

/* --- What a server says of its model --- */

static void check_metadata(struct model model, const char *inputs, int wanted, const char *part)
{
    char metadata[512], said[512];
    int alike;
    (void)snprintf(metadata, sizeof metadata, "{\"name\":\"churn\",\"inputs\":[%s]}", inputs);
    CU_ASSERT_EQUAL(model_options_read(&model, &fake.host, 1, &err), CHURN_OK);
    alike = model_metadata_compare(&model, churn_text(metadata), said, sizeof said);
    if (alike != wanted || strstr(said, part) == NULL) {
        (void)fprintf(stderr, "%s: %d, said: %s\n", metadata, alike, said);
        CU_FAIL("another comparison");
    }
    model_options_free(&model);
}

#define INPUT(name, datatype, width) "{\"name\":\"" name "\",\"datatype\":\"" datatype "\",\"shape\":[-1," width "]}"

static void test_metadata(void)
{
    struct model m = model_of(FORMAT_KSERVE_V2, &two_features);
    begin();
    check_metadata(m, INPUT("order_count", "INT64", "1") "," INPUT("spent", "FP64", "1"), 1, "");
    check_metadata(m, "", -1, "does not say which inputs it takes");
    check_metadata(m, INPUT("spent", "FP64", "1") "," INPUT("order_count", "INT64", "1"), 0,
                   "its order is another: spent, order_count");
    check_metadata(m, INPUT("order_count", "FP32", "1") "," INPUT("spent", "FP64", "1"), 0,
                   "'order_count' is FP32 there and INT64 here");
    check_metadata(m, INPUT("order_count", "INT64", "1") "," INPUT("spend", "FP64", "1"), 0,
                   "it has no input 'spent' (did you mean 'spend'?); it takes 'spend' (FP64), which is not among the "
                   "features");
    check_metadata(m, INPUT("order_count", "INT64", "1"), 0, "it has no input 'spent'");
    check_metadata(m, "{\"name\":\"order_count\"}," INPUT("spent", "FP64", "1"), -1,
                   "does not say the datatype of 'order_count'");
    check_metadata(m, "{\"name\":\"order_count\"}," INPUT("spent", "FP32", "1"), 0, "'spent' is FP32 there");
    check_metadata(m, "{\"datatype\":\"INT64\"}," INPUT("spent", "FP64", "1"), -1, "the names of 1 of 2 inputs");
    check_metadata(m, "{\"name\":\"age\"}," INPUT("order_count", "INT64", "1"), 0, "it takes 'age', which is not");
    m.tensor = "x";
    check_metadata(m, INPUT("x", "FP64", "2"), 1, "");
    check_metadata(m, INPUT("x", "FP64", "-1"), 1, "");
    check_metadata(m, INPUT("x", "FP32", "3"), 0,
                   "'x' is FP32 there and FP64 here; 'x' takes 3 features, and there are 2");
    check_metadata(m, INPUT("y", "FP64", "2"), 0, "it has no input 'x'");
    check_metadata(m, "{\"name\":\"x\",\"datatype\":\"FP64\"}", -1, "does not say the shape of 'x'");
    check_metadata(m, "{\"datatype\":\"FP64\",\"shape\":[-1,2]}", -1, "the names of 1 of 1 inputs");
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"features are checked", test_features_are_checked},
        {"other options are checked", test_other_options_are_checked},
        {"KServe: bodies", test_kserve_bodies},
        {"KServe: the path", test_kserve_path},
        {"MLflow: bodies", test_mlflow_bodies},
        {"templates: bodies", test_template_bodies},
        {"templates are checked", test_templates_are_checked},
        {"what was sent is known", test_what_was_sent},
        {"metadata", test_metadata},
        {"answers", test_answers},
        {"the model's version", test_the_models_version},
        CU_TEST_INFO_NULL,
    };
    return run_tests_without_leaks("forms of the sink prediction", tests);
}
