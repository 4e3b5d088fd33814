#include "base/seal.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG crypto_aead_xchacha20poly1305_ietf_ABYTES
#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define WORD "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
#define HEAD_SIZE (sizeof SEAL_PREFIX + SEAL_MAX_ID)

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

/* Cuts churnd:1:ID:DATA. */
static bool cut(churn_str text, churn_str *ret_id, churn_str *ret_data)
{
    size_t prefix = sizeof SEAL_PREFIX - 1;
    const char *colon;
    if (text.len < prefix || memcmp(text.ptr, SEAL_PREFIX, prefix) != 0) {
        return false;
    }
    colon = memchr(text.ptr + prefix, ':', text.len - prefix);
    if (colon == NULL) {
        return false;
    }
    *ret_id = (churn_str){.ptr = text.ptr + prefix, .len = (uint32_t)(colon - text.ptr - (long)prefix)};
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
              data.len >= (NONCE + 1 + TAG) * 4 / 3;
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

static int make_head(char head[HEAD_SIZE], const struct seal_key *key)
{
    return snprintf(head, HEAD_SIZE, SEAL_PREFIX "%s", key->id);
}

void seal_append(struct text *out, const struct seal_ring *ring, const struct seal_place *place, churn_str text)
{
    const struct seal_key *key = &ring->keys[0];
    size_t len = NONCE + 1 + text.len + TAG, coded = sodium_base64_encoded_len(len, VARIANT);
    unsigned char *data = malloc(len);
    char head[HEAD_SIZE];
    int head_len = make_head(head, key);
    if (data == NULL) {
        out->failed = true;
        return;
    }
    data[NONCE] = place->json ? 'j' : 't';
    if (text.len > 0) {
        memcpy(data + NONCE + 1, text.ptr, text.len);
    }
    make_nonce(key, place, (char)data[NONCE], text, data);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(data + NONCE, NULL, data + NONCE, 1 + text.len,
                                                     (const unsigned char *)head, (unsigned long long)head_len, NULL,
                                                     data, key->cipher.bytes);
    text_append(out, head, (size_t)head_len);
    text_append(out, ":", 1);
    if (text_reserve(out, coded)) {
        (void)sodium_bin2base64(out->bytes + out->len, coded, data, len, VARIANT);
        out->len += coded - 1; /* a NUL ends it */
    }
    free(data);
}

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
static enum seal_result decrypt(const struct seal_key *key, const struct seal_place *place, unsigned char *data,
                                size_t len)
{
    unsigned char nonce[NONCE];
    char head[HEAD_SIZE];
    int head_len = make_head(head, key);
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

static enum seal_result open_sealed(struct text *out, const struct seal_ring *ring, const struct seal_place *place,
                                    churn_str sealed, bool *ret_json)
{
    const struct seal_key *key;
    churn_str id, data;
    unsigned char *bytes;
    size_t len;
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
        result = decrypt(key, place, bytes, len);
    }
    if (result == SEAL_OPENED) {
        *ret_json = bytes[NONCE] == 'j';
        text_append(out, (const char *)bytes + NONCE + 1, len - NONCE - 1 - TAG);
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
    return open_sealed(out, ring, place, sealed, &json);
}

enum seal_result seal_open_anywhere(struct text *out, const struct seal_ring *ring, churn_str sealed, bool *ret_json)
{
    return open_sealed(out, ring, NULL, sealed, ret_json);
}
