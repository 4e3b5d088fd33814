/* Strict reading of JSON by json-c. */
#ifndef JSON_PARSE_H
#define JSON_PARSE_H

#include <stdbool.h>
#include <stddef.h>

struct json_object;

/* The one JSON value that `bytes` are, with nothing behind it and at most `max_depth` levels; the caller's, to be freed
 * by json_object_put. NULL also for `null`: *ret_ok is false when the text is none, or memory ran out. */
struct json_object *json_parse(const char *bytes, size_t len, int max_depth, bool *ret_ok);

#endif
