#include "base/key.h"

#include "base/refuse.h"
#include <sodium.h>
#include <string.h>

#define BLANKS " \t\r\n"
#define MAX_DECODED 1024

/* The bytes that `text` is in hex or base64; -1: in neither. */
static long decode(const char *text, size_t len, unsigned char *bytes, size_t room)
{
    static const int variants[] = {sodium_base64_VARIANT_ORIGINAL, sodium_base64_VARIANT_ORIGINAL_NO_PADDING,
                                   sodium_base64_VARIANT_URLSAFE, sodium_base64_VARIANT_URLSAFE_NO_PADDING};
    const char *end;
    size_t decoded;
    if (sodium_hex2bin(bytes, room, text, len, NULL, &decoded, &end) == 0 && end == text + len) {
        return (long)decoded;
    }
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        if (sodium_base642bin(bytes, room, text, len, NULL, &decoded, &end, variants[i]) == 0 && end == text + len) {
            return (long)decoded;
        }
    }
    return -1;
}

bool key_parse(const char *text, struct key *ret, char *message, size_t size)
{
    unsigned char bytes[MAX_DECODED];
    size_t len;
    long decoded;
    if (sodium_init() < 0) {
        return refuse(message, size, "libsodium has no source of random numbers");
    }
    text += strspn(text, BLANKS);
    len = strlen(text);
    while (len > 0 && strchr(BLANKS, text[len - 1]) != NULL) {
        len--;
    }
    if (len == 0) {
        return refuse(message, size, "the key is empty; `openssl rand -hex %d` makes one", KEY_SIZE);
    }
    decoded = decode(text, len, bytes, sizeof bytes);
    if (decoded == KEY_SIZE) {
        memcpy(ret->bytes, bytes, KEY_SIZE);
    }
    sodium_memzero(bytes, sizeof bytes);
    if (decoded < 0) {
        return refuse(message, size,
                      "a key is %d bytes in hexadecimal digits or base64; `openssl rand -hex %d` makes one", KEY_SIZE,
                      KEY_SIZE);
    }
    return decoded == KEY_SIZE ||
           refuse(message, size, "the key is too %s: %ld bytes instead of %d; `openssl rand -hex %d` makes one",
                  decoded < KEY_SIZE ? "short" : "long", decoded, KEY_SIZE, KEY_SIZE);
}

void key_hash(const struct key *key, const char *purpose, const churn_str *parts, size_t count, unsigned char *out,
              size_t len)
{
    unsigned char personal[crypto_generichash_blake2b_PERSONALBYTES] = {0};
    crypto_generichash_blake2b_state state;
    memcpy(personal, purpose, strnlen(purpose, sizeof personal));
    (void)crypto_generichash_blake2b_init_salt_personal(&state, key->bytes, KEY_SIZE, len, NULL, personal);
    for (size_t i = 0; i < count; i++) {
        unsigned char length[8];
        for (unsigned k = 0; k < sizeof length; k++) {
            length[k] = (unsigned char)((uint64_t)parts[i].len >> 8 * k);
        }
        (void)crypto_generichash_blake2b_update(&state, length, sizeof length);
        (void)crypto_generichash_blake2b_update(&state, (const unsigned char *)parts[i].ptr, parts[i].len);
    }
    (void)crypto_generichash_blake2b_final(&state, out, len);
    sodium_memzero(&state, sizeof state);
}

void key_derive(const struct key *key, const char *purpose, struct key *ret)
{
    key_hash(key, purpose, NULL, 0, ret->bytes, KEY_SIZE);
}

void key_wipe(struct key *key)
{
    sodium_memzero(key, sizeof *key);
}
