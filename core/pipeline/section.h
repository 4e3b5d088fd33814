/* A section of a pipeline's file that declares a plugin. */
#ifndef SECTION_H
#define SECTION_H

#include "config/config.h"
#include "pipeline/settings.h"
#include "plugin/loader.h"

#define SECTION_MAX_NAME 32

struct condition;

/* One plugin of the pipeline and where the file declares it. */
struct section {
    const struct loaded *loaded;
    const struct node *node;
    const char *label;                   /* what it is called: unique among processors and sinks */
    char numbered[SECTION_MAX_NAME + 1]; /* where the file does not say and the plugin has several */
    struct section_settings settings;    /* a processor's or sink's */
    struct condition *when;              /* a processor's or sink's; NULL: all */
    struct condition *when_asked;        /* … a sink's on profiles, which it judges itself; NULL: none */
    uint32_t input;                      /* a sink's: CHURN_RECORD_… */
    uint32_t bit;              /* a sink's, but for dead letters: in a record's `reserved`, it is not given it */
    struct sink_settings sink; /* a sink's */
    bool bad;                  /* its options were refused */
    unsigned journal_number;   /* a processor's or sink's, once the pipeline runs */
};

/* Where the file gives an option of a section, for messages: its value, or the section; with `NAME.PART` an entry of a
 * map or an item of a list. */
const struct node *section_place(const struct section *section, const char *option);

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
