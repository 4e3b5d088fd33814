/* One pass over an event's JSON text: checks all of it by RFC 8259 and keeps the members that are declared. */
#ifndef JSON_SCAN_H
#define JSON_SCAN_H

#ifdef __cplusplus
extern "C" {
#endif

#include "base/name_index.h"
#include <churn/result.h>

#define JSON_SCAN_PADDING 64 /* readable bytes that must follow the text; the first is NUL */
#define JSON_SCAN_MAX_DEPTH 64

enum json_kind { JSON_ABSENT, JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_OBJECT, JSON_ARRAY };

/* `text`: a string's unescaped bytes, else the value's own text (an object's: from brace to brace for `data`; an
 * array's: not). Points into the scanned text, or into the scanner until its next scan. */
struct json_token {
    churn_str text;
    uint32_t kind;
    uint64_t round;
};

/* Members of the event object itself. */
enum json_member {
    JSON_MEMBER_EVENT_ID,
    JSON_MEMBER_EVENT_TYPE,
    JSON_MEMBER_CUSTOMER_ID,
    JSON_MEMBER_TIMESTAMP,
    JSON_MEMBER_DATA,
    JSON_MEMBER_COUNT
};

enum json_result { JSON_OK, JSON_INVALID, JSON_INVALID_UTF8, JSON_TOO_DEEP, JSON_NOT_AN_OBJECT, JSON_NO_MEMORY };

struct json_scanner;

/* `data_names` are the members of `data` to keep; it outlives the scanner. One thread. NULL when memory ran out. */
struct json_scanner *json_scanner_new(const struct name_index *data_names);
void json_scanner_free(struct json_scanner *scanner);

/* Of a repeated member name the last one counts. */
enum json_result json_scan(struct json_scanner *scanner, const char *json, size_t len);

/* The tokens of the newest scan that was JSON_OK; kind JSON_ABSENT where there is none. */
const struct json_token *json_scan_member(const struct json_scanner *scanner, enum json_member member);
const struct json_token *json_scan_data(const struct json_scanner *scanner, uint32_t data_name);

/* Calls `fn` with each member of the object that `json` is, in their order: its unescaped name and the text of its
 * value, both valid during the call. Makes the tokens of the newest scan void. */
typedef void (*json_member_fn)(void *ctx, churn_str name, churn_str value);
enum json_result json_members(struct json_scanner *scanner, churn_str json, json_member_fn fn, void *ctx);

bool json_is_utf8(churn_str text);

#ifdef __cplusplus
}
#endif
#endif
