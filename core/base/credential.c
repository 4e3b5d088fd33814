#include "base/credential.h"

#include "base/input_file.h"
#include "base/refuse.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

/* Who writes a secret into a file with an editor or `echo` ends it with a line's end. */
static void cut_line_end(struct text *text)
{
    if (text->len > 0 && text->bytes[text->len - 1] == '\n') {
        text->len -= text->len > 1 && text->bytes[text->len - 2] == '\r' ? 2 : 1;
    }
}

/* What is wrong with it, or NULL. */
static const char *take(FILE *in, struct text *text)
{
    if (!input_file_read(in, text)) {
        return strerror(errno);
    }
    if (text->len > 0 && memchr(text->bytes, '\0', text->len) != NULL) {
        return "there is a NUL character";
    }
    cut_line_end(text);
    text_append(text, "", 1);
    return text->failed ? "out of memory" : NULL;
}

static bool read_value(int fd, const char *path, char **ret_value, char *message, size_t size)
{
    struct text text = {0};
    FILE *in = fdopen(fd, "r");
    const char *wrong = in != NULL ? take(in, &text) : strerror(errno);
    if (in != NULL) {
        (void)fclose(in);
    } else {
        (void)close(fd);
    }
    if (wrong != NULL) {
        text_free(&text);
        return refuse(message, size, "the credential %s: %s", path, wrong);
    }
    *ret_value = text.bytes;
    return true;
}

bool credential_read(const char *name, char **ret_value, char *message, size_t size)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    char path[PATH_MAX];
    struct stat about;
    int fd;
    *ret_value = NULL;
    if (folder == NULL || *folder == '\0') {
        return true;
    }
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) {
        return refuse(message, size, "CREDENTIALS_DIRECTORY: the folder's name is too long");
    }
    fd = input_file_open(path, &about);
    if (fd >= 0) {
        return read_value(fd, path, ret_value, message, size);
    }
    return errno == ENOENT || refuse(message, size, "the credential %s: %s%s", path, errno == 0 ? "is " : "",
                                     errno == 0 ? input_file_kind(about.st_mode) : strerror(errno));
}
