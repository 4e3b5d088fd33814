/* Keys, and what is made with them by libsodium: further keys, and hashes that nobody can make without the key. */
#ifndef KEY_H
#define KEY_H

#include <churn/result.h>
#include <stdbool.h>
#include <stddef.h>

#define KEY_SIZE 32

struct key {
    unsigned char bytes[KEY_SIZE];
};

/* From 64 hexadecimal digits, or base64 of 32 bytes (also URL-safe, also without padding); blanks around it are left
 * out. False with what is wrong with it, which shows nothing of it. [main] */
bool key_parse(const char *text, struct key *ret, char *message, size_t size);
/* BLAKE2b of the parts, each with its length in front, so that they cannot be cut otherwise. `purpose`, of at most 16
 * bytes, keeps hashes for one thing apart from those for another. 16 to 64 bytes are written to `out`. [any] */
void key_hash(const struct key *key, const char *purpose, const churn_str *parts, size_t count, unsigned char *out,
              size_t len);
/* A key of its own for one purpose. [any] */
void key_derive(const struct key *key, const char *purpose, struct key *ret);
/* Leaves nothing of it in memory. [any] */
void key_wipe(struct key *key);

#endif
