/* A pipeline as its YAML file declares it: sections checked against the tables of their plugins. */
#ifndef PIPELINE_H
#define PIPELINE_H

#include "base/file_place.h"
#include "base/metrics.h"
#include "event/catalog.h"
#include "pipeline/replay.h"
#include "pipeline/section.h"
#include "pipeline/stalls.h"
#include "pipeline/type_rules.h"
#include "plugin/journal.h"
#include "profile/store_keys.h"
#include <churn/ext/forgetting.h>

#define PIPELINE_MAX_WORKERS JOURNAL_WORKERS
#define PIPELINE_MAX_SINKS 31 /* beside the dead letters': a bit for each, and OUTPUT_AGAIN */

struct audit;
struct forgetting;
struct handover;
struct replaying;
struct salts;
struct protection;
struct raised;
struct instance;
struct recent_alerts;
struct redrive;
struct taps;
struct store_overlay;
struct test_bench;

/* What a plugin reads or writes outside of the process, as it names it itself (<churn/target.h>). */
struct target {
    const struct section *section;
    char *kind, *name, *at, *option, *message; /* the last three may be NULL */
    uint32_t flags;
    int32_t result;
    struct file_place place; /* of a file or folder */
};

struct targets {
    struct target *items;
    unsigned count;
    bool failed; /* memory ran out */
};

struct pipeline {
    struct config config;
    struct loader *loader;
    struct log *log;
    struct metrics *metrics;
    struct stalls *stalls;
    struct catalog catalog;
    struct type_rules *rules; /* of each of the catalog's types */
    struct pipeline_settings settings;
    struct log_settings log_settings;
    struct event_settings event_settings;
    struct store_settings store_settings;
    struct health_settings health_settings;
    struct tap_settings tap_settings;
    struct audit_settings audit_settings;
    struct forget_settings forget_settings;
    struct section source;
    struct section
        origin;           /* of a redrive, whose source are dead letters: the one that they are of; loaded NULL: none */
    struct section store; /* loaded NULL: none */
    struct section *processors;
    unsigned processor_count;
    struct section *sinks; /* the dead letters' sink is the last one, where there is one */
    unsigned sink_count;
    bool has_dead_letters;
    bool has_types;   /* the catalog could be built */
    bool routed;      /* some sink has a condition */
    uint32_t outputs; /* which kinds of records some sink takes */
    bool decodes;     /* events are decoded; otherwise records pass through as they are */
    bool until_end;
    bool read_only; /* its store is only looked at */
    struct replay replay;
    bool profiles_only;                       /* no sinks, and what breaks a rule is counted and set aside nowhere */
    char rebuilt[STORE_KEYS_MAX_PREFIX + 1];  /* of a rebuild: the key prefix of the pipeline that is rebuilt */
    struct instance *store_instance;          /* one for all workers */
    struct store_overlay *overlay;            /* what plugins write is kept here instead; NULL: in the store */
    struct targets targets;                   /* what its plugins read and write */
    struct protection *protection;            /* of personal data; NULL: there is none */
    struct journal *journal;                  /* of a run; its owner is whoever runs the pipeline */
    struct handover *handover;                /* of a run; NULL: it is never reloaded */
    struct replaying *replaying;              /* of a replay until the end; NULL: it is none */
    struct forgetting *forgetting;            /* of a run; NULL: nobody is forgotten */
    const churn_forgetting *forgetting_calls; /* what plugins are told of it; NULL: nothing */
    struct raised *raised;                    /* alerts that its sinks raise; NULL: none can */
    struct salts *salts;                      /* of a run; NULL: customers have none */
    struct taps *taps;                        /* of a run; NULL: nobody can look at its records */
    struct audit *audit;                      /* of a run; NULL: acts are not audited */
    struct recent_alerts *alerts;             /* of a run, to be shown; NULL: nobody is shown any */
    const struct redrive *redrive;            /* NULL: the source is the pipeline's own */
    /* NULL, or exchanges services of each instance's host: for tests. */
    void (*adapt_host)(churn_host *host);
    struct test_bench *bench; /* NULL: its source, store and sinks are its own */
};

/* One instance of a section. Stays where it is from instance_new to instance_free. */
struct instance {
    const struct section *section;
    struct pipeline *pipeline;
    churn_host host;
    void *self;
    bool created;
};

/* What it makes of a type, which is one of its catalog. */
static inline struct type_rules *pipeline_rules(const struct pipeline *pipeline, const struct event_type *type)
{
    return &pipeline->rules[type - pipeline->catalog.types];
}

/* Whether it is the section `dead_letters:`. */
static inline bool pipeline_is_dead_letters(const struct pipeline *pipeline, const struct section *section)
{
    return pipeline->has_dead_letters && section == &pipeline->sinks[pipeline->sink_count - 1];
}

#endif
