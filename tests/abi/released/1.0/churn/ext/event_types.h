/** @file
 * Extension "churn.event_types/1": the loaded event types, for sources that make events and sinks that describe them.
 */
#ifndef CHURN_EXT_EVENT_TYPES_H
#define CHURN_EXT_EVENT_TYPES_H

#include <churn/event.h>
#include <churn/host.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CHURN_EVENT_TYPES_ID "churn.event_types/1"

typedef struct churn_event_types {
    uint32_t size;
    uint32_t reserved;
    /** How many types are loaded. [any] */
    uint32_t (*count)(const churn_host *host);
    /** The type at `index` (sorted by name) and its name; both live as long as the process. [any] */
    const churn_event_type *(*at)(const churn_host *host, uint32_t index, const char **ret_name);
} churn_event_types;

#ifdef __cplusplus
}
#endif
#endif
