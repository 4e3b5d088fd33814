/* A pipeline as its YAML file declares it: sections checked against the tables of their plugins. */
#ifndef PIPELINE_H
#define PIPELINE_H

#include "base/metrics.h"
#include "config/config.h"
#include "event/catalog.h"
#include "pipeline/replay.h"
#include "pipeline/settings.h"
#include "pipeline/stalls.h"
#include "pipeline/targets.h"
#include "plugin/journal.h"
#include "profile/store_keys.h"
#include <churn/processor.h>
#include <churn/sink.h>
#include <churn/source.h>
#include <churn/store.h>

#define PIPELINE_MAX_WORKERS JOURNAL_WORKERS
#define PIPELINE_MAX_NAME 32  /* of a section */
#define PIPELINE_MAX_SINKS 31 /* beside the dead letters': a bit for each, and OUTPUT_AGAIN */

struct condition;
struct handover;
struct instance;
struct pipeline;
struct redrive;
struct test_bench;

/* One plugin of the pipeline and where the file declares it. */
struct section {
    const struct loaded *loaded;
    const struct node *node;
    const char *label;                    /* what it is called: unique among processors and sinks */
    char numbered[PIPELINE_MAX_NAME + 1]; /* where the file does not say and the plugin has several */
    struct section_settings settings;     /* a processor's or sink's */
    struct condition *when;               /* a processor's or sink's; NULL: all */
    uint32_t input;                       /* a sink's: CHURN_RECORD_… */
    uint32_t bit;              /* a sink's, but for dead letters: in a record's `reserved`, it is not given it */
    struct sink_settings sink; /* a sink's */
    bool bad;                  /* its options were refused */
    unsigned journal_number;   /* a processor's or sink's, once the pipeline runs */
};

struct pipeline {
    struct config config;
    struct loader *loader;
    struct log *log;
    struct metrics *metrics;
    struct stalls *stalls;
    struct catalog catalog;
    struct pipeline_settings settings;
    struct log_settings log_settings;
    struct event_settings event_settings;
    struct store_settings store_settings;
    struct health_settings health_settings;
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
    bool profiles_only;                      /* no sinks, and what breaks a rule is counted and set aside nowhere */
    char rebuilt[STORE_KEYS_MAX_PREFIX + 1]; /* … the key prefix of the pipeline that is rebuilt */
    struct instance *store_instance;         /* one for all workers */
    struct targets targets;                  /* what its plugins read and write */
    struct journal *journal;                 /* of a run; its owner is whoever runs the pipeline */
    struct handover *handover;               /* of a run; NULL: it is never reloaded */
    const struct redrive *redrive;           /* NULL: the source is the pipeline's own */
    /* NULL, or exchanges services of each instance's host: for tests. */
    void (*adapt_host)(churn_host *host);
    struct test_bench *bench; /* NULL: its source, store and sinks are its own */
};

/* What a pipeline is read from. */
struct pipeline_files {
    const char *pipeline;
    const char *env; /* as env_file_read */
};

/* Reads and checks the whole file: every mistake is reported to `errors`. False when there was one. Free in either
 * case. */
bool pipeline_load(struct pipeline *pipeline, struct pipeline_files files, struct loader *loader, struct log *log,
                   FILE *errors);
void pipeline_free(struct pipeline *pipeline);

/* Changes what the file said before it is checked: `config` by config_set, `profiles_only`, `rebuilt`. False, with a
 * message to the config's `errors`, ends the loading. */
typedef bool (*pipeline_edit_fn)(struct pipeline *pipeline, void *ctx);
bool pipeline_load_edited(struct pipeline *pipeline, struct pipeline_files files, struct loader *loader,
                          struct log *log, FILE *errors, pipeline_edit_fn edit, void *ctx);
/* A change for commands that look at what the store has, and make nothing there. */
bool pipeline_only_look(struct pipeline *pipeline, void *ctx);

/* Whether it is the section `dead_letters:`. */
static inline bool pipeline_is_dead_letters(const struct pipeline *pipeline, const struct section *section)
{
    return pipeline->has_dead_letters && section == &pipeline->sinks[pipeline->sink_count - 1];
}

static inline const churn_source_ops *source_ops(const struct section *section)
{
    return section->loaded->plugin.ops;
}

static inline const churn_processor_ops *processor_ops(const struct section *section)
{
    return section->loaded->plugin.ops;
}

static inline const churn_store_ops *store_ops(const struct section *section)
{
    return section->loaded->plugin.ops;
}

static inline const churn_sink_ops *sink_ops(const struct section *section)
{
    return section->loaded->plugin.ops;
}

#endif
