/* "did you mean": the known name nearest to a mistyped one. */
#ifndef SUGGEST_H
#define SUGGEST_H

#include <stdbool.h>
#include <stddef.h>

/* Offer each candidate, then read `best`: NULL when none is near enough. */
struct suggest {
    const char *typed;
    bool by_part; /* `group` means `group_id` too, and `url` `webhook_url` */
    const char *best;
    size_t distance;
};

void suggest_offer(struct suggest *suggest, const char *candidate);

/* " (did you mean 'brokers'?)" or "". */
const char *suggest_text(const struct suggest *suggest, char *buffer, size_t size);

#endif
