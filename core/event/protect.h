/* What becomes of personal data, the fields that the event types' tables mark (CHURN_FIELD_PII), where it leaves the
 * engine: shown, masked, hashed or encrypted. */
#ifndef PROTECT_H
#define PROTECT_H

#include "base/seal.h"
#include "event/event.h"

#define PROTECT_MASK_TEXT "***"
#define PROTECT_HASH_PREFIX "churnd:h:" /* before base64 of 32 bytes: a hashed text */

/* Where several contribute to one field the highest holds. */
enum protect_action { PROTECT_CLEAR, PROTECT_MASK, PROTECT_HASH, PROTECT_ENCRYPT, PROTECT_ACTIONS };

enum protect_place {
    PLACE_EVENTS,
    PLACE_ALERTS,
    PLACE_PREDICTIONS,
    PLACE_STORE,
    PLACE_TAP,
    PLACE_PAGE,
    PLACE_UNIFORM, /* with an enum protect_action added: the same for all fields, as a sink may say */
    PLACE_COUNT = PLACE_UNIFORM + PROTECT_ACTIONS
};

/* Built by main before the workers start, then only read. */
struct protect {
    const struct catalog *catalog;
    struct seal_ring ring;
    struct key hash_key;
    bool has_hash_key;
    bool salts;                    /* what sinks are given is encrypted with the customer's salt */
    bool seals_letters;            /* the values of dead letters are encrypted */
    bool hides[PLACE_UNIFORM];     /* a field is not in clear there, so what is no event is not shown */
    uint8_t **events[PLACE_COUNT]; /* of each event type, an action for each row of its fields; NULL: nothing to do */
    /* An action for each field of the registry, and for each derived one behind them. */
    uint8_t *profile[PLACE_COUNT];
};

/* The plans are zeroed. NULL when memory ran out. `catalog` outlives it. */
struct protect *protect_new(const struct catalog *catalog);
/* May be NULL. */
void protect_free(struct protect *protect);
/* The actions of a type's fields, made at the first call. NULL when memory ran out. [main] */
uint8_t *protect_plan(struct protect *protect, unsigned place, uint32_t type);

/* Whether a text was protected before, so that it is left as it is. */
bool protect_is_done(churn_str text);
/* Appends what becomes of a text by an action other than CLEAR. */
void protect_append(struct text *out, const struct protect *protect, enum protect_action action,
                    const struct seal_place *place, churn_str text);

/* Where a field of an event's or an alert's data stands. */
struct seal_place protect_event_place(churn_str event_id, churn_str customer, churn_str field);
/* Where the text of a profile field stands: in which customer's profile, and `tag` tells the event that it is of. */
struct seal_place protect_profile_place(const struct registry_field *field, churn_str customer, churn_str tag);
/* What the value of a text's field "_l:…" begins with where the text is encrypted, before the tag. */
#define PROTECT_SEALED_MARK "e "
/* Cuts the mark off; whether it was there. */
bool protect_cut_mark(churn_str *tag);

/* The working space for one thread. NULL when memory ran out. */
struct protector;
struct protector *protector_new(const struct protect *protect);
/* May be NULL. */
void protector_free(struct protector *protector);
/* The salt of a customer, of SEAL_SALT_SIZE, for what is protected and opened from now on; `salt` NULL: he has none. */
void protector_salt(struct protector *protector, churn_str customer, const unsigned char *salt);

enum protect_result {
    PROTECT_SAME,    /* nothing was to be done */
    PROTECT_DONE,    /* *ret has it: valid until the protector's next call, padded as events are */
    PROTECT_OPAQUE,  /* it is no event or alert: whether there is personal data in it cannot be told */
    PROTECT_REFUSED, /* with *reject */
    PROTECT_SALT,    /* by a salt of the event's customer, who is *ret, that is not the one at hand */
    PROTECT_NO_MEMORY
};

/* An event or an alert, padded for the decoder, as it may go to `place`: the fields of its `data`, and where their
 * texts stand in an alert's message. */
enum protect_result protect_line(struct protector *protector, unsigned place, churn_str json, churn_str *ret);
/* An event with the fields in clear that its producer encrypted; REFUSED where one cannot be opened. */
enum protect_result protect_open(struct protector *protector, churn_str json, churn_str *ret, struct reject *reject);

#endif
