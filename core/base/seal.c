#include "base/seal.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG crypto_aead_xchacha20poly1305_ietf_ABYTES
#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define WORD "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
#define HEAD_SIZE (sizeof SEAL_PREFIX + SEAL_MAX_ID)
#define SALT_ID 8 /* bytes that tell which salt it was */
#define PREFIX (sizeof SEAL_PREFIX - 1)

_Static_assert(sizeof SEAL_PREFIX == sizeof SEAL_SALTED_PREFIX, "both forms are cut alike");

bool seal_is_id(const char *id)
{
    size_t len = strlen(id);
    return len >= 1 && len <= SEAL_MAX_ID && strspn(id, WORD ".") == len;
}

bool seal_ring_add(struct seal_ring *ring, const char *id, const struct key *key)
{
    struct seal_key *keys = calloc(ring->count + 1, sizeof *keys);
    if (keys == NULL) {
        return false;
    }
    if (ring->count > 0) {
        memcpy(keys, ring->keys, ring->count * sizeof *keys);
        sodium_memzero(ring->keys, ring->count * sizeof *keys);
        free(ring->keys);
    }
    (void)snprintf(keys[ring->count].id, sizeof keys[ring->count].id, "%s", id);
    key_derive(key, "churnd cipher 1", &keys[ring->count].cipher);
    key_derive(key, "churnd nonce 1", &keys[ring->count].nonce);
    ring->keys = keys;
    ring->count++;
    return true;
}

const char *seal_ring_find(const struct seal_ring *ring, const struct key *key)
{
    struct key cipher;
    const char *id = NULL;
    key_derive(key, "churnd cipher 1", &cipher);
    for (unsigned i = 0; id == NULL && i < ring->count; i++) {
        if (sodium_memcmp(cipher.bytes, ring->keys[i].cipher.bytes, sizeof cipher.bytes) == 0) {
            id = ring->keys[i].id;
        }
    }
    key_wipe(&cipher);
    return id;
}

void seal_ring_free(struct seal_ring *ring)
{
    if (ring->keys != NULL) {
        sodium_memzero(ring->keys, ring->count * sizeof *ring->keys);
        free(ring->keys);
    }
    *ring = (struct seal_ring){0};
}

static bool begins(churn_str text, const char prefix[PREFIX + 1])
{
    return text.len >= PREFIX && memcmp(text.ptr, prefix, PREFIX) == 0;
}

/* Cuts churnd:1:ID:DATA, or churnd:2:ID:DATA. */
static bool cut(churn_str text, churn_str *ret_id, churn_str *ret_data)
{
    const char *colon;
    if (!begins(text, SEAL_PREFIX) && !begins(text, SEAL_SALTED_PREFIX)) {
        return false;
    }
    colon = memchr(text.ptr + PREFIX, ':', text.len - PREFIX);
    if (colon == NULL) {
        return false;
    }
    *ret_id = (churn_str){.ptr = text.ptr + PREFIX, .len = (uint32_t)(colon - text.ptr - (long)PREFIX)};
    *ret_data = (churn_str){.ptr = colon + 1, .len = (uint32_t)(text.ptr + text.len - colon - 1)};
    return true;
}

static bool is_word(churn_str text, const char *characters)
{
    for (uint32_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\0' || strchr(characters, text.ptr[i]) == NULL) {
            return false;
        }
    }
    return text.len > 0;
}

bool seal_is(churn_str text, churn_str *ret_id)
{
    churn_str id, data;
    bool is = cut(text, &id, &data) && id.len <= SEAL_MAX_ID && is_word(id, WORD ".") && is_word(data, WORD) &&
              data.len >= ((begins(text, SEAL_PREFIX) ? 0 : SALT_ID) + NONCE + 1 + TAG) * 4 / 3;
    if (is && ret_id != NULL) {
        *ret_id = id;
    }
    return is;
}

/* `form` says what `text` is, and is encrypted with it. */
static void make_nonce(const struct seal_key *key, const struct seal_place *place, char form, churn_str text,
                       unsigned char nonce[NONCE])
{
    const churn_str parts[] = {churn_text(place->kind),  place->record, place->owner, place->field,
                               {.ptr = &form, .len = 1}, text};
    key_hash(&key->nonce, "churnd nonce", parts, sizeof parts / sizeof parts[0], nonce, NONCE);
}

bool seal_is_salted(churn_str text)
{
    return seal_is(text, NULL) && begins(text, SEAL_SALTED_PREFIX);
}

/* ---- whom it is of ---- */

static void name_salt(const unsigned char salt[SEAL_SALT_SIZE], unsigned char id[SALT_ID])
{
    unsigned char hash[crypto_generichash_BYTES_MIN];
    (void)crypto_generichash(hash, sizeof hash, salt, SEAL_SALT_SIZE, NULL, 0);
    memcpy(id, hash, SALT_ID);
}

/* The key that a text is sealed with, and how much stands before its nonce; to be wiped. */
static size_t salted_key(const struct seal_key *key, const unsigned char *salt, struct seal_key *ret)
{
    const churn_str part = {.ptr = (const char *)salt, .len = SEAL_SALT_SIZE};
    *ret = *key;
    if (salt == NULL) {
        return 0;
    }
    key_hash(&key->cipher, "churnd salted", &part, 1, ret->cipher.bytes, sizeof ret->cipher.bytes);
    key_hash(&key->nonce, "churnd salted", &part, 1, ret->nonce.bytes, sizeof ret->nonce.bytes);
    return SALT_ID;
}

/* ---- sealing ---- */

static int make_head(char head[HEAD_SIZE], const struct seal_key *key, bool salted)
{
    return snprintf(head, HEAD_SIZE, "%s%s", salted ? SEAL_SALTED_PREFIX : SEAL_PREFIX, key->id);
}

void seal_append(struct text *out, const struct seal_ring *ring, const struct seal_place *place, churn_str text)
{
    struct seal_key key;
    size_t salted = salted_key(&ring->keys[0], place->salt, &key);
    size_t len = salted + NONCE + 1 + text.len + TAG, coded = sodium_base64_encoded_len(len, VARIANT);
    unsigned char *bytes = malloc(len), *data;
    char head[HEAD_SIZE];
    int head_len = make_head(head, &key, salted > 0);
    if (bytes == NULL) {
        out->failed = true;
        return;
    }
    data = bytes + salted;
    if (salted > 0) {
        name_salt(place->salt, bytes);
    }
    data[NONCE] = place->json ? 'j' : 't';
    if (text.len > 0) {
        memcpy(data + NONCE + 1, text.ptr, text.len);
    }
    make_nonce(&key, place, (char)data[NONCE], text, data);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(data + NONCE, NULL, data + NONCE, 1 + text.len,
                                                     (const unsigned char *)head, (unsigned long long)head_len, NULL,
                                                     data, key.cipher.bytes);
    sodium_memzero(&key, sizeof key);
    text_append(out, head, (size_t)head_len);
    text_append(out, ":", 1);
    if (text_reserve(out, coded)) {
        (void)sodium_bin2base64(out->bytes + out->len, coded, bytes, len, VARIANT);
        out->len += coded - 1; /* a NUL ends it */
    }
    free(bytes);
}

/* ---- opening ---- */

static const struct seal_key *find_key(const struct seal_ring *ring, churn_str id)
{
    for (unsigned i = 0; ring != NULL && i < ring->count; i++) {
        if (str_equals(id, ring->keys[i].id)) {
            return &ring->keys[i];
        }
    }
    return NULL;
}

/* In place: `data` has the form and the text behind the nonce then. */
static enum seal_result decrypt(const struct seal_key *key, const struct seal_place *place, bool salted,
                                unsigned char *data, size_t len)
{
    unsigned char nonce[NONCE];
    char head[HEAD_SIZE];
    int head_len = make_head(head, key, salted);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(data + NONCE, NULL, NULL, data + NONCE, len - NONCE,
                                                   (const unsigned char *)head, (unsigned long long)head_len, data,
                                                   key->cipher.bytes) != 0) {
        return SEAL_FORGED;
    }
    if (place == NULL) {
        return SEAL_OPENED;
    }
    make_nonce(key, place, place->json ? 'j' : 't',
               (churn_str){.ptr = (const char *)data + NONCE + 1, .len = (uint32_t)(len - NONCE - 1 - TAG)}, nonce);
    return sodium_memcmp(nonce, data, NONCE) == 0 ? SEAL_OPENED : SEAL_FORGED;
}

/* `bytes` as they came; then the form and the text stand behind *ret_at. */
static enum seal_result open_bytes(const struct seal_key *ring_key, const struct seal_place *place,
                                   const unsigned char *salt, bool salted, unsigned char *bytes, size_t len,
                                   size_t *ret_at)
{
    unsigned char id[SALT_ID];
    struct seal_key key;
    enum seal_result result = SEAL_SALT_UNKNOWN;
    size_t before = salted_key(ring_key, salted ? salt : NULL, &key);
    *ret_at = before + NONCE;
    if (before > 0) {
        name_salt(salt, id);
    }
    if (!salted || (before > 0 && memcmp(id, bytes, SALT_ID) == 0)) {
        result =
            len >= before + NONCE + 1 + TAG ? decrypt(&key, place, salted, bytes + before, len - before) : SEAL_FORGED;
    }
    sodium_memzero(&key, sizeof key);
    return result;
}

static enum seal_result open_sealed(struct text *out, const struct seal_ring *ring, const struct seal_place *place,
                                    const unsigned char *salt, churn_str sealed, bool *ret_json)
{
    const struct seal_key *key;
    churn_str id, data;
    unsigned char *bytes;
    size_t len, at = 0;
    enum seal_result result = SEAL_FORGED;
    if (!seal_is(sealed, NULL) || !cut(sealed, &id, &data)) {
        return SEAL_NONE;
    }
    key = find_key(ring, id);
    if (key == NULL) {
        return SEAL_KEY_UNKNOWN;
    }
    bytes = malloc(data.len);
    if (bytes == NULL) {
        return SEAL_NO_MEMORY;
    }
    if (sodium_base642bin(bytes, data.len, data.ptr, data.len, NULL, &len, NULL, VARIANT) == 0 &&
        len >= NONCE + 1 + TAG) {
        result = open_bytes(key, place, salt, begins(sealed, SEAL_SALTED_PREFIX), bytes, len, &at);
    }
    if (result == SEAL_OPENED) {
        *ret_json = bytes[at] == 'j';
        text_append(out, (const char *)bytes + at + 1, len - at - 1 - TAG);
        result = out->failed ? SEAL_NO_MEMORY : SEAL_OPENED;
    }
    sodium_memzero(bytes, data.len);
    free(bytes);
    return result;
}

enum seal_result seal_open(struct text *out, const struct seal_ring *ring, const struct seal_place *place,
                           churn_str sealed)
{
    bool json;
    return open_sealed(out, ring, place, place->salt, sealed, &json);
}

enum seal_result seal_open_anywhere(struct text *out, const struct seal_ring *ring, const unsigned char *salt,
                                    churn_str sealed, bool *ret_json)
{
    return open_sealed(out, ring, NULL, salt, sealed, ret_json);
}
