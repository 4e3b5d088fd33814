#include "config/reference.h"

#include "base/credential.h"
#include "base/refuse.h"
#include "base/secret_file.h"
#include "config/secret_name.h"
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

static bool begins_with(const char *text, const char *beginning)
{
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

/* `${file:PATH}` and `${credential:NAME}`, whose names have no default beside them. */
static bool parse_kind(const char *at, const char *word, enum reference_kind kind, struct reference *ret)
{
    const char *name = at + strlen(word), *close;
    if (!begins_with(at, word) || *name == '-' || *name == '?') { /* a variable that is called so */
        return false;
    }
    close = strchr(name, '}');
    *ret = (struct reference){.kind = kind, .name = name, .name_len = close != NULL ? (size_t)(close - name) : 0};
    ret->end = close != NULL ? close + 1 : NULL;
    return true;
}

static bool parse_variable(const char *at, struct reference *ret)
{
    const char *close;
    *ret = (struct reference){.kind = REFERENCE_VARIABLE, .name = at};
    while (isalnum((unsigned char)*at) || *at == '_') {
        at++;
    }
    ret->name_len = (size_t)(at - ret->name);
    if (*at == ':' && (at[1] == '-' || at[1] == '?')) {
        ret->operator = at[1];
        at += 2;
    }
    close = strchr(at, '}');
    if (close == NULL || (ret->operator == 0 && close != at)) {
        return false;
    }
    ret->word = at;
    ret->word_len = (size_t)(close - at);
    ret->end = close + 1;
    /* a reference inside another would end at the wrong brace */
    return memmem(at, ret->word_len, "${", 2) == NULL;
}

bool reference_parse(const char *at, struct reference *ret)
{
    bool good = parse_kind(at, "file:", REFERENCE_FILE, ret) ||
                parse_kind(at, "credential:", REFERENCE_CREDENTIAL, ret) || parse_variable(at, ret);
    return good && ret->name_len > 0;
}

/* ---- what it stands for ---- */

static bool resolve_file(const char *path, struct resolved *ret)
{
    struct stat about;
    if (*path == '$' || *path == '~') {
        return refuse(ret->message, sizeof ret->message,
                      "file:%s: the path stands as it is, nothing in it is replaced; a file of $CREDENTIALS_DIRECTORY "
                      "is ${credential:NAME}",
                      path);
    }
    if (!secret_file_read(path, &ret->value, &about, ret->message, sizeof ret->message)) {
        return false;
    }
    if ((about.st_mode & (S_IROTH | S_IWOTH)) != 0) {
        (void)refuse(ret->message, sizeof ret->message,
                     "%s: other users can %s it (mode %03o), and a secret is in it; `chmod o= %s`", path,
                     (about.st_mode & S_IWOTH) != 0 ? "write" : "read", (unsigned)(about.st_mode & 0777), path);
    }
    return true;
}

static bool resolve_credential(const char *name, struct resolved *ret)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    if (strchr(name, '/') != NULL) {
        return refuse(ret->message, sizeof ret->message,
                      "credential:%s: a credential's name has no folder; a file elsewhere is ${file:PATH}", name);
    }
    if (!credential_read(name, &ret->value, ret->message, sizeof ret->message)) {
        return false;
    }
    return ret->value != NULL ||
           refuse(ret->message, sizeof ret->message,
                  folder == NULL || *folder == '\0'
                      ? "there is no credential %s: CREDENTIALS_DIRECTORY is not set, as systemd does for a service "
                        "with LoadCredential="
                      : "there is no credential %s in the folder that CREDENTIALS_DIRECTORY names; see LoadCredential= "
                        "of systemd.exec(5)",
                  name);
}

/* The variable's value, where it has one. */
static bool find_variable(const char *name, const struct env_file *env, struct resolved *ret)
{
    const char *value = getenv(name);
    if (value == NULL && !credential_read(name, &ret->value, ret->message, sizeof ret->message)) {
        return false;
    }
    ret->secret = ret->value != NULL || secret_name(name);
    value = value == NULL && ret->value == NULL ? env_file_get(env, name) : value;
    if (value != NULL) {
        ret->value = strdup(value);
    }
    return value == NULL || ret->value != NULL || refuse(ret->message, sizeof ret->message, "out of memory");
}

static bool resolve_variable(const struct reference *ref, const char *name, const struct env_file *env,
                             struct resolved *ret)
{
    if (!find_variable(name, env, ret)) {
        return false;
    }
    if (ret->value != NULL && (*ret->value != '\0' || ref->operator == 0)) {
        return true;
    }
    if (ref->operator == '-') {
        free(ret->value);
        ret->value = strndup(ref->word, ref->word_len);
        ret->absent = true;
        return ret->value != NULL || refuse(ret->message, sizeof ret->message, "out of memory");
    }
    return ref->operator == '?'
               ? refuse(ret->message, sizeof ret->message, "environment variable %s is needed: %.*s", name,
                        (int)ref->word_len, ref->word)
               : refuse(ret->message, sizeof ret->message,
                        "environment variable %s is not set (set it, or give a default: ${%s:-default})", name, name);
}

bool reference_resolve(const struct reference *reference, const struct env_file *env, struct resolved *ret)
{
    static const char *const kinds[] = {"", "file:", "credential:"};
    const char *kind = kinds[reference->kind], *name = ret->name + strlen(kind);
    int len;
    *ret = (struct resolved){.secret = reference->kind != REFERENCE_VARIABLE};
    len = snprintf(ret->name, sizeof ret->name, "%s%.*s", kind, (int)reference->name_len, reference->name);
    if (len < 0 || (size_t)len >= sizeof ret->name) {
        return refuse(ret->message, sizeof ret->message, "'%.32s…' is too long for a name", ret->name);
    }
    switch (reference->kind) {
    case REFERENCE_FILE:
        return resolve_file(name, ret);
    case REFERENCE_CREDENTIAL:
        return resolve_credential(name, ret);
    default:
        return resolve_variable(reference, name, env, ret);
    }
}

void reference_free(struct resolved *resolved)
{
    secret_free(resolved->value);
    resolved->value = NULL;
}
