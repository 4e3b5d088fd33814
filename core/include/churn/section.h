/** @file
 * A section of the pipeline's file as it stands there, before anything is made of it: for calls that need no instance.
 * Since ABI 1.3.
 */
#ifndef CHURN_SECTION_H
#define CHURN_SECTION_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Takes an item of a list, whose `name` is "", or an entry of a map; both are borrowed during the call. */
typedef void (*churn_section_fn)(void *ctx, const char *name, const char *value);

typedef struct churn_section churn_section;

/**
 * The host's, for one call of the plugin. An `option` is `NAME`, also `plugin`, or `NAME.PART`, an entry of a map,
 * whose own name may hold dots. No option was checked yet, none has its default, and `${…}` is replaced.
 */
struct churn_section {
    uint32_t size;
    uint32_t reserved;
    void *ctx; /**< the host's own */
    /** The text of an option with a single value, borrowed during the call of the plugin; may be "". NULL: it is not
     *  given, or has another kind of value. [main] */
    const char *(*get)(const churn_section *section, const char *option);
    /** Calls `fn` for each item of a list, which may be one text with commas, or for each entry of a map that has a
     *  single value. [main] */
    void (*each)(const churn_section *section, const char *option, churn_section_fn fn, void *ctx);
    /** Sets an option, in place of what it had. Nothing needs to be done where memory runs out: the host tells that.
     *  NULL: this section is only read. [main] */
    void (*put)(churn_section *section, const char *option, const char *text);
    /** Sets an option as another section has it, if it has it with a single value: unlike `put`, it keeps the place in
     *  the file for messages, and what is a secret there is one here. NULL as `put` is. [main] */
    void (*copy)(churn_section *section, const char *option, const churn_section *from, const char *from_option);
};

#ifdef __cplusplus
}
#endif
#endif
