/* Texts encrypted by XChaCha20-Poly1305 (libsodium), as one word: churnd:1:KEY:DATA, where KEY is the id of the key and
 * DATA is base64 (URL-safe, without padding) of the nonce, the encrypted text and its tag.
 *
 * What is encrypted begins with a byte that says what follows: 't' a text, 'j' a JSON value.
 *
 * The nonce is a keyed hash of where the text stands and of what is encrypted. So what is encrypted again is the same
 * again, two different texts have never the same nonce, and who opens a text where it belongs notices one that was
 * moved there. The tag is also over "churnd:1:KEY".
 *
 * With a salt of whom the text is of, it is encrypted by a key derived from both: churnd:2:KEY:DATA, where DATA begins
 * with a hash of the salt. Without the salt nobody opens it again, whatever keys he has. */
#ifndef SEAL_H
#define SEAL_H

#include "base/json_text.h"
#include "base/key.h"

#define SEAL_PREFIX "churnd:1:"
#define SEAL_SALTED_PREFIX "churnd:2:"
#define SEAL_ANY_PREFIX "churnd:" /* before one of these */
#define SEAL_SALT_SIZE 32
#define SEAL_MAX_ID 32 /* bytes of a key's id: letters, digits, '-', '_' and '.' */

struct seal_key {
    char id[SEAL_MAX_ID + 1];
    struct key cipher, nonce; /* both derived from the key */
};

/* Built by main, then only read: several threads may use it. */
struct seal_ring {
    struct seal_key *keys; /* the first one encrypts, all decrypt */
    unsigned count;
};

/* Where a text stands. */
struct seal_place {
    const char *kind; /* what it is a part of */
    churn_str record; /* the id of that */
    churn_str owner;  /* whose it is */
    churn_str field;
    bool json;                 /* it is a JSON value, to be put in the place of the text */
    const unsigned char *salt; /* of SEAL_SALT_SIZE; NULL: none */
};

enum seal_result {
    SEAL_OPENED,
    SEAL_NONE,         /* it is not sealed */
    SEAL_KEY_UNKNOWN,  /* by a key that the ring does not have */
    SEAL_SALT_UNKNOWN, /* by another salt than the place has, or by one where the place has none */
    SEAL_FORGED,       /* changed, or moved here from another place */
    SEAL_NO_MEMORY
};

bool seal_is_id(const char *id);
/* Adds a key with its id behind those that are there; false when memory ran out. */
bool seal_ring_add(struct seal_ring *ring, const char *id, const struct key *key);
/* The id by which the ring has the same key; NULL: it does not. */
const char *seal_ring_find(const struct seal_ring *ring, const struct key *key);
void seal_ring_free(struct seal_ring *ring);

/* Whether it has the form of a sealed text. *ret_id: the id of its key, which points into it; may be NULL. */
bool seal_is(churn_str text, churn_str *ret_id);
/* Appends the sealed text; the ring has a key. */
void seal_append(struct text *out, const struct seal_ring *ring, const struct seal_place *place, churn_str text);
/* Appends the clear text, and nothing where it does not answer SEAL_OPENED. A ring may be empty, or NULL: then every
 * key is unknown. */
enum seal_result seal_open(struct text *out, const struct seal_ring *ring, const struct seal_place *place,
                           churn_str sealed);
/* The same wherever it comes from, with the salt of whom it is of (NULL: none); *ret_json: it is a JSON value. */
enum seal_result seal_open_anywhere(struct text *out, const struct seal_ring *ring, const unsigned char *salt,
                                    churn_str sealed, bool *ret_json);
/* Whether it has the form of a text that was sealed with a salt. */
bool seal_is_salted(churn_str text);

#endif
