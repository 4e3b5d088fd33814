/* A file of NAME=VALUE lines, such as `.env`. */
#include "fuzz.h"

#include "core/base/env_file.h"
#include "core/base/json_text.h"

static struct fuzz_file file;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_file_open(&file);
    return 0;
}

/* The lines once more, each value in quotes that it does not hold. False where it holds both kinds. */
static bool write_again(struct text *out, const struct env_file *env)
{
    for (unsigned i = 0; i < env->count; i++) {
        const char *value = env->items[i].value;
        char quote = strchr(value, '\'') == NULL ? '\'' : '"';
        if (strchr(value, quote) != NULL) {
            return false;
        }
        const char *name = env->items[i].name;
        bool marked = i % 2 == 0 || strncmp(name, "export ", 7) == 0; /* else that would not be the name's */
        text_printf(out, "%s%s=%c%s%c\n", marked ? "export " : "", name, quote, value, quote);
    }
    return true;
}

static void check_written(const struct env_file *env)
{
    struct text text = {0};
    struct env_file again;
    char message[512] = "";
    if (write_again(&text, env)) {
        fuzz_file_set(&file, text.len > 0 ? text.bytes : "", text.len);
        promise(env_file_read(&again, file.path, message, sizeof message), "what is written is read again: %s",
                message);
        promise(again.count == env->count, "%u lines are as many as were written, %u", again.count, env->count);
        for (unsigned i = 0; i < env->count; i++) {
            promise(strcmp(again.items[i].name, env->items[i].name) == 0 &&
                        strcmp(again.items[i].value, env->items[i].value) == 0,
                    "line %u reads as it was written", i + 1);
        }
        env_file_free(&again);
    }
    text_free(&text);
}

/* The last line of a name counts, and none by which code is found. */
static void check_found(const struct env_file *env)
{
    for (unsigned i = 0; i < env->count; i++) {
        const char *name = env->items[i].name, *value = env_file_get(env, name), *last = NULL;
        for (unsigned k = 0; k < env->count; k++) {
            last = strcmp(env->items[k].name, name) == 0 ? env->items[k].value : last;
        }
        promise(value == last ||
                    (value == NULL && (strncmp(name, "LD_", 3) == 0 || strcmp(name, "CHURN_PLUGIN_PATH") == 0)),
                "the last line of a name counts");
    }
}

/* Between single quotes a value is what it is. */
static void check_quoted(const uint8_t *data, size_t size)
{
    char *value = fuzz_text(data, size), *line = malloc(size + 5), message[512] = "";
    struct env_file env;
    need(line != NULL, "malloc");
    value[strcspn(value, "'\n")] = '\0';
    (void)sprintf(line, "X='%s'", value);
    fuzz_file_set(&file, line, strlen(line));
    promise(env_file_read(&env, file.path, message, sizeof message), "%s is a line: %s", line, message);
    promise(env.count == 1 && strcmp(env.items[0].value, value) == 0, "%s has that value", line);
    env_file_free(&env);
    free(line);
    free(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char message[512] = "";
    struct env_file env;
    fuzz_file_set(&file, data, size);
    if (env_file_read(&env, file.path, message, sizeof message)) {
        check_found(&env);
        check_written(&env);
    } else {
        promise(strstr(message, file.path) != NULL && strchr(message, '\n') == NULL,
                "a refusal is one line that names the file: %s", message);
    }
    env_file_free(&env);
    check_quoted(data, size);
    return 0;
}
