/* `churnd new-plugin`: copies a template under a new name. */
#include "cli/commands.h"

#include "base/json_text.h"
#include "base/printable.h"
#include "base/suggest.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_NAME 64
#define PATH_SIZE (PATH_MAX + 64)

static const struct template {
    const char *word; /* on the command line, and the folder */
    const char *name; /* what the new name takes the place of */
    uint32_t kind;
} templates[] = {
    {"event-type", "my_event", CHURN_KIND_EVENT},
    {"processor", "my_processor", CHURN_KIND_PROCESSOR},
    {"sink", "my_sink", CHURN_KIND_SINK},
    {"source", "my_source", CHURN_KIND_SOURCE},
};

#define TEMPLATE_COUNT (sizeof templates / sizeof templates[0])

CHURN_PRINTF(1, 2) static bool refuse(const char *format, ...)
{
    char message[PATH_MAX + 256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    printable_line(stderr, "churnd: new-plugin: %s", message);
    return false;
}

static const struct template *find_template(const char *word)
{
    struct suggest suggest = {.typed = word};
    char hint[96];
    for (size_t i = 0; i < TEMPLATE_COUNT; i++) {
        if (strcmp(templates[i].word, word) == 0) {
            return &templates[i];
        }
        suggest_offer(&suggest, templates[i].word);
    }
    (void)refuse("there is no template '%s'%s; there are event-type, processor, sink and source", word,
                 suggest_text(&suggest, hint, sizeof hint));
    return NULL;
}

/* A name is a file's, a C program's and a field's in profiles. */
static bool check_name(const char *name)
{
    if (!islower((unsigned char)name[0])) {
        return refuse("'%s' is no name: begin with a lower-case letter, as in gift_card_redeemed", name);
    }
    for (const char *c = name; *c != '\0'; c++) {
        if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '_') {
            return refuse("'%s' is no name: lower-case letters, digits and '_' are possible, as in gift_card_redeemed",
                          name);
        }
    }
    return strlen(name) <= MOST_NAME ||
           refuse("the name has %zu characters; at most %d are possible", strlen(name), MOST_NAME);
}

/* A plugin that is found already would hide the new one, or be hidden by it. */
static bool check_new(struct loader *loader, uint32_t kind, const char *name)
{
    char message[2048];
    const struct loaded *known = loader_get(loader, kind, name, message, sizeof message);
    return known == NULL || refuse("there is a plugin '%s' of this kind already: %s", name, known->path);
}

/* The folder that has `plugin-template/`: in the build tree, what was installed with this program, wherever that is, or
 * where the installation was meant to be. */
static bool find_data(char data[PATH_SIZE])
{
    static const char *const places[] = {"examples", CHURN_DATA_FROM_BIN};
    char own[PATH_MAX], path[PATH_SIZE];
    for (size_t i = 0; i < sizeof places / sizeof places[0] && loader_own_dir(own); i++) {
        (void)snprintf(path, sizeof path, "%s/%s/plugin-template", own, places[i]);
        if (access(path, R_OK) == 0) {
            (void)snprintf(path, sizeof path, "%s/%s", own, places[i]);
            return realpath(path, data) != NULL;
        }
    }
    (void)snprintf(data, PATH_SIZE, "%s", CHURN_DATA_DIR);
    return access(CHURN_DATA_DIR "/plugin-template", R_OK) == 0 ||
           refuse("the templates are missing: %s/plugin-template: %s", data, strerror(errno));
}

struct change {
    const char *from, *to;
};

/* What a template becomes: its name, and where the Makefile finds churn.mk, which pkg-config need not know. */
struct copying {
    struct change name;
    struct change makefile;
    char include[2 * PATH_SIZE];
};

static void begin_copying(struct copying *copying, const char *from, const char *to, const char *data)
{
    static const char ask[] = "$(shell pkg-config --variable=makefile churn)";
    char path[PATH_SIZE + 16];
    *copying = (struct copying){.name = {from, to}, .makefile = {ask, ask}};
    (void)snprintf(path, sizeof path, "%s/churn.mk", data);
    if (access(path, R_OK) == 0) {
        (void)snprintf(copying->include, sizeof copying->include, "$(or $(wildcard %s),%s)", path, ask);
        copying->makefile.to = copying->include;
    }
}

/* Appends `line` with each `from` replaced. */
static void append_replaced(struct text *out, const char *line, const struct change *change)
{
    const char *found;
    for (; (found = strstr(line, change->from)) != NULL; line = found + strlen(change->from)) {
        text_append(out, line, (size_t)(found - line));
        text_append_string(out, change->to);
    }
    text_append_string(out, line);
}

/* No line has both a name and the place of churn.mk. */
static bool read_replaced(const char *path, const struct copying *copying, struct text *out)
{
    FILE *in = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    bool ok;
    if (in == NULL) {
        return refuse("%s: %s", path, strerror(errno));
    }
    while (getline(&line, &room, in) >= 0) {
        append_replaced(out, line, strstr(line, copying->makefile.from) != NULL ? &copying->makefile : &copying->name);
    }
    ok = !ferror(in) && !out->failed;
    free(line);
    (void)fclose(in);
    return ok || refuse("%s cannot be read", path);
}

static bool write_new(const char *path, const struct text *text)
{
    FILE *out = fopen(path, "wx"); /* never over what is there */
    bool ok = out != NULL && fwrite(text->bytes, 1, text->len, out) == text->len;
    ok = out != NULL && fclose(out) == 0 && ok;
    return ok || refuse("%s cannot be written: %s", path, strerror(errno));
}

static bool copy_file(const char *from_folder, const char *file, const struct copying *copying, const char *to_folder)
{
    char from[PATH_SIZE * 3], to[PATH_SIZE * 2];
    struct text new_file = {0}, content = {0};
    bool ok;
    append_replaced(&new_file, file, &copying->name);
    (void)snprintf(from, sizeof from, "%s/%s", from_folder, file);
    (void)snprintf(to, sizeof to, "%s/%.*s", to_folder, (int)new_file.len, new_file.bytes);
    ok = read_replaced(from, copying, &content) && write_new(to, &content);
    text_free(&new_file);
    text_free(&content);
    return ok;
}

static bool copy_files(const char *from_folder, const struct copying *copying, const char *to_folder)
{
    DIR *dir = opendir(from_folder);
    struct dirent *entry;
    bool ok = dir != NULL || refuse("%s: %s", from_folder, strerror(errno));
    while (ok && (entry = readdir(dir)) != NULL) {
        ok = entry->d_name[0] == '.' || copy_file(from_folder, entry->d_name, copying, to_folder);
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return ok;
}

static bool make_plugin(const struct template *template, const char *name, const char *dir)
{
    struct copying copying;
    char data[PATH_SIZE], from[2 * PATH_SIZE], to[PATH_SIZE];
    if (!find_data(data)) {
        return false;
    }
    begin_copying(&copying, template->name, name, data);
    (void)snprintf(from, sizeof from, "%s/plugin-template/%s", data, template->word);
    (void)snprintf(to, sizeof to, "%s%s%s", dir != NULL ? dir : "", dir != NULL ? "/" : "", name);
    if (mkdir(to, 0777) != 0) {
        return errno == EEXIST ? refuse("%s is there already; nothing was written", to)
                               : refuse("%s cannot be made: %s", to, strerror(errno));
    }
    if (!copy_files(from, &copying, to)) {
        return false;
    }
    (void)printf("%s: a plugin that builds, passes its test and runs:\n"
                 "  cd %s\n"
                 "  make && make test\n"
                 "  churnd -c pipeline.yaml --plugin-path .\n",
                 to, to);
    return true;
}

int command_new_plugin(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    const struct template *template = find_template(arguments->operands[0]);
    const char *name = arguments->operands[1];
    (void)log;
    return template != NULL && check_name(name) && check_new(loader, template->kind, name) &&
                   make_plugin(template, name, arguments->dir)
               ? 0
               : 1;
}
