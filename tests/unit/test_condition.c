/* Conditions: what each piece of the language means on events, what is refused and how that is said. */
#include "core/event/condition.h"

#include "core/event/event.h"
#include "no_leaks.h"
#include "types_fixture.h"

static struct types_fixture types;
static struct event_decoder *decoder;

static const char *const states[] = {"packed", "sent", "lost", NULL};
static const churn_field parcel_fields[] = {
    {"weight", .type = CHURN_FIELD_INT, .min = INT64_MIN, .max = INT64_MAX},
    {"worth", .type = CHURN_FIELD_MONEY},
    {"fragile", .type = CHURN_FIELD_BOOL},
    {"due", .type = CHURN_FIELD_TIME},
    {"state", .type = CHURN_FIELD_STRING, .choices = states},
    {"note", .type = CHURN_FIELD_STRING},
    {"mark", .type = CHURN_FIELD_STRING},
};
static const char *const letter_states[] = {"sent", "franked", NULL};
static const churn_field letter_fields[] = {
    {"mark", .type = CHURN_FIELD_INT, .min = 0, .max = 9}, /* a text in a parcel */
    {"weight", .type = CHURN_FIELD_MONEY},                 /* a number in both */
    {"state", .type = CHURN_FIELD_STRING, .choices = letter_states},
};
static const churn_event_type parcel_type = {.size = sizeof parcel_type, CHURN_FIELDS(parcel_fields)};
static const churn_event_type letter_type = {.size = sizeof letter_type, CHURN_FIELDS(letter_fields)};

static void open_types(void)
{
    churn_plugin parcel = TYPE_ENTRY("parcel", &parcel_type), letter = TYPE_ENTRY("letter", &letter_type);
    const churn_plugin *own[] = {&parcel, &letter};
    if (!types_load(&types, own, COUNT(own))) {
        (void)fprintf(stderr, "%s\n", types.message);
        abort();
    }
    decoder = event_decoder_new(&types.catalog);
}

static const struct event_type *type_of(const char *name)
{
    return &types.catalog.types[name_index_find(&types.catalog.type_names, name, strlen(name))];
}

/* An event, decoded; its bytes are static. */
static const struct event_type *decode(const char *event_type, const char *data, churn_event *event)
{
    static char bytes[4096 + JSON_SCAN_PADDING];
    struct reject reject;
    const struct event_type *type;
    int len = snprintf(bytes, sizeof bytes,
                       "{\"event_id\":\"e_1\",\"event_type\":\"%s\",\"customer_id\":\"ada\",\"timestamp\":"
                       "\"2026-03-01T12:00:00Z\",\"data\":%s}",
                       event_type, data);
    memset(bytes + len, 0, JSON_SCAN_PADDING);
    type = event_decode(decoder, bytes, (size_t)len, event, &reject);
    check(type != NULL, "%s: %s", bytes, reject.detail);
    return type;
}

static const char *message_of(const char *text, const char *only, bool alerts)
{
    static char message[1024];
    struct condition_scope scope = {
        .catalog = &types.catalog, .only = only != NULL ? type_of(only) : NULL, .has_severity = alerts};
    char *copy = exact_copy(text, strlen(text) + 1);
    struct condition *condition = condition_compile(copy, &scope, message, sizeof message);
    free(copy);
    if (condition != NULL) {
        message[0] = '\0';
    }
    condition_free(condition);
    return message;
}

static bool matches(const char *text, const char *event_type, const char *data)
{
    char message[1024] = "";
    struct condition_scope scope = {.catalog = &types.catalog};
    churn_event event = {0};
    const struct event_type *type = decode(event_type, data, &event);
    char *copy = exact_copy(text, strlen(text) + 1);
    struct condition *condition = condition_compile(copy, &scope, message, sizeof message);
    bool yes = false;
    free(copy); /* the program keeps nothing of it */
    check(condition != NULL, "%s: %s", text, message);
    if (condition != NULL && type != NULL) {
        yes = condition_matches(condition, type, &event, CHURN_SEVERITY_NONE);
    }
    condition_free(condition);
    return yes;
}

#define PARCEL                                                                                                         \
    "{\"weight\":7,\"worth\":99.99,\"fragile\":true,\"due\":\"2026-03-05T00:00:00+01:00\",\"state\":\"sent\","         \
    "\"note\":\"caf\\u00e9 \\\"x\\\"\"}"

static void check_parcel(const char *text, bool expected)
{
    check(matches(text, "parcel", PARCEL) == expected, "%s is not %s", text, expected ? "true" : "false");
}

static const char *const true_texts[] = {
    "true",
    " \t\n true \r\n",
    "!false",
    "!!true",
    "event_type == \"parcel\"",
    "event_type == 'parcel'",
    "'parcel' == event_type",
    "event_type != 'letter'",
    "customer_id == \"ada\" && event_id == \"e_1\"",
    "timestamp == timestamp(\"2026-03-01T12:00:00Z\")",
    "timestamp == timestamp('2026-03-01T13:00:00.0+01:00')",
    "timestamp < data.due",
    "data.due <= timestamp('2026-03-04T23:00:00Z')",
    "timestamp>timestamp('2026-03-01T11:59:59.999Z')",
    "data.weight == 7",
    "7 == data.weight",
    "data.weight == 7.0",
    "data.weight < 7.0001",
    "data.weight > 6.9999",
    "data.weight > -7",
    "data.weight >= 7 && data.weight <= 7",
    "data.worth == 99.99",
    "data.worth == 99.9900",
    "data.worth > 99.9899",
    "data.worth < 100",
    "data.worth > data.weight",
    "data.worth < 999999999999999999.9999",
    "data.fragile",
    "data.fragile == true",
    "data.fragile != false",
    "data.fragile in [false, true]",
    "data.state == 'sent'",
    "data.state in ['packed', 'sent']",
    "!(data.state in ['packed', 'lost'])",
    "data.weight in [1, 7.0, 9]",
    "timestamp in [timestamp('2026-03-01T12:00:00Z')]",
    "data.note.startsWith('caf')",
    "data.note.endsWith(\"\\\"x\\\"\")",
    "data.note.endsWith('\"x\"')",
    "data.note.contains('é ')",
    "data.note.contains('')",
    "data.note.startsWith(\"\")",
    "event_type.startsWith(event_type)",
    "'parcels'.startsWith(event_type)",
    "size(data.note) == 8",
    "size('') == 0",
    "size(event_type) > 5",
    "event_id < customer_id == false",
    "customer_id < event_id",
    "'a' < 'b' && 'a' < 'aa' && '' < 'a' && 'é' > 'z'",
    "data.state < 'sent!' && 'sent!' > data.state", /* a quote stands behind it in the event */
    "data.state > 'sen' && 'sen' < data.state",
    "has(data.note)",
    "has(data.note) && !has(data.mark)",
    "has ( data . note )",
    "'a\\'b\\\\' == \"a'b\\\\\"",
    "'\\n\\r\\t' != ''",
    /* precedence: ! before ==, == before &&, && before || */
    "!data.fragile == false",
    "true || false && false",
    "(true || false) && true",
    "false && false || true",
    "false == false && true",
    "true == (1 == 1)",
    "1 == 1 == true",
    /* what is absent decides nothing, unless the other side does */
    "true || data.mark == 'x'",
    "data.mark == 'x' || true",
    "!(false && data.mark == 'x')",
    "!(data.mark == 'x' && false)",
    "(data.mark == 'x' || true) && true",
    "!(data.mark in ['x'] && false)",
    "data.mark.contains('x') || size(data.mark) > 0 || true",
};

static void test_what_is_true(void)
{
    for (size_t i = 0; i < COUNT(true_texts); i++) {
        const char *text = true_texts[i];
        bool about_mark = strstr(text, "data.mark") != NULL && strstr(text, "has(data.mark") == NULL;
        if (!about_mark) {
            char inverse[512];
            (void)snprintf(inverse, sizeof inverse, "!(%s)", text);
            check_parcel(text, true);
            check_parcel(inverse, false); /* so it is known, and not what nothing is */
        }
    }
}

static bool matches_parcel(const char *text)
{
    char message[1024];
    struct condition_scope scope = {.catalog = &types.catalog, .only = type_of("parcel")};
    churn_event event = {0};
    const struct event_type *type = decode("parcel", PARCEL, &event);
    struct condition *condition = condition_compile(text, &scope, message, sizeof message);
    bool yes = condition != NULL && condition_matches(condition, type, &event, CHURN_SEVERITY_NONE);
    check(condition != NULL, "%s: %s", text, message);
    condition_free(condition);
    return yes;
}

/* The parcel has no mark. */
static void test_what_is_absent(void)
{
    static const char *const unknown[] = {"data.mark == 'x'",
                                          "data.mark != 'x'",
                                          "data.mark < 'x'",
                                          "data.mark in ['x']",
                                          "data.mark.startsWith('')",
                                          "'x'.contains(data.mark)",
                                          "size(data.mark) >= 0",
                                          "data.mark == data.mark",
                                          "data.mark == 'x' && true",
                                          "true && data.mark == 'x'",
                                          "data.mark == 'x' || false",
                                          "false || data.mark == 'x'",
                                          "data.mark == 'x' || data.mark != 'x'",
                                          "(data.mark == 'x') == true",
                                          "size(data.mark) == 1 || !(size(data.mark) == 1)"};
    for (size_t i = 0; i < COUNT(true_texts); i++) {
        check(strstr(true_texts[i], "data.mark") == NULL || matches_parcel(true_texts[i]), "%s", true_texts[i]);
    }
    for (size_t i = 0; i < COUNT(unknown); i++) {
        char inverse[512];
        (void)snprintf(inverse, sizeof inverse, "!(%s)", unknown[i]);
        check(!matches_parcel(unknown[i]), "%s matches", unknown[i]);
        check(!matches_parcel(inverse), "%s matches", inverse);
    }
}

/* A field of several types is found in each of them; one that the event's type does not declare is absent. */
static void test_several_types(void)
{
    CU_ASSERT(matches("data.weight > 1.5", "letter", "{\"weight\":1.5001}"));
    CU_ASSERT(!matches("data.weight > 1.5", "letter", "{\"weight\":1.5}"));
    CU_ASSERT(matches("data.weight > 1.5", "parcel", "{\"weight\":2}"));
    CU_ASSERT(!matches("data.worth > 1 || data.fragile", "letter", "{\"weight\":1}"));
    CU_ASSERT(!matches("!has(data.worth) && !data.fragile", "letter", "{}"));
    CU_ASSERT(matches("!has(data.worth) && !has(data.fragile)", "letter", "{}"));
    CU_ASSERT(matches("has(data.mark)", "letter", "{\"mark\":1}"));
    CU_ASSERT(matches("data.state == 'franked'", "letter", "{\"state\":\"franked\"}"));
    CU_ASSERT(matches("data.amount >= 100", "payment_failed", "{\"amount\":100}"));
    CU_ASSERT(!matches("data.amount >= 100", "payment_failed", "{\"amount\":99.9999}"));
    CU_ASSERT(
        matches("event_type in ['payment_failed'] && data.amount >= 100 || event_type == 'login'", "login", "{}"));
}

static void test_severity(void)
{
    struct condition_scope scope = {.catalog = &types.catalog, .has_severity = true};
    char message[1024];
    churn_event event;
    const struct event_type *type = decode("login", "{}", &event);
    struct condition *condition =
        condition_compile("severity in ['critical', 'info']", &scope, message, sizeof message);
    CU_ASSERT_FATAL(condition != NULL);
    CU_ASSERT(condition_matches(condition, type, &event, CHURN_SEVERITY_CRITICAL));
    CU_ASSERT(condition_matches(condition, type, &event, CHURN_SEVERITY_INFO));
    CU_ASSERT(!condition_matches(condition, type, &event, CHURN_SEVERITY_WARNING));
    condition_free(condition);
    check_text(message_of("severity == 'urgent'", NULL, true),
               "it is never 'urgent', only one of info, warning, critical, at ''urgent''", "severity");
    check_text(message_of("severity == 'critical'", NULL, false),
               "only alerts have a severity, at 'severity == 'critica'", "severity of an event");
    check_text(message_of("event_type in ['login', 'score']", NULL, true), "", "an alert of a score");
    check_text(message_of("event_type == 'scor'", NULL, true),
               "no event type 'scor' is loaded (did you mean 'score'?), at ''scor''", "no alert of a score");
    check_text(message_of("event_type == 'score'", NULL, false), "no event type 'score' is loaded, at ''score''",
               "an event of a score");
    check_text(message_of("severity >= 'warning'", NULL, true),
               "severity has no order; compare with == or !=, or use 'in', at '>= 'warning''", "order of severities");
}

static const struct {
    const char *text, *message;
} wrong[] = {
    {"", "a name, a value or '(' is missing, at the end"},
    {"  ", "a name, a value or '(' is missing, at the end"},
    {"data.amont > 5", "no loaded event type has a field 'amont' (did you mean 'amount'?), at 'data.amont > 5'"},
    {"data", "'.' is missing behind 'data', as in data.amount, at the end"},
    {"data.", "the name of a field is missing behind 'data.', at the end"},
    {"data.5", "the name of a field is missing behind 'data.', at '5'"},
    {"data..amount == 1", "the name of a field is missing behind 'data.', at '.amount == 1'"},
    {"dta.amount > 5", "unknown name 'dta' (did you mean 'data'?), at 'dta.amount > 5'"},
    {"amount > 5", "unknown name 'amount' (did you mean 'data.amount'?), at 'amount > 5'"},
    {"evnt_type == 'login'", "unknown name 'evnt_type' (did you mean 'event_type'?), at 'evnt_type == 'login''"},
    {"event_type", "the whole must be true or false; it is a text, at 'event_type'"},
    {"5", "the whole must be true or false; it is a number, at '5'"},
    {"'a'", "the whole must be true or false; it is a text, at ''a''"},
    {"data.amount", "the whole must be true or false; it is a number, at 'data.amount'"},
    {"timestamp", "the whole must be true or false; it is a time, at 'timestamp'"},
    {"timestamp(\"2026-01-01T00:00:00Z\")",
     "the whole must be true or false; it is a time, at 'timestamp(\"2026-01-0'"},
    {"size(event_type)", "the whole must be true or false; it is a number, at 'size(event_type)'"},
    {"event_type == 5", "a text cannot be compared with a number, at '5'"},
    {"event_type == \"logn\"", "no event type 'logn' is loaded (did you mean 'login'?), at '\"logn\"'"},
    {"event_type in [\"login\", \"logn\"]", "no event type 'logn' is loaded (did you mean 'login'?), at '\"logn\"]'"},
    {"data.priority == \"urgnt\"",
     "it is never 'urgnt', only one of low, medium, high, urgent (did you mean 'urgent'?), at '\"urgnt\"'"},
    {"\"urgnt\" != data.priority", "it is never 'urgnt', only one of low, medium, high, urgent (did you mean "
                                   "'urgent'?), at '\"urgnt\" != data.prio'"},
    {"data.state in [\"packed\", \"franced\"]", "it is never 'franced', only one of sent, franked, packed, sent, lost "
                                                "(did you mean 'franked'?), at '\"franced\"]'"},
    {"data.amount == \"5\"", "a number cannot be compared with a text, at '\"5\"'"},
    {"data.amount > true", "a number cannot be compared with a truth value, at 'true'"},
    {"timestamp > \"2026-01-01T00:00:00Z\"", "a time cannot be compared with a text; write a time as "
                                             "timestamp(\"2026-01-01T00:00:00Z\"), at '\"2026-01-01T00:00:00'"},
    {"\"2026-01-01\" < timestamp",
     "a text cannot be compared with a time; write a time as timestamp(\"2026-01-01T00:00:00Z\"), at 'timestamp'"},
    {"timestamp > timestamp(\"2026-02-30T00:00:00Z\")",
     "this is no RFC 3339 time that exists, such as 2026-01-01T00:00:00Z, at '\"2026-02-30T00:00:00'"},
    {"timestamp > timestamp(5)", "a time in quotes belongs here, such as timestamp(\"2026-01-01T00:00:00Z\"), at '5)'"},
    {"timestamp > timestamp(\"2026-01-01T00:00:00Z\"", "')' is missing behind the time, at the end"},
    {"timestamp > timestamp \"x\"", "the expression ends before this, at '\"x\"'"},
    {"data.fragile > false", "a truth value has no order; compare with == or !=, or use 'in', at '> false'"},
    {"true < false", "a truth value has no order; compare with == or !=, or use 'in', at '< false'"},
    {"data.mark == 5", "data.mark is a number in letter and a text in parcel, at 'data.mark == 5'"},
    {"has(data.mark) && has(data.marks)",
     "no loaded event type has a field 'marks' (did you mean 'mark'?), at 'has(data.marks)'"},
    {"has(event_type)", "has() asks for a field of the data, as in has(data.amount), at 'event_type)'"},
    {"has(data.amount", "')' is missing behind the field, at the end"},
    {"has data.amount", "'(' is missing behind 'has', at 'data.amount'"},
    {"has(data)", "'.' is missing behind 'data', as in data.amount, at ')'"},
    {"size(data.amount) > 1", "size() is of a text; this is a number, at 'data.amount) > 1'"},
    {"size(\"a\" > 1", "a text cannot be compared with a number, at '1'"},
    {"size \"a\"", "'(' is missing behind 'size', at '\"a\"'"},
    {"data.amount.startsWith(\"a\")", "a text belongs here; this is a number, at 'data.amount.startsWi'"},
    {"event_type.startsWith(5)", "a text belongs here; this is a number, at '5)'"},
    {"event_type.startWith(\"a\")",
     "there is no function 'startWith'; there are startsWith, endsWith and contains, at 'startWith(\"a\")'"},
    {"event_type.matches(\"a\")",
     "there is no function 'matches'; there are startsWith, endsWith and contains, at 'matches(\"a\")'"},
    {"event_type.startsWith \"a\"", "'(' is missing behind the function's name, at '\"a\"'"},
    {"event_type.startsWith(\"a\"", "')' is missing behind the function's text, at the end"},
    {"event_type.", "there is no function ''; there are startsWith, endsWith and contains, at the end"},
    {"event_type.startsWith", "'(' is missing behind the function's name, at the end"},
    {"true true", "the expression ends before this, at 'true'"},
    {"true)", "the expression ends before this, at ')'"},
    {"(true", "')' is missing to close '(', at the end"},
    {"((true)", "')' is missing to close '(', at the end"},
    {"()", "a name, a value or '(' is missing, at ')'"},
    {"true &&", "a name, a value or '(' is missing, at the end"},
    {"&& true", "a name, a value or '(' is missing, at '&& true'"},
    {"true && 5", "'&&' takes what is true or false; this is a number, at '5'"},
    {"5 && true", "'&&' takes what is true or false; this is a number, at '5 && true'"},
    {"'a' || true", "'||' takes what is true or false; this is a text, at ''a' || true'"},
    {"true & false", "this is no operator (did you mean '&&'?), at '& false'"},
    {"true | false", "this is no operator (did you mean '||'?), at '| false'"},
    {"event_type = \"login\"", "this is no operator (did you mean '=='?), at '= \"login\"'"},
    {"event_type == \"login\" and true", "this is no operator (did you mean '&&'?), at 'and true'"},
    {"event_type == \"login\" or true", "this is no operator (did you mean '||'?), at 'or true'"},
    {"not true", "unknown name 'not' (did you mean '!'?), at 'not true'"},
    {"!5", "'!' takes what is true or false; this is a number, at '5'"},
    {"!", "a name, a value or '(' is missing, at the end"},
    {"! && true", "a name, a value or '(' is missing, at '&& true'"},
    {"true ? false : true", "there is no operator '?', at '? false : true'"},
    {"data.amount + 1 > 2", "there is no operator '+', at '+ 1 > 2'"},
    {"data.amount > 1 + 2", "there is no operator '+', at '+ 2'"},
    {"data.amount * 2 > 4", "there is no operator '*', at '* 2 > 4'"},
    {"-data.amount < 1", "a name, a value or '(' is missing, at '-data.amount < 1'"},
    {"data.amount > - 1", "a name, a value or '(' is missing, at '- 1'"},
    {"data.amount > 1.23456", "a number has at most four decimals, as money has, at '1.23456'"},
    {"data.amount > 1.", "this is no number; write digits, such as 5 or 99.99, at '1.'"},
    {"data.amount > .5", "a name, a value or '(' is missing, at '.5'"},
    {"data.amount > 1e3", "this is no number; write digits, such as 5 or 99.99, at '1e3'"},
    {"data.amount > 0x10", "this is no number; write digits, such as 5 or 99.99, at '0x10'"},
    {"data.amount > 5u", "this is no number; write digits, such as 5 or 99.99, at '5u'"},
    {"data.amount > 1234567890123456789", "a number has at most 18 digits before the point, at '1234567890123456789'"},
    {"data.amount > 1.2.3", "this is no number; write digits, such as 5 or 99.99, at '1.2.3'"},
    {"event_type == \"login", "the text has no closing \", at '\"login'"},
    {"event_type == 'login\"", "the text has no closing ', at ''login\"'"},
    {"event_type == \"log\\in\"", "there is no such escape; there are \\\\ \\\" \\' \\n \\r \\t, at '\\in\"'"},
    {"event_type == \"\\", "there is no such escape; there are \\\\ \\\" \\' \\n \\r \\t, at '\\'"},
    {"event_type == login", "unknown name 'login' (a text stands in quotes), at 'login'"},
    {"event_type in \"login\"", "'[' is missing behind 'in', as in [\"a\", \"b\"], at '\"login\"'"},
    {"event_type in []", "a value belongs into the list: a text, a number, true, false or timestamp(\"…\"), at ']'"},
    {"event_type in [\"login\",]",
     "a value belongs into the list: a text, a number, true, false or timestamp(\"…\"), at ']'"},
    {"event_type in [\"login\" \"login\"]", "']' is missing behind the list, at '\"login\"]'"},
    {"event_type in [\"login\"", "']' is missing behind the list, at the end"},
    {"event_type in [\"login\", 5]", "a text cannot be compared with a number, at '5]'"},
    {"event_type in [event_type]",
     "a value belongs into the list: a text, a number, true, false or timestamp(\"…\"), at 'event_type]'"},
    {"event_type not in [\"login\"]", "the expression ends before this, at 'not in [\"login\"]'"},
    {"[\"login\"] == event_type", "a list belongs behind 'in', at '[\"login\"] == event_t'"},
    {"[1]", "a list belongs behind 'in', at '[1]'"},
    {"event_type == null", "unknown name 'null' (a text stands in quotes), at 'null'"},
    {"event_type === 'login'", "a name, a value or '(' is missing, at '= 'login''"},
    {"event_type <> 'login'", "a name, a value or '(' is missing, at '> 'login''"},
    {"event_type == \"login\" ; true", "the expression ends before this, at '; true'"},
    {"severity == \"critical\"", "only alerts have a severity, at 'severity == \"critica'"},
    {"data.amount > 5 // comment", "there is no operator '/', at '// comment'"},
    {"data[\"amount\"] > 5", "'.' is missing behind 'data', as in data.amount, at '[\"amount\"] > 5'"},
    {"événement == 1", "a name, a value or '(' is missing, at 'événement == 1'"},
    {"event_type == \"login\" && data.amount > 5 && data.amountt > 1",
     "no loaded event type has a field 'amountt' (did you mean 'amount'?), at 'data.amountt > 1'"},
};

static void test_wrong_texts(void)
{
    for (size_t i = 0; i < COUNT(wrong); i++) {
        check_text(message_of(wrong[i].text, NULL, false), wrong[i].message, wrong[i].text);
    }
}

/* In the context of one type only its own fields count, and those of one name need not agree with other types'. */
static void test_one_type(void)
{
    check_text(message_of("data.mark == 5", "letter", false), "", "a letter's mark");
    check_text(message_of("data.mark == 'x'", "parcel", false), "", "a parcel's mark");
    check_text(message_of("data.worth > 5", "letter", false), "letter has no field 'worth', at 'data.worth > 5'",
               "a letter's worth");
    check_text(message_of("data.wort > 5", "parcel", false),
               "parcel has no field 'wort' (did you mean 'worth'?), at 'data.wort > 5'", "a parcel's wort");
    check_text(message_of("data.state == 'lost'", "letter", false),
               "it is never 'lost', only one of sent, franked, at ''lost''", "a lost letter");
    check_text(message_of("event_type == 'parcel'", "letter", false),
               "it is never 'parcel', only one of letter, at ''parcel''", "another type");
}

/* `count` times `piece` between `before` and `after`; static. */
static const char *repeated(const char *before, const char *piece, unsigned count, const char *after)
{
    static char text[16384];
    size_t used = (size_t)snprintf(text, sizeof text, "%s", before);
    for (unsigned i = 0; i < count; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s", piece);
    }
    (void)snprintf(text + used, sizeof text - used, "%s", after);
    return text;
}

static void check_deep(const char *open, const char *whole, const char *close, unsigned levels, bool expected)
{
    char inner[8192];
    (void)snprintf(inner, sizeof inner, "%s%s", whole, repeated("", close, levels, ""));
    const char *message = message_of(repeated("", open, levels, inner), NULL, false);
    check((*message == '\0') == expected, "%u times '%s': %s", levels, open, message);
    check(expected || strstr(message, "it is nested more than 32 levels deep") != NULL, "%s", message);
}

static void test_limits(void)
{
    check_deep("(", "true", ")", 31, true);
    check_deep("(", "true", ")", 32, false);
    check_deep("(", "true", ")", 2000, false);
    check_deep("!", "true", "", 31, true);
    check_deep("!", "true", "", 32, false);
    check_deep("size(", "", "", 800, false);
    check_deep("''.contains(", "", "", 300, false);
    check_text(message_of(repeated("true", " && true", 127, ""), NULL, false), "", "255 terms");
    check_text(message_of(repeated("!true", " && true", 127, ""), NULL, false), "", "256 terms");
    check_contains(message_of(repeated("true", " && true", 128, ""), NULL, false), "it has more than 256 parts", "257");
    check_text(message_of(repeated("true", " ", 4092, ""), NULL, false), "", "4096 bytes");
    check_contains(message_of(repeated("true", " ", 4093, ""), NULL, false), "it is longer than 4096 bytes", "4097");
    check_text(message_of("data.worth > -999999999999999999.9999", NULL, false), "", "18 digits");
}

/* Good texts with a few bytes changed: whatever comes of them, each is a program or a message, and none is both. */
static void test_mutations(void)
{
    static const char bytes[] = "()[]!=<>&|.,'\"\\ \n0159-_abdeinrtsz\xc3\xa9\x01";
    uint64_t state = 20260101;
    churn_event event = {0};
    const struct event_type *type = decode("parcel", PARCEL, &event);
    struct condition_scope scope = {.catalog = &types.catalog, .only = type, .has_severity = true};
    unsigned taken = 0, refused = 0;
    for (unsigned round = 0; round < 20000; round++) {
        char text[512], message[1024] = "", *copy;
        struct condition *condition;
        (void)snprintf(text, sizeof text, "%s", true_texts[next_random(&state) % COUNT(true_texts)]);
        for (uint64_t changes = 1 + next_random(&state) % 3; changes > 0; changes--) {
            size_t len = strlen(text), at = next_random(&state) % (len + 1);
            char byte = bytes[next_random(&state) % (sizeof bytes - 1)];
            if (next_random(&state) % 3 == 0) {
                memmove(text + at, text + at + (at < len), len - at + (at == len));
            } else if (next_random(&state) % 2 == 0 && at < len) {
                text[at] = byte;
            } else {
                memmove(text + at + 1, text + at, len - at + 1);
                text[at] = byte;
            }
        }
        copy = exact_copy(text, strlen(text) + 1);
        condition = condition_compile(copy, &scope, message, sizeof message);
        free(copy);
        taken += condition != NULL;
        refused += condition == NULL;
        check((condition != NULL) == (*message == '\0'), "%s: %s", text, message);
        if (condition != NULL) {
            (void)condition_matches(condition, type, &event, CHURN_SEVERITY_INFO);
        }
        condition_free(condition);
    }
    check(taken > 1000 && refused > 1000, "%u taken, %u refused", taken, refused);
}

/* --- Conditions on profiles --- */

static struct condition *on_profile(const char *text, char message[1024])
{
    struct condition_scope scope = {.catalog = &types.catalog, .has_profile = true, .dataless = "a request"};
    char *copy = exact_copy(text, strlen(text) + 1);
    struct condition *condition = condition_compile(copy, &scope, message, 1024);
    free(copy);
    return condition;
}

static bool holds(const char *text, const struct condition_moment *moment)
{
    char message[1024] = "";
    struct condition *condition = on_profile(text, message);
    bool yes;
    check(condition != NULL, "%s: %s", text, message);
    if (condition == NULL) {
        return false;
    }
    yes = condition_holds(condition, moment);
    condition_free(condition);
    return yes;
}

static void test_profiles(void)
{
    const churn_pair fields[] = {{churn_text("events_total"), churn_text("12345678901234567890")},
                                 {churn_text("last_event_type"), churn_text("parcel")},
                                 {churn_text("first_event_at"), churn_text("2026-03-01T12:00:00.000Z")}};
    const struct condition_moment moment = {.customer_id = churn_text("ada"),
                                            .event_id = churn_text("e_1"),
                                            .event_type = churn_text("letter"),
                                            .timestamp_ms = 1772366400000,
                                            .fields = fields,
                                            .count = COUNT(fields),
                                            .score = churn_text("0.8312"),
                                            .score_age_ms = 5400000};
    const struct condition_moment nothing = {.customer_id = churn_text("ada"), .event_type = churn_text("parcel")};
    static const char *const true_ones[] = {
        "profile.events_total >= 3",
        "profile.events_total > 999999999999999999",
        "profile.last_event_type == 'parcel' && event_type == 'letter'",
        "profile.first_event_at <= timestamp && has(profile.events_total)",
        "customer_id == 'ada' && event_id.startsWith('e') && score > 0.83",
        "score == 0.8312",
        "score_age > 5399.9 && score_age <= 5400",
        "score_age == duration('90m') && score_age > duration('1h')",
        "duration('1d') == 86400 && duration('5s') == 5 && duration('250ms') == 0.25",
        "!has(profile.last_event_at)"};
    static const char *const unknown_ones[] = {"profile.events_total >= 0",
                                               "profile.last_event_type != 'parcel'",
                                               "score < 1",
                                               "!(score >= 0)",
                                               "score_age >= 0",
                                               "has(profile.events_total)",
                                               "score_age < 1"};
    for (size_t i = 0; i < COUNT(true_ones); i++) {
        check(holds(true_ones[i], &moment), "does not hold: %s", true_ones[i]);
    }
    for (size_t i = 0; i < COUNT(unknown_ones); i++) {
        check(!holds(unknown_ones[i], &nothing), "holds: %s", unknown_ones[i]);
    }
    check(!holds("profile.last_event_at > timestamp('2020-01-01T00:00:00Z')", &moment),
          "holds on a field that is absent");
    check(holds("score < 1 || true", &nothing) && holds("event_type == 'parcel'", &nothing), "does not hold");
}

static void test_wrong_conditions_on_profiles(void)
{
    static const struct {
        const char *text, *message;
    } mistakes[] = {{"profile.event_total > 1", "no profile has a field 'event_total' (did you mean 'events_total'?)"},
                    {"data.weight > 1", "a request has no data"},
                    {"profile.events_total > 'x'", "cannot be compared"},
                    {"profile.first_event_at > 5", "cannot be compared"},
                    {"profile > 5", "'.' is missing behind 'profile'"},
                    {"score_age > duration('1 day')", "this is no duration"},
                    {"score_age > duration(5)", "a duration in quotes belongs here"},
                    {"severity == 'critical'", "only alerts have a severity"}};
    char message[1024];
    for (size_t i = 0; i < COUNT(mistakes); i++) {
        struct condition *condition = on_profile(mistakes[i].text, message);
        check(condition == NULL, "taken: %s", mistakes[i].text);
        check_contains(message, mistakes[i].message, mistakes[i].text);
        condition_free(condition);
    }
    check_contains(message_of("profile.events_total > 1", NULL, false), "knows the profile", "an event's");
    check_contains(message_of("score > 1", NULL, false), "knows the score", "an event's");
    check_contains(message_of("score_age > duration('1h')", NULL, false), "knows the score", "an event's");
}

static void test_what_is_asked_for(void)
{
    static const struct {
        const char *text;
        bool profile, score;
    } rows[] = {{"event_type == 'parcel'", false, false},
                {"has(profile.events_total)", true, false},
                {"profile.events_total > 1", true, false},
                {"event_type == 'parcel' || score > 0.5", true, true},
                {"score_age > 3", true, true}};
    char message[1024];
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct condition *condition = on_profile(rows[i].text, message);
        check(condition_asks_profile(condition) == rows[i].profile, "profile: %s", rows[i].text);
        check(condition_asks_score(condition) == rows[i].score, "score: %s", rows[i].text);
        condition_free(condition);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_what_is_true),
                           TEST(test_what_is_absent),
                           TEST(test_several_types),
                           TEST(test_severity),
                           TEST(test_wrong_texts),
                           TEST(test_one_type),
                           TEST(test_limits),
                           TEST(test_mutations),
                           TEST(test_profiles),
                           TEST(test_wrong_conditions_on_profiles),
                           TEST(test_what_is_asked_for),
                           CU_TEST_INFO_NULL};
    int status;
    open_types();
    status = run_tests_without_leaks("condition", tests);
    event_decoder_free(decoder);
    types_free(&types);
    return status;
}
