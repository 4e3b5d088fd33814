/* Strict reading of JSON. */
#ifndef JSON_READ_H
#define JSON_READ_H

#include <churn/result.h>
#include <json-c/json.h>

/* The object that `text` is, to be freed with json_object_put, or NULL when it is not exactly one valid JSON object in
 * UTF-8 of at most 32 levels. */
json_object *json_read_object(churn_str text);

/* The same for any JSON value in place of an object; null is NULL too. */
json_object *json_read(churn_str text);

/* The string member `name` of `object`: 1, or 0 when it is absent or no string. Lives as long as the object. */
int json_read_string(json_object *object, const char *name, churn_str *ret_value);

#endif
