/* An event on its way out and in: every field of its data is encrypted, and opened again. */
#include "fuzz.h"

#include "core/event/protect.h"
#include "tests/unit/types_fixture.h"

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static struct types_fixture types;
static struct event_decoder *before, *after;
static struct protect *protect;
static struct protector *protector;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct key key;
    char message[256];
    (void)argc;
    (void)argv;
    need(types_load(&types, NULL, 0) && types.catalog.type_count > 0, "event types (see TEST_PLUGIN_DIR)");
    loader_rest(&types.loader);
    before = event_decoder_new(&types.catalog);
    after = event_decoder_new(&types.catalog);
    protect = protect_new(&types.catalog);
    need(before != NULL && after != NULL && protect != NULL && key_parse(KEY, &key, message, sizeof message) &&
             seal_ring_add(&protect->ring, "k1", &key),
         "memory");
    for (uint32_t t = 0; t < types.catalog.type_count; t++) {
        uint32_t fields = types.catalog.types[t].table.field_count;
        memset(protect_plan(protect, PLACE_EVENTS, t), PROTECT_ENCRYPT, fields);
        memset(protect_plan(protect, PLACE_TAP, t), PROTECT_MASK, fields);
    }
    protector = protector_new(protect);
    need(protector != NULL, "memory");
    return 0;
}

/* A copy padded as the scanner needs it. */
static churn_str padded(const void *bytes, size_t len)
{
    char *copy = calloc(1, len + JSON_SCAN_PADDING);
    need(copy != NULL, "calloc");
    if (len > 0) {
        memcpy(copy, bytes, len);
    }
    return (churn_str){.ptr = copy, .len = (uint32_t)len};
}

static void let_go(churn_str text)
{
    free((char *)(uintptr_t)text.ptr);
}

static void check_same(const churn_event *a, const churn_event *b)
{
    promise(fuzz_same(a->event_id, b->event_id) && fuzz_same(a->customer_id, b->customer_id) &&
                a->value_count == b->value_count,
            "what was encrypted and opened is the same event");
    for (uint32_t i = 0; i < a->value_count; i++) {
        const churn_value *x = &a->values[i], *y = &b->values[i];
        promise(x->present == y->present && x->number == y->number && fuzz_same(x->text, y->text),
                "value %u is the same again", i);
    }
}

/* Out and in again. */
static void check_event(const churn_event *event, churn_str text)
{
    struct reject reject = {0};
    churn_event again;
    churn_str line, sealed, repeated, clear;
    enum protect_result result = protect_line(protector, PLACE_EVENTS, text, &line);
    promise(result == PROTECT_DONE || result == PROTECT_SAME, "an event can be protected");
    if (result == PROTECT_SAME) {
        return;
    }
    sealed = padded(line.ptr, line.len);
    promise(protect_line(protector, PLACE_EVENTS, text, &repeated) == PROTECT_DONE && fuzz_same(sealed, repeated),
            "a repeat has the same bytes");
    promise(protect_line(protector, PLACE_EVENTS, sealed, &repeated) == PROTECT_SAME, "it is protected once");
    promise(protect_open(protector, sealed, &clear, &reject) == PROTECT_DONE, "%.*s is opened: %s", (int)sealed.len,
            sealed.ptr, reject.detail);
    promise(event_decode(after, clear.ptr, clear.len, &again, &reject) != NULL, "%.*s is decoded: %s", (int)clear.len,
            clear.ptr, reject.detail);
    check_same(event, &again);
    let_go(sealed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    churn_str text = padded(data, size), ret;
    struct reject reject = {0};
    churn_event event;
    enum protect_result opened = protect_open(protector, text, &ret, &reject);
    promise(opened == PROTECT_SAME || opened == PROTECT_DONE || opened == PROTECT_REFUSED, "it has an answer");
    promise(opened != PROTECT_REFUSED ||
                (reject.detail[0] != '\0' && text_is_utf8(reject.detail, strlen(reject.detail))),
            "a refusal says why, in UTF-8");
    (void)protect_line(protector, PLACE_TAP, text, &ret);
    if (opened == PROTECT_SAME && event_decode(before, text.ptr, text.len, &event, &reject) != NULL) {
        check_event(&event, text);
    }
    let_go(text);
    return 0;
}
