/* Whose a record is that is no event, and of when: as far as its text can be read at all. */
#ifndef OWNER_H
#define OWNER_H

#include <churn/result.h>
#include <stdbool.h>
#include <stdint.h>

struct json_object;

/* The customer_id of an object; the text is the object's. A number that stands in its place is one to whoever looks for
 * it. False: it has none. */
bool owner_in(struct json_object *object, churn_str *ret_customer);

/* The object's time, in ms since 1970; `otherwise` where it says none. */
int64_t owner_time(struct json_object *object, int64_t otherwise);

#endif
