/* Text for an HTML page: whatever it holds, it is shown as text. */
#ifndef HTML_H
#define HTML_H

#include "base/json_text.h"

/* Fit for an element's content and for an attribute in quotes. A byte that is no UTF-8, and a control character,
 * becomes U+FFFD. */
void text_append_html(struct text *text, const char *bytes, size_t len);

static inline void text_append_html_string(struct text *text, const char *string)
{
    text_append_html(text, string, strlen(string));
}

#endif
