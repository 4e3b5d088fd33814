#include "observe/html.h"

/* What stands for a character that would be more than text; NULL: the character itself does. */
static const char *entity_of(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

static bool is_shown(unsigned char c)
{
    return (c >= 0x20 && c < 0x7f) || c == '\n' || c == '\t';
}

void text_append_html(struct text *text, const char *bytes, size_t len)
{
    size_t at = 0;
    while (at < len) {
        const char *entity = entity_of(bytes[at]);
        size_t many = text_character_length(bytes + at, len - at);
        if (entity != NULL) {
            text_append_string(text, entity);
            at++;
        } else if (many > 0) {
            text_append(text, bytes + at, many);
            at += many;
        } else {
            text_append_string(text, is_shown((unsigned char)bytes[at]) ? (char[]){bytes[at], '\0'} : "\xef\xbf\xbd");
            at++;
        }
    }
}
