/* JSON with each text that `protect:` encrypted in clear. */
#ifndef CLEAR_JSON_H
#define CLEAR_JSON_H

#include "base/seal.h"
#include <json-c/json.h>

/* Takes `value`, and answers it with what the ring's keys, and the salt of whom it is of (NULL: none), open in clear;
 * what they do not stays as it is. `ring` may be NULL: then all does. */
struct json_object *clear_json(struct json_object *value, const struct seal_ring *ring, const unsigned char *salt);

#endif
