#include "text_buffer.h"

#include <stdlib.h>

static int reserve(struct text_buffer *text, size_t more)
{
    size_t room = text->room != 0 ? text->room : 256;
    char *ptr;
    if (text->failed || more > SIZE_MAX / 4 - text->len) {
        text->failed = 1;
        return 0;
    }
    while (room < text->len + more + 1) {
        room *= 2;
    }
    if (room == text->room) {
        return 1;
    }
    ptr = realloc(text->ptr, room);
    if (ptr == NULL) {
        text->failed = 1;
        return 0;
    }
    text->ptr = ptr;
    text->room = room;
    return 1;
}

void text_add(struct text_buffer *text, const void *ptr, size_t len)
{
    if (!reserve(text, len)) {
        return;
    }
    if (len > 0) {
        memcpy(text->ptr + text->len, ptr, len);
    }
    text->len += len;
    text->ptr[text->len] = '\0';
}

void text_puts(struct text_buffer *text, const char *string)
{
    text_add(text, string, strlen(string));
}

static void add_escaped(struct text_buffer *text, unsigned char c)
{
    static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    char escape[8];
    for (size_t i = 0; i + 1 < sizeof shorts; i += 2) {
        if (c == (unsigned char)shorts[i]) {
            escape[0] = '\\';
            escape[1] = shorts[i + 1];
            text_add(text, escape, 2);
            return;
        }
    }
    (void)snprintf(escape, sizeof escape, "\\u%04x", c);
    text_add(text, escape, 6);
}

void text_json_string(struct text_buffer *text, churn_str value)
{
    uint32_t plain = 0; /* start of the bytes that need no escape and were not yet added */
    text_add(text, "\"", 1);
    for (uint32_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        text_add(text, value.ptr + plain, i - plain);
        add_escaped(text, c);
        plain = i + 1;
    }
    if (value.len > plain) {
        text_add(text, value.ptr + plain, value.len - plain);
    }
    text_add(text, "\"", 1);
}

void text_clear(struct text_buffer *text)
{
    text->len = 0;
    text->failed = 0;
}

void text_free(struct text_buffer *text)
{
    free(text->ptr);
    *text = (struct text_buffer){0};
}

/* Length of the well-formed sequence at `p`, of which `left` bytes exist; 0: none. */
static uint32_t utf8_sequence(const unsigned char *p, uint32_t left)
{
    uint32_t len;
    unsigned char low = 0x80, high = 0xBF; /* allowed range of the second byte */
    if (p[0] < 0x80) {
        return 1;
    }
    if (p[0] >= 0xC2 && p[0] <= 0xDF) {
        len = 2;
    } else if (p[0] >= 0xE0 && p[0] <= 0xEF) {
        len = 3;
        low = p[0] == 0xE0 ? 0xA0 : 0x80;
        high = p[0] == 0xED ? 0x9F : 0xBF;
    } else if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        len = 4;
        low = p[0] == 0xF0 ? 0x90 : 0x80;
        high = p[0] == 0xF4 ? 0x8F : 0xBF;
    } else {
        return 0;
    }
    if (left < len || p[1] < low || p[1] > high) {
        return 0;
    }
    for (uint32_t i = 2; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return len;
}

int text_is_utf8(churn_str value)
{
    const unsigned char *p = (const unsigned char *)value.ptr;
    for (uint32_t i = 0; i < value.len;) {
        uint32_t len = utf8_sequence(p + i, value.len - i);
        if (len == 0) {
            return 0;
        }
        i += len;
    }
    return 1;
}
