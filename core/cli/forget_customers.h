/* Customers that a command is given: as operands, and in a file, one a line. */
#ifndef FORGET_CUSTOMERS_H
#define FORGET_CUSTOMERS_H

#include "base/name_index.h"

#define FORGET_MOST_CUSTOMERS 10000 /* in one tombstone, which is one record of the topic */

struct arguments;

struct customer_ids {
    char **items; /* each once */
    unsigned count, room;
    struct name_index known; /* by the number of the item */
};

/* Those of `command`. False, with a message to standard error: there is none, too many are, or one is no customer_id.
 * To be freed either way. */
bool customer_ids_read(struct customer_ids *ids, const struct arguments *arguments, const char *command);
void customer_ids_free(struct customer_ids *ids);

#endif
