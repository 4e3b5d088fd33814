/* One customer, as a lookup found it: as JSON, and as a part of the page. */
#ifndef CUSTOMER_VIEW_H
#define CUSTOMER_VIEW_H

#include "observe/lookup.h"

/* The HTTP status that says how it went. */
unsigned customer_view_status(const struct lookup_question *answer);
void customer_view_append_json(struct text *out, const struct lookup_question *answer);
void customer_view_append(struct text *out, const struct lookup_question *answer);

/* An id as a part of a URL. */
void customer_view_append_url(struct text *out, const char *id);

#endif
