#include "audit/chain.h"

#include "base/decimal.h"
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

#define NUMBER "{\"number\":"
#define PREV ",\"prev\":\""
#define MAC ",\"mac\":\""
#define END "\"}"

#define MAC_PART (sizeof MAC - 1 + CHAIN_MAC_LEN + sizeof END - 1)
#define PREV_PART (sizeof PREV - 1 + CHAIN_MAC_LEN + 1)

struct chain_head chain_begin(void)
{
    struct chain_head head = {0};
    memset(head.mac, '0', CHAIN_MAC_LEN);
    return head;
}

static void hash(const struct key *key, const char *bytes, size_t len, char ret[CHAIN_MAC_LEN + 1])
{
    crypto_auth_hmacsha256_state state;
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    (void)crypto_auth_hmacsha256_init(&state, key->bytes, KEY_SIZE);
    (void)crypto_auth_hmacsha256_update(&state, (const unsigned char *)bytes, len);
    (void)crypto_auth_hmacsha256_final(&state, mac);
    (void)sodium_bin2hex(ret, CHAIN_MAC_LEN + 1, mac, sizeof mac);
}

void chain_append(const struct key *key, struct chain_head *head, const char *members, struct text *out)
{
    size_t begin = out->len;
    char mac[CHAIN_MAC_LEN + 1];
    text_printf(out, NUMBER "%" PRId64 ",%s" PREV "%s\"", head->number + 1, members, head->mac);
    if (out->failed) {
        return;
    }
    hash(key, out->bytes + begin, out->len - begin, mac);
    text_printf(out, MAC "%s" END "\n", mac);
    head->number++;
    memcpy(head->mac, mac, sizeof mac);
}

static bool is_at(churn_str line, size_t at, const char *text)
{
    return memcmp(line.ptr + at, text, strlen(text)) == 0;
}

static bool read_number(churn_str line, int64_t *ret)
{
    size_t skip = sizeof NUMBER - 1;
    size_t digits = strspn(line.ptr + skip, "0123456789"); /* something else stands before the line's end */
    return is_at(line, 0, NUMBER) && decimal_parse_int64(line.ptr + skip, digits, ret);
}

bool chain_read(const struct key *key, churn_str line, struct chain_head *ret, char ret_prev[CHAIN_MAC_LEN + 1])
{
    size_t mac_at = line.len - MAC_PART, prev_at = mac_at - PREV_PART;
    const char *shown;
    if (line.len < sizeof NUMBER - 1 + PREV_PART + MAC_PART || !is_at(line, mac_at, MAC) ||
        !is_at(line, line.len - (sizeof END - 1), END) || !is_at(line, prev_at, PREV) ||
        !read_number(line, &ret->number)) {
        return false;
    }
    shown = line.ptr + mac_at + sizeof MAC - 1;
    hash(key, line.ptr, mac_at, ret->mac);
    (void)snprintf(ret_prev, CHAIN_MAC_LEN + 1, "%.*s", CHAIN_MAC_LEN, line.ptr + prev_at + sizeof PREV - 1);
    return sodium_memcmp(shown, ret->mac, CHAIN_MAC_LEN) == 0;
}

void chain_head_format(const struct chain_head *head, char ret[CHAIN_HEAD_SIZE])
{
    (void)snprintf(ret, CHAIN_HEAD_SIZE, "%" PRId64 ":%s", head->number, head->mac);
}

bool chain_head_parse(const char *text, struct chain_head *ret)
{
    size_t digits = strspn(text, "0123456789"), len = strlen(text + digits);
    const char *mac = text + digits + (len > 0);
    if (!decimal_parse_int64(text, digits, &ret->number) || ret->number < 0 || (len > 0 && text[digits] != ':') ||
        len > CHAIN_MAC_LEN + 1 || mac[strspn(mac, "0123456789abcdef")] != '\0') {
        return false;
    }
    (void)snprintf(ret->mac, sizeof ret->mac, "%s", mac);
    return true;
}
