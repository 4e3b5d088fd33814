#include "base/printable.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#define LONGEST 4 /* bytes of a character */

/* Of a whole character; of four bytes, which are beyond U+FFFF, 0. */
static unsigned code_of(const char *bytes, size_t len)
{
    const unsigned char *at = (const unsigned char *)bytes;
    return len == 1   ? at[0]
           : len == 2 ? (at[0] & 0x1fu) << 6 | (at[1] & 0x3fu)
           : len == 3 ? (at[0] & 0x0fu) << 12 | (at[1] & 0x3fu) << 6 | (at[2] & 0x3fu)
                      : 0;
}

/* What moves a cursor, begins a line or turns the direction of what follows: C0, C1, U+2028 to U+202E, U+2066 to
 * U+2069. */
static bool is_control(const char *bytes, size_t len)
{
    unsigned code = code_of(bytes, len);
    return (len == 1 && code < 0x20 && code != '\n' && code != '\t') || (code >= 0x7f && code < 0xa0) ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

/* How long a character would be that begins with this byte. */
static size_t length_by_first(unsigned char first)
{
    return first < 0xc2 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? LONGEST : 1;
}

/* What there is of a last character could be the beginning of one. */
static bool may_go_on(const char *bytes, size_t len)
{
    static const char any[] = {(char)0x80, (char)0x90, (char)0xa0};
    char whole[LONGEST];
    size_t wanted = length_by_first((unsigned char)bytes[0]);
    for (size_t i = 0; len < wanted && i < sizeof any; i++) {
        memset(whole, any[i], sizeof whole);
        memcpy(whole, bytes, len);
        if (text_character_length(whole, wanted) == wanted) {
            return true;
        }
    }
    return false;
}

size_t printable_append(struct text *out, const char *bytes, size_t len, bool last)
{
    size_t at = 0;
    while (at < len) {
        unsigned char first = (unsigned char)bytes[at];
        size_t long_as = first < 0x80 ? 1 : text_character_length(bytes + at, len - at);
        if (long_as == 0 && !last && may_go_on(bytes + at, len - at)) {
            break;
        }
        if (long_as == 0) {
            text_printf(out, "\\x%02x", first);
            long_as = 1;
        } else if (is_control(bytes + at, long_as)) {
            text_printf(out, "\\u%04x", code_of(bytes + at, long_as));
        } else {
            text_append(out, bytes + at, long_as);
        }
        at += long_as;
    }
    return at;
}

void printable_append_line(struct text *out, const char *bytes, size_t len)
{
    for (size_t at = 0, part; at < len; at += part + 1) {
        for (part = 0; at + part < len && bytes[at + part] != '\n' && bytes[at + part] != '\t';) {
            part++;
        }
        (void)printable_append(out, bytes + at, part, true);
        if (at + part < len) {
            text_printf(out, "\\u%04x", (unsigned)bytes[at + part]);
        }
    }
}

bool printable_is_plain(const char *text)
{
    struct text shown = {0};
    size_t len = strlen(text);
    bool plain;
    printable_append_line(&shown, text, len);
    plain = !shown.failed && shown.len == len;
    text_free(&shown);
    return plain;
}

CHURN_PRINTF(2, 0) static void print(FILE *out, const char *format, va_list args)
{
    struct text shown = {0};
    char *given = NULL;
    int len = vasprintf(&given, format, args);
    if (len >= 0) {
        printable_append_line(&shown, given, (size_t)len);
        (void)(shown.len > 0 && fwrite(shown.bytes, 1, shown.len, out) > 0);
        free(given);
    }
    text_free(&shown);
}

void printable_print(FILE *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print(out, format, args);
    va_end(args);
}

void printable_line(FILE *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print(out, format, args);
    va_end(args);
    (void)fputc('\n', out);
}

void printable_put(churn_str text)
{
    struct text quoted = {0};
    bool plain = true;
    for (uint32_t i = 0; i < text.len; i++) {
        plain = plain && (unsigned char)text.ptr[i] >= ' ' && text.ptr[i] != '\x7f';
    }
    if (!plain) {
        text_append_json(&quoted, text.ptr, text.len);
    }
    (void)printf("%.*s", plain ? (int)text.len : (int)quoted.len, plain ? text.ptr : quoted.bytes);
    text_free(&quoted);
}

/* ---- streams ---- */

struct stream {
    int fd;
    size_t begun; /* bytes of a character that has not come whole */
    char begin[LONGEST];
};

static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* Returns 0 where nothing could be written, as streams of one's own do. */
static ssize_t write_printable(void *cookie, const char *bytes, size_t len)
{
    struct stream *stream = cookie;
    struct text in = {0}, out = {0};
    size_t taken;
    bool ok;
    text_append(&in, stream->begin, stream->begun);
    text_append(&in, bytes, len);
    taken = in.failed ? 0 : printable_append(&out, in.bytes, in.len, false);
    ok = !in.failed && !out.failed && write_all(stream->fd, out.bytes, out.len);
    if (ok) {
        stream->begun = in.len - taken;
        if (stream->begun > 0) {
            memcpy(stream->begin, in.bytes + taken, stream->begun);
        }
    }
    text_free(&in);
    text_free(&out);
    return ok ? (ssize_t)len : 0;
}

/* NULL when memory ran out. */
static FILE *open_stream(struct stream *stream, int mode)
{
    static const cookie_io_functions_t calls = {.write = write_printable};
    FILE *file = fopencookie(stream, "w", calls);
    if (file != NULL && setvbuf(file, NULL, mode, BUFSIZ) != 0) {
        (void)fclose(file);
        return NULL;
    }
    return file;
}

bool printable_streams(void)
{
    static struct stream streams[] = {{.fd = STDOUT_FILENO}, {.fd = STDERR_FILENO}}; /* the process has one of each */
    FILE *out = open_stream(&streams[0], isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF);
    FILE *err = open_stream(&streams[1], _IOLBF);
    if (out == NULL || err == NULL) {
        return false;
    }
    stdout = out;
    stderr = err;
    return true;
}
