/** @file
 * What an event does to its customer's profile. Updates are declared as merge operators, so that the host can
 * fold many events into one write, merge concurrent writers and replay, always with the same result: each
 * operator is commutative and associative. A field is absent until something is merged into it.
 *
 * All plugins that write a field must declare it alike (type, operator, states); two that differ are refused
 * at start and by `churnd check`.
 */
#ifndef CHURN_PROFILE_H
#define CHURN_PROFILE_H

#include <churn/result.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The type of a profile field. */
enum {
    CHURN_PROFILE_INT = 1,    /**< whole number; sums are kept in 128 bits, so 64-bit operands cannot overflow them */
    CHURN_PROFILE_MONEY = 2,  /**< decimal with four exact places; shown with at least two, no trailing zeros beyond */
    CHURN_PROFILE_TIME = 3,   /**< UTC, milliseconds; shown as YYYY-MM-DDTHH:MM:SS.mmmZ */
    CHURN_PROFILE_STRING = 4, /**< text; operator LATEST only */
    CHURN_PROFILE_STATE = 5   /**< one of `states`; shown as its name, present from the first event as states[0];
                                   operator MAX only: a later state in the list wins whatever the order of events */
};

/** How a new operand joins the stored value. */
enum {
    CHURN_MERGE_ADD = 1,   /**< sum (INT, MONEY) */
    CHURN_MERGE_MIN = 2,   /**< smallest (INT, MONEY, TIME) */
    CHURN_MERGE_MAX = 3,   /**< largest (INT, MONEY, TIME, STATE) */
    CHURN_MERGE_LATEST = 4 /**< the one of the newest event time; equal times: the higher source position (STRING) */
};

/** Where an effect takes its operand from. */
enum {
    CHURN_FROM_CONSTANT = 1,   /**< `constant` (INT: the number; STATE: the index into `states`) */
    CHURN_FROM_FIELD = 2,      /**< the data field named `operand`; nothing happens when the event lacks it */
    CHURN_FROM_EVENT_TIME = 3, /**< the event's timestamp */
    CHURN_FROM_EVENT_TYPE = 4, /**< the event type's name */
    CHURN_FROM_NOTHING = 5     /**< only declares the field, for a callback or a derived field to use */
};

/** One row: merge one operand into one profile field. */
typedef struct churn_effect {
    const char *field;         /**< profile field; must not begin with `_` */
    const char *operand;       /**< data field for CHURN_FROM_FIELD, else NULL; must be of a type that fits:
                                    INT→INT, MONEY→MONEY, TIME→TIME, STRING→STRING */
    const char *const *states; /**< NULL-terminated names for CHURN_PROFILE_STATE, else NULL */
    const char *help;          /**< one phrase for the manual */
    int64_t constant;
    uint32_t type;  /**< CHURN_PROFILE_… */
    uint32_t merge; /**< CHURN_MERGE_… */
    uint32_t from;  /**< CHURN_FROM_… */
    uint32_t reserved;
} churn_effect;

/** How a derived field is computed. */
enum {
    /** numerator / denominator; absent while the denominator is absent or zero; an absent numerator counts as 0 */
    CHURN_DERIVE_RATIO = 1,
    /** numerator / (1 + whole days from first_event_at to last_event_at); absent while the numerator is */
    CHURN_DERIVE_PER_DAY = 2
};

/**
 * A field computed from merged fields each time a profile is written, exactly (integers only), rounded half to
 * even to `decimals` places and shown with all of them.
 */
typedef struct churn_derived {
    const char *field;
    const char *numerator;   /**< profile field of type INT or MONEY */
    const char *denominator; /**< profile field of type INT; NULL for CHURN_DERIVE_PER_DAY */
    const char *help;
    uint32_t kind;     /**< CHURN_DERIVE_… */
    uint32_t decimals; /**< 0–9 */
} churn_derived;

/**
 * The host's side of an event type's `apply` callback: merges operands into fields that the same plugin declares.
 * Valid during the callback only. [worker]
 */
typedef struct churn_delta churn_delta;
struct churn_delta {
    uint32_t size;
    uint32_t reserved;
    void *ctx;
    /** Merges a number (INT), units of 1/10,000 (MONEY), ms since 1970 (TIME) or an index (STATE) by the field's
     *  operator. CHURN_FATAL when the plugin does not declare `field`, its type is STRING or the operand is out of its
     *  range; the event then goes to the dead letters, whatever the callback answers. */
    int32_t (*merge)(churn_delta *delta, const char *field, int64_t operand);
    /** The same for a STRING field; the host copies `text`. */
    int32_t (*merge_text)(churn_delta *delta, const char *field, churn_str text);
};

#ifdef __cplusplus
}
#endif
#endif
