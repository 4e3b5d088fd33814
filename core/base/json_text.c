#include "base/json_text.h"

#include <stdlib.h>

void text_free(struct text *text)
{
    free(text->bytes);
    *text = (struct text){0};
}

bool text_grow(struct text *text, size_t more)
{
    size_t room = text->room != 0 ? text->room : 256;
    char *bytes;
    if (text->failed) {
        return false;
    }
    while (room - text->len < more) {
        room *= 2;
    }
    bytes = realloc(text->bytes, room);
    if (bytes == NULL) {
        text->failed = true;
        return false;
    }
    text->bytes = bytes;
    text->room = room;
    return true;
}

void text_printf(struct text *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    if (len >= 0 && text_reserve(text, (size_t)len + 1)) { /* vsnprintf writes a NUL too */
        (void)vsnprintf(text->bytes + text->len, (size_t)len + 1, format, again);
        text->len += (size_t)len;
    }
    va_end(again);
    va_end(args);
}

static void append_escape(struct text *text, unsigned char c)
{
    static const char letters[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                   ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
    if (c < sizeof letters && letters[c] != 0) {
        text_append(text, (const char[]){'\\', letters[c]}, 2);
    } else {
        text_printf(text, "\\u%04x", c);
    }
}

size_t text_character_length(const char *bytes, size_t len)
{
    const unsigned char *at = (const unsigned char *)bytes; /* Unicode 15, table 3-7 */
    unsigned char first = at[0],
                  least = first == 0xe0   ? 0xa0
                          : first == 0xf0 ? 0x90
                                          : 0x80,
                  most = first == 0xed   ? 0x9f
                         : first == 0xf4 ? 0x8f
                                         : 0xbf;
    size_t length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    if (length == 0 || length > len || at[1] < least || at[1] > most) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

bool text_is_utf8(const char *bytes, size_t len)
{
    for (size_t i = 0, character; i < len; i += character) {
        character = (unsigned char)bytes[i] < 0x80 ? 1 : text_character_length(bytes + i, len - i);
        if (character == 0) {
            return false;
        }
    }
    return true;
}

void text_append_json(struct text *text, const char *bytes, size_t len)
{
    size_t start = 0, character;
    text_append(text, "\"", 1);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c >= 0x80) {
            character = text_character_length(bytes + i, len - i);
            if (character > 0) {
                i += character - 1;
                continue;
            }
            text_append(text, bytes + start, i - start);
            text_append(text, "\xef\xbf\xbd", 3);
            start = i + 1;
        } else if (c < 0x20 || c == '"' || c == '\\') {
            text_append(text, bytes + start, i - start);
            append_escape(text, c);
            start = i + 1;
        }
    }
    text_append(text, bytes + start, len - start);
    text_append(text, "\"", 1);
}

void text_append_minified(struct text *text, const char *json, size_t len)
{
    bool in_string = false;
    size_t start = 0;
    for (size_t i = 0; i < len; i++) {
        char c = json[i];
        if (in_string) {
            i += c == '\\'; /* the escaped character cannot end the string */
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            text_append(text, json + start, i - start);
            start = i + 1;
        }
    }
    text_append(text, json + start, len - start);
}
