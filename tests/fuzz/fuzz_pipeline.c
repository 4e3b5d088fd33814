/* A pipeline's YAML, read and checked as `churnd check` does it: nothing is opened. */
#include "fuzz.h"

#include "core/base/json_text.h"
#include "core/pipeline/load.h"

#define SECRET "kX7-secret-9Qz" /* of the environment; no message may show it */
#define SECRET_PART "X7"        /* … unless the file has it */

static struct loader loader;
static struct log *no_log;
static struct fuzz_file file, env;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *dir = getenv("TEST_PLUGIN_DIR");
    char message[1024];
    (void)argc;
    (void)argv;
    fuzz_file_open(&file);
    fuzz_file_open(&env);
    fuzz_file_set(&env, "PASSWORD=" SECRET "\nPORT=6380\n", strlen("PASSWORD=" SECRET "\nPORT=6380\n"));
    no_log = log_new(STDERR_FILENO, CHURN_LOG_ERROR, LOG_FORMAT_TEXT);
    need(setenv("CHURN_PLUGIN_PATH", dir != NULL ? dir : "plugins", 1) == 0 && setenv("SECRET", SECRET, 1) == 0 &&
             no_log != NULL && loader_init(&loader, NULL, 0),
         "memory");
    promise(loader_load_all(&loader, 0, message, sizeof message) && loader.plugin_count > 0, "plugins are loaded: %s",
            message);
    return 0;
}

/* The folders of this file are not the next one's. */
static void forget_folders(unsigned known)
{
    while (loader.dir_count > known) { /* a pipeline's come first */
        free(loader.dirs[0]);
        memmove(loader.dirs, loader.dirs + 1, --loader.dir_count * sizeof *loader.dirs);
    }
}

static void check_place(const struct finding *finding, const char *text)
{
    unsigned lines = 1, columns = 1;
    const char *at = text;
    for (; *at != '\0' && lines < finding->line; at++) {
        lines += *at == '\n';
    }
    columns += (unsigned)strcspn(at, "\n");
    promise(finding->line <= lines + 1, "line %u is in the file: %s", finding->line, finding->message);
    promise(finding->line == 0 || finding->column >= 1, "a column is counted from 1: %s", finding->message);
    promise(finding->line != lines || finding->column <= columns + 1, "column %u is in line %u: %s", finding->column,
            finding->line, finding->message);
}

static void check_findings(const struct config *config, const char *text)
{
    for (unsigned i = 0; i < config->finding_count; i++) {
        const struct finding *finding = &config->findings[i];
        promise(finding->message[0] != '\0', "a finding says something");
        promise(strstr(text, SECRET_PART) != NULL || strstr(finding->message, SECRET) == NULL, "no secret is shown: %s",
                finding->message);
        promise(text_is_utf8(finding->message, strlen(finding->message)), "a message is in UTF-8: %s",
                finding->message);
        if (strchr(text, '\r') == NULL && strstr(text, "\xc2\x85") == NULL && strstr(text, "\xe2\x80\xa8") == NULL &&
            strstr(text, "\xe2\x80\xa9") == NULL && (unsigned char)text[0] < 0xfe) { /* other ends of lines, UTF-16 */
            check_place(finding, text);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct pipeline_files files = {.pipeline = file.path, .env = env.path};
    char *text = fuzz_text(data, size);
    unsigned known = loader.dir_count;
    struct pipeline pipeline;
    fuzz_file_set(&file, data, size);
    bool ok = pipeline_load(&pipeline, files, &loader, no_log, NULL);
    promise(ok == (pipeline.config.error_count == 0), "%s with %u errors", ok ? "taken" : "refused",
            pipeline.config.error_count);
    if (strlen(text) == size) {
        check_findings(&pipeline.config, text);
    }
    pipeline_free(&pipeline);
    forget_folders(known);
    free(text);
    return 0;
}
