/* The lines of an audit, each a JSON object that ends with `"prev"`, the hash of the line before it, and `"mac"`, its
 * own: HMAC-SHA-256 of all bytes before `,"mac"`. */
#ifndef CHAIN_H
#define CHAIN_H

#include "base/json_text.h"
#include "base/key.h"
#include <stdint.h>

#define CHAIN_MAC_LEN 64                   /* hexadecimal digits */
#define CHAIN_MAX_LINE ((size_t)64 * 1024) /* bytes, with its end */

/* The newest line: where the next one goes on. */
struct chain_head {
    int64_t number; /* of the line, from 1; 0: there is none yet */
    char mac[CHAIN_MAC_LEN + 1];
};

/* The head of an audit without lines. */
struct chain_head chain_begin(void);

/* Appends the line behind `head`, which moves on to it: {"number":…, what `members` has, "prev":…,"mac":…} and its end.
 */
void chain_append(const struct key *key, struct chain_head *head, const char *members, struct text *out);

/* Reads a line without its end: its number and hashes. False when somebody without the key wrote or changed it. */
bool chain_read(const struct key *key, churn_str line, struct chain_head *ret, char ret_prev[CHAIN_MAC_LEN + 1]);

/* "17:0a1b…", and back; the hash may be left out or shortened. False when the text is none. */
#define CHAIN_HEAD_SIZE (24 + CHAIN_MAC_LEN)
void chain_head_format(const struct chain_head *head, char ret[CHAIN_HEAD_SIZE]);
bool chain_head_parse(const char *text, struct chain_head *ret);

#endif
