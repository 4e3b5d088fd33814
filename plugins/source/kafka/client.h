/* The source's librdkafka client: opened, closed, and made anew. */
#ifndef SOURCE_CLIENT_H
#define SOURCE_CLIENT_H

#include "source.h"

/* Connects in the background. On an error the caller closes what was opened. */
int32_t client_open(struct kafka_source *s, churn_error *err);

/* Ends the client, without a word to the group, and what came from it; nothing where none is open. */
void client_close(struct kafka_source *s);

/* Makes the client anew, with nothing left of the old one. */
void client_remake(struct kafka_source *s);

#endif
