/* The host's own options: the structs that they fill, and the tables from which reading, the manual and the schema
 * come.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "config/option.h"

#define PIPELINE_KEY_PREFIX "profile:"

enum sandbox_mode { SANDBOX_OFF, SANDBOX_WARN, SANDBOX_ON };

struct pipeline_settings {
    const char *name;
    const char *workers_text; /* a number or `auto` */
    int64_t workers;
    int64_t shutdown_timeout_ms;
    int64_t plugin_timeout_ms;
    int64_t crash_limit;
    const char *state_dir; /* NULL: the user's own */
    churn_list plugin_path;
    int32_t core_dumps;
    int32_t sandbox;  /* enum sandbox_mode */
    const char *user; /* whom root is left for; NULL: nobody */
};

struct log_settings {
    const char *level;
    int32_t format; /* enum log_format */
};

struct event_settings {
    churn_list types;
    int32_t ignore_unknown; /* index: dead_letter, ignore */
    int64_t max_ahead_ms;   /* 0: no bound */
};

struct store_settings {
    const char *key_prefix;
    int64_t cache_bytes;
    int64_t window_events;
    int64_t window_bytes;
    int64_t window_age_ms;
    int64_t ttl_ms;
};

struct health_settings {
    const char *listen;               /* NULL: not asked for */
    const char *token;                /* "": nobody is shown what customers' own is */
    const char *cert_file, *key_file; /* "": HTTP without TLS */
};

struct tap_settings {
    const char *socket; /* NULL: in the folder for state */
    int32_t enabled;
};

struct audit_settings {
    const char *path; /* NULL: there is none */
    const char *key;
};

struct forget_settings {
    const char *key;   /* NULL: nobody is forgotten */
    const char *topic; /* where the source keeps a ledger */
};

/* By enum protect_place of event/protect.h, up to PLACE_UNIFORM. */
#define PROTECT_PLACES 6

struct protect_settings {
    int32_t customer_keys;
    churn_map keys; /* the newest one first */
    const char *hash_key;
    int32_t places[PROTECT_PLACES]; /* enum protect_action */
    int32_t dead_letters;           /* index: clear, encrypt */
};

/* Of a processor or sink. */
struct section_settings {
    const char *name; /* NULL: choose one */
    const char *when; /* compiled to the section's own `when` */
};

/* What becomes of a record that a sink refuses. */
enum reject_policy { ON_REJECT_DEAD_LETTER, ON_REJECT_DROP, ON_REJECT_STOP };

struct sink_settings {
    int32_t input;            /* index: auto, events, triggers, alerts, dead_letters */
    int32_t on_reject;        /* enum reject_policy */
    int64_t give_up_after_ms; /* 0: never */
    int32_t protect;          /* 0: as `protect:` says; else an enum protect_action, and 1 */
};

/* Of an event type in `events: override:`. */
struct override_settings {
    int32_t predict;
    int32_t alert;
    const char *predict_when, *alert_when; /* compiled to the type's own */
};

enum settings {
    SETTINGS_PIPELINE,
    SETTINGS_LOG,
    SETTINGS_HEALTH,
    SETTINGS_TAP,
    SETTINGS_AUDIT,
    SETTINGS_FORGET,
    SETTINGS_PROTECT,
    SETTINGS_EVENTS,
    SETTINGS_OVERRIDE,
    SETTINGS_STORE,
    SETTINGS_PROCESSOR, /* struct section_settings */
    SETTINGS_SECTION,   /* struct section_settings, of a sink */
    SETTINGS_SINK
};

/* The host's own options of a section, which stand beside those of its plugin where it has one. */
struct option_table {
    const char *section; /* "pipeline": the top of the file; a section may have several tables */
    const char *help;
    const churn_option *rows;
    uint32_t count;
};

/* All of them, by enum settings. */
const struct option_table *settings_tables(size_t *ret_count);
/* To fill a struct of these settings. */
struct option_target settings_target(enum settings settings, void *base);

/* What `input:` calls a kind of record, CHURN_RECORD_…. */
const char *settings_input_name(uint32_t kind);
/* What becomes of personal data, by enum protect_action; ends with NULL. */
extern const char *const settings_protect_actions[];

#endif
