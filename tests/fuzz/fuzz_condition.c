/* Conditions on events, from their text on: what holds of any truth value holds of each that compiles. */
#include "fuzz.h"

#include "core/base/json_text.h"
#include "core/event/condition.h"
#include "core/event/event.h"
#include "tests/unit/types_fixture.h"

#define EVENTS 6

static struct types_fixture types;
static struct {
    struct event_decoder *decoder; /* which has the event's values */
    const struct event_type *type;
    churn_event event;
} events[EVENTS];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static char texts[EVENTS][512] = {
        "{\"event_id\":\"e1\",\"event_type\":\"order_placed\",\"customer_id\":\"c1\",\"timestamp\":\"2026-01-02T03:04:"
        "05Z\",\"data\":{\"order_id\":\"o-1\",\"order_value\":99.95,\"items_count\":2,\"payment_method\":\"paypal\"}}",
        "{\"event_id\":\"e2\",\"event_type\":\"payment_failed\",\"customer_id\":\"c2\",\"timestamp\":\"2026-02-02T00:"
        "00:"
        "00Z\",\"data\":{\"amount\":250,\"payment_method\":\"credit_card\"}}",
        "{\"event_id\":\"e3\",\"event_type\":\"login\",\"customer_id\":\"\xc3\xa9\",\"timestamp\":\"2026-03-02T00:00:"
        "00Z\",\"data\":{}}",
        "{\"event_id\":\"e4\",\"event_type\":\"email_opened\",\"customer_id\":\"c4\",\"timestamp\":\"2026-01-01T00:00:"
        "00Z\",\"data\":{\"campaign_id\":\"spring\"}}",
        "{\"event_id\":\"e5\",\"event_type\":\"review_submitted\",\"customer_id\":\"c5\",\"timestamp\":\"2025-12-31T23:"
        "59:59.999Z\",\"data\":{\"rating\":1,\"product_id\":\"p\"}}",
        "{\"event_id\":\"e6\",\"event_type\":\"support_ticket_created\",\"customer_id\":\"c6\",\"timestamp\":\"2026-06-"
        "01T00:00:00Z\",\"data\":{\"ticket_id\":\"t\",\"category\":\"billing\",\"priority\":\"high\"}}"};
    (void)argc;
    (void)argv;
    need(types_load(&types, NULL, 0) && types.catalog.type_count > 0, "event types (see TEST_PLUGIN_DIR)");
    loader_rest(&types.loader);
    for (unsigned i = 0; i < EVENTS; i++) {
        struct reject reject = {0};
        events[i].decoder = event_decoder_new(&types.catalog);
        need(events[i].decoder != NULL, "memory");
        events[i].event.size = sizeof events[i].event;
        events[i].type = event_decode(events[i].decoder, texts[i], strlen(texts[i]), &events[i].event, &reject);
        promise(events[i].type != NULL, "event %u is one: %s", i + 1, reject.detail);
    }
    return 0;
}

/* What a text made of X says, by what X says. */
enum meaning { ITSELF, CONTRARY, KNOWN, NEVER };

static const struct {
    const char *text;
    enum meaning meaning;
} laws[] = {
    {"X", ITSELF}, /* these two first: the others are judged by them */
    {"!(X)", CONTRARY},
    {" \t\n(X\n)", ITSELF},
    {"!!(X)", ITSELF},
    {"(X) && true", ITSELF},
    {"false || (X)", ITSELF},
    {"(X) in [true]", ITSELF},
    {"(X) || (X) && (X)", ITSELF},
    {"!(X) && true", CONTRARY},
    {"(X) == false", CONTRARY},
    {"(X) == (X)", KNOWN},
    {"(X) || !(X)", KNOWN},
    {"(X) != (X)", NEVER},
    {"(X) && !(X)", NEVER},
};

/* The law with the text in each place of an X. */
static char *put_in(const char *law, const char *text)
{
    char *whole = malloc(strlen(law) + 3 * strlen(text) + 1), *at = whole;
    need(whole != NULL, "malloc");
    for (; *law != '\0'; law++) {
        if (*law == 'X') {
            at = stpcpy(at, text);
        } else {
            *at++ = *law;
        }
    }
    *at = '\0';
    return whole;
}

static struct condition *compile(const struct condition_scope *scope, const char *law, const char *text)
{
    char *whole = put_in(law, text), message[512] = "";
    struct condition *condition;
    condition = condition_compile(whole, scope, message, sizeof message);
    /* Around a text that is good, only the bounds of length, depth and parts are in the way. */
    promise(condition != NULL || strstr(message, "more than") != NULL || strstr(message, "longer than") != NULL,
            "%s compiles: %s", whole, message);
    free(whole);
    return condition;
}

static void check_laws(const struct condition_scope *scope, const char *text)
{
    bool holds[EVENTS][2];
    for (size_t law = 0; law < COUNT(laws); law++) {
        struct condition *condition = compile(scope, laws[law].text, text);
        if (condition == NULL && law < 2) {
            return;
        }
        for (unsigned i = 0; i < EVENTS && condition != NULL; i++) {
            const bool *x = holds[i];
            bool seen = scope->only == NULL || scope->only == events[i].type;
            bool is = seen && condition_matches(condition, events[i].type, &events[i].event, CHURN_SEVERITY_WARNING);
            if (law < 2) {
                holds[i][law] = is;
            } else if (seen) {
                bool expected[] = {[ITSELF] = x[0], [CONTRARY] = x[1], [KNOWN] = x[0] || x[1], [NEVER] = false};
                promise(is == expected[laws[law].meaning], "%s of event %u, where X is %s", laws[law].text, i + 1,
                        text);
            }
            promise(law == 0 || !(x[0] && x[1]), "X and !X are not both true, where X is %s", text);
        }
        condition_free(condition);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct event_type *only = size > 0 ? &types.catalog.types[data[size - 1] % types.catalog.type_count] : NULL;
    const struct condition_scope scopes[] = {{.catalog = &types.catalog},
                                             {.catalog = &types.catalog, .has_severity = true},
                                             {.catalog = &types.catalog, .only = only}};
    char *text = fuzz_text(data, size);
    for (size_t s = 0; s < COUNT(scopes); s++) {
        char message[512] = "";
        struct condition *condition = condition_compile(text, &scopes[s], message, sizeof message);
        promise(condition != NULL || message[0] != '\0', "a refusal says why");
        promise(condition != NULL || !text_is_utf8(text, strlen(text)) || text_is_utf8(message, strlen(message)),
                "a message about a text in UTF-8 is in UTF-8: %s", message);
        if (condition != NULL) {
            check_laws(&scopes[s], text);
        }
        condition_free(condition);
    }
    free(text);
    return 0;
}
