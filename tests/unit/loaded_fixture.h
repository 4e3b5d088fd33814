/* A YAML text that is loaded as a pipeline's file, and what is said of it. */
#ifndef TESTS_UNIT_LOADED_FIXTURE_H
#define TESTS_UNIT_LOADED_FIXTURE_H

#include "core/config/config.h"

#include "config_fixture.h"

static struct config config;
static bool loaded;
static char *said; /* messages of the newest load, the file called FILE */

static inline void load_bytes(const char *bytes, size_t len)
{
    char *file = write_file(bytes, len), *text = NULL;
    size_t size = 0;
    FILE *errors = open_memstream(&text, &size);
    if (errors == NULL) {
        abort();
    }
    config_free(&config);
    free(said);
    loaded = config_load(&config, file, NULL, errors);
    (void)fclose(errors);
    said = without_name(text, file);
    check(loaded == (config.error_count == 0) && (config.finding_count == 0) == (*said == '\0'), "%u errors, said: %s",
          config.error_count, said);
    config.file = NULL;
    config.errors = NULL;
    free(text);
    remove_file(file);
}

static inline void load(const char *yaml)
{
    load_bytes(yaml, strlen(yaml));
}

static inline void check_refused(const char *yaml, const char *expected)
{
    load(yaml);
    check(!loaded, "was taken: %s", yaml);
    check_text(said, expected, yaml);
}

static inline void check_refused_with(const char *yaml, const char *part)
{
    load(yaml);
    check(!loaded, "was taken: %s", yaml);
    check_contains(said, part, yaml);
}

static inline void free_loaded(void)
{
    config_free(&config);
    free(said);
}

#endif
