#include "base/env_file.h"

#include "base/input_file.h"
#include "base/refuse.h"
#include "base/secret_file.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static const char byte_order_mark[] = "\xef\xbb\xbf";

/* Whoever can write it can say where our data goes. */
static bool judge(const struct stat *about, const char *file, char *message, size_t size)
{
    if (about->st_uid != 0 && about->st_uid != geteuid()) {
        return refuse(
            message, size,
            "%s: is not taken, for it belongs to another user (%u), not to root or this one; chown it, or name "
            "a file of your own with --env-file",
            file, (unsigned)about->st_uid);
    }
    if ((about->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return refuse(message, size, "%s: is not taken, for others can write it (mode %03o); `chmod go-w %s`", file,
                      (unsigned)(about->st_mode & 0777), file);
    }
    return true;
}

static char *trim(char *text)
{
    char *end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1])) {
        *--end = '\0';
    }
    while (isspace((unsigned char)*text)) {
        text++;
    }
    return text;
}

static bool add(struct env_file *env, const char *name, const char *value)
{
    struct env_variable *grown = realloc(env->items, (env->count + 1) * sizeof *grown);
    struct env_variable variable = {.name = strdup(name), .value = strdup(value)};
    env->items = grown != NULL ? grown : env->items;
    if (grown == NULL || variable.name == NULL || variable.value == NULL) {
        free(variable.name);
        free(variable.value);
        return false;
    }
    env->items[env->count++] = variable;
    return true;
}

/* Ends an unquoted value where a comment begins: at a `#` behind white space. */
static void cut_comment(char *value)
{
    for (char *at = value; (at = strchr(at, '#')) != NULL; at++) {
        if (at == value || isspace((unsigned char)at[-1])) {
            *at = '\0';
            (void)trim(value);
            return;
        }
    }
}

/* Takes the quotes off a value, and what may follow them: white space, a comment. What is wrong with it, or NULL. */
static const char *unquote(char **value)
{
    char quote = **value, *end;
    if (quote != '"' && quote != '\'') {
        cut_comment(*value);
        return NULL;
    }
    end = strchr(++*value, quote);
    if (end == NULL) {
        return "the closing quote is missing";
    }
    *end = '\0';
    end = trim(end + 1);
    return *end == '\0' || *end == '#' ? NULL : "something follows the closing quote";
}

/* What is wrong with a line, or NULL. */
static const char *take_line(struct env_file *env, char *line)
{
    char *name = trim(line), *equals, *value;
    const char *wrong;
    if (*name == '\0' || *name == '#') {
        return NULL;
    }
    if (strncmp(name, "export ", 7) == 0) {
        name = trim(name + 7);
        if (*name == '#') {
            return NULL;
        }
    }
    equals = strchr(name, '=');
    if (equals == NULL || equals == name) {
        return "write NAME=VALUE";
    }
    *equals = '\0';
    name = trim(name);
    value = trim(equals + 1);
    wrong = unquote(&value);
    return wrong != NULL || add(env, name, value) ? wrong : "out of memory";
}

/* `text` ends with a NUL. */
static bool take_lines(struct env_file *env, struct text *text, const char *file, char *message, size_t size)
{
    const char *wrong = NULL;
    char *line = text->bytes, *end = text->bytes + text->len - 1;
    unsigned number = 0;
    while (wrong == NULL && line < end) {
        char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t mark = sizeof byte_order_mark - 1;
        bool marked = ++number == 1 && strncmp(line, byte_order_mark, mark) == 0;
        stop = stop != NULL ? stop : end;
        *stop = '\0';
        wrong = line + strlen(line) != stop ? "there is a NUL character" : take_line(env, line + (marked ? mark : 0));
        line = stop + 1;
    }
    return wrong == NULL || refuse(message, size, "%s:%u: %s", file, number, wrong);
}

static bool read_lines(struct env_file *env, FILE *in, const char *file, char *message, size_t size)
{
    struct text text = {0};
    bool ok;
    if (!input_file_read(in, &text)) {
        ok = errno == EFBIG ? refuse(message, size, "%s: more than %d MiB; this is no file of NAME=VALUE lines", file,
                                     INPUT_FILE_MAX >> 20)
                            : refuse(message, size, "%s: %s", file, strerror(errno));
    } else {
        text_append(&text, "", 1);
        ok = text.failed ? refuse(message, size, "%s: out of memory", file)
                         : take_lines(env, &text, file, message, size);
    }
    text_free(&text);
    return ok;
}

bool env_file_read(struct env_file *env, const char *file, char *message, size_t size)
{
    const char *name = file != NULL ? file : ".env";
    struct stat about;
    int fd = input_file_open(name, &about);
    FILE *in;
    bool ok;
    *env = (struct env_file){0};
    if (fd < 0 && errno == 0) {
        return refuse(message, size, "%s: is %s, no file of NAME=VALUE lines", name, input_file_kind(about.st_mode));
    }
    if (fd < 0) {
        int error = errno;
        struct stat link; /* one that leads nowhere is meant to be there */
        return (file == NULL && error == ENOENT && lstat(name, &link) != 0) ||
               refuse(message, size, "%s: %s", name, strerror(error));
    }
    in = judge(&about, name, message, size) ? fdopen(fd, "r") : NULL;
    if (in == NULL) {
        (void)close(fd);
        return false;
    }
    ok = read_lines(env, in, name, message, size);
    (void)fclose(in);
    return ok;
}

void env_file_free(struct env_file *env)
{
    for (unsigned i = 0; i < env->count; i++) {
        free(env->items[i].name);
        secret_free(env->items[i].value);
    }
    free(env->items);
    *env = (struct env_file){0};
}

static bool leads_to_code(const char *name)
{
    return strcmp(name, "CHURN_PLUGIN_PATH") == 0 || strncmp(name, "LD_", 3) == 0;
}

const char *env_file_get(const struct env_file *env, const char *name)
{
    for (unsigned i = env->count; i-- > 0 && !leads_to_code(name);) { /* the last one wins, as in a shell */
        if (strcmp(env->items[i].name, name) == 0) {
            return env->items[i].value;
        }
    }
    return NULL;
}
