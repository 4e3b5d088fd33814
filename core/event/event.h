/* From a record's bytes to a validated event, or to the reason why it is none. */
#ifndef EVENT_H
#define EVENT_H

#include "event/catalog.h"
#include "event/json_scan.h"

#define EVENT_MAX_SIZE (1024 * 1024)
#define EVENT_MAX_ID 128

/* Why a record goes to the dead letters; the names are part of the contract. */
enum reject_reason {
    REJECT_EMPTY,
    REJECT_TOO_LARGE,
    REJECT_BYTE_ORDER_MARK,
    REJECT_INVALID_UTF8,
    REJECT_INVALID_JSON,
    REJECT_TOO_DEEP,
    REJECT_NOT_AN_OBJECT,
    REJECT_MISSING_FIELD,
    REJECT_WRONG_TYPE,
    REJECT_INVALID_VALUE,
    REJECT_INVALID_TIMESTAMP,
    REJECT_UNKNOWN_EVENT_TYPE,
    REJECT_BY_PLUGIN,
    REJECT_BY_PROCESSOR,
    REJECT_BY_SINK,
    REJECT_CRASHED_PLUGIN,
    REJECT_DAMAGED_PROFILE,   /* nothing is wrong with the event, but with what the store holds for its customer */
    REJECT_FIELD_OVERFLOW,    /* nor here: a field would be larger than a profile can hold */
    REJECT_TOO_LARGE_TO_KEEP, /* the dead letters cannot hold it either: of its value they have the position and a hash
                               */
    REJECT_UNREADABLE_RECORD,
    REJECT_KEY_UNKNOWN, /* a field is encrypted with a key that the pipeline does not have, yet */
    REJECT_TIMESTAMP_AHEAD,
    REJECT_REASON_COUNT
};

struct reject {
    enum reject_reason reason;
    bool out_of_memory; /* nothing is wrong with the record; `reason` is not set */
    bool later;         /* the same: what is needed to read it does not answer */
    bool forgotten;     /* the same: its customer was forgotten, and it cannot be read any more */
    char detail[256];   /* for a person; names fields, never shows their values */
};

const char *reject_reason_name(enum reject_reason reason);
CHURN_PRINTF(3, 4) void reject_set(struct reject *reject, enum reject_reason reason, const char *format, ...);

struct event_decoder;

/* `catalog` outlives the decoder. One thread. NULL when memory ran out. */
struct event_decoder *event_decoder_new(const struct catalog *catalog);
void event_decoder_free(struct event_decoder *decoder);

/* Whether an event can have it: its length, UTF-8, no control character. */
bool event_is_customer_id(churn_str text);

/* Decodes `len` bytes with JSON_SCAN_PADDING readable bytes behind them, the first of which is NUL. The event's type
 * with *event set (but for its source position), valid until the decoder's next call and as long as the bytes; or NULL
 * with *reject set. */
const struct event_type *event_decode(struct event_decoder *decoder, const char *bytes, size_t len, churn_event *event,
                                      struct reject *reject);

/* False with *reject set when the event's time is later than its record's own, `record_ms`, by more than
 * `max_ahead_ms`. Not asked of a record without a time (0 or less), nor where `max_ahead_ms` is 0. No clock is asked:
 * whenever the record is read, the answer is the same. */
bool event_is_timely(const churn_event *event, int64_t record_ms, int64_t max_ahead_ms, struct reject *reject);

/* True when the row allows what `token` says of its field; else *reject says why not. */
bool event_accepts(const churn_field *field, const struct json_token *token, struct reject *reject);
/* As json_members: what the decoder's newest event points to within the decoder is void then. */
enum json_result event_members(struct event_decoder *decoder, churn_str json, json_member_fn fn, void *ctx);

#endif
