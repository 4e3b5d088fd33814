/* `churnd plugins`, `churnd describe` and `churnd schema`: manuals and JSON Schema from the tables of plugins and host.
 */
#include "cli/commands.h"
#include "cli/describe.h"

#include "base/printable.h"
#include "base/suggest.h"
#include <inttypes.h>
#include <stdio.h>

/* Prints and puts. */
static void print_json(struct json_object *object)
{
    (void)puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
    (void)json_object_put(object);
}

static bool load_everything(struct loader *loader)
{
    char message[2048];
    bool ok = loader_load_all(loader, 0, message, sizeof message);
    for (const char *line = message; !ok && *line != '\0';) {
        size_t len = strcspn(line, "\n");
        printable_line(stderr, "churnd: %.*s", (int)len, line);
        line += len + (line[len] == '\n');
    }
    return ok;
}

/* ---- churnd plugins ---- */

int command_plugins(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    struct json_object *list = arguments->json ? json_object_new_array() : NULL;
    (void)log;
    if (!load_everything(loader)) {
        (void)json_object_put(list);
        return 1;
    }
    for (unsigned i = 0; i < loader->plugin_count; i++) {
        const struct loaded *loaded = loader->plugins[i];
        if (list != NULL) {
            struct json_object *object = describe_json_plugin(&(struct described){.loaded = loaded});
            (void)json_object_object_del(object, "options");
            (void)json_object_array_add(list, object);
        } else {
            printable_line(stdout, "%-10s %-24s %-8s %s", role_name(loaded->plugin.kind), loaded->plugin.name,
                           loaded->plugin.version, loaded->plugin.summary);
        }
    }
    if (list != NULL) {
        print_json(list);
    }
    return 0;
}

/* ---- churnd describe ---- */

enum way { AS_TEXT, AS_JSON, AS_MARKDOWN, AS_SCHEMA };

/* One run of the command. */
struct description {
    enum way way;
    const char *only; /* a name; NULL: everything */
    struct json_object *list;
    unsigned found;
};

static void describe_table(struct description *d, const struct option_table *table)
{
    if (d->only != NULL && strcmp(d->only, table->section) != 0) {
        return;
    }
    switch (d->way) {
    case AS_TEXT:
        (void)fputs(d->found > 0 ? "\n" : "", stdout);
        describe_text_table(table);
        break;
    case AS_JSON:
        (void)json_object_array_add(d->list, describe_json_table(table));
        break;
    case AS_MARKDOWN:
        describe_markdown_table(table);
        break;
    default:
        return; /* the schema of a section is a part of that of the file */
    }
    d->found++;
}

static void describe_plugin(struct description *d, const struct described *described)
{
    const churn_plugin *plugin = &described->loaded->plugin;
    if (d->only != NULL && strcmp(d->only, plugin->name) != 0) {
        return;
    }
    switch (d->way) {
    case AS_TEXT:
        (void)fputs(d->found > 0 ? "\n" : "", stdout);
        describe_text_plugin(described);
        break;
    case AS_JSON:
        (void)json_object_array_add(d->list, describe_json_plugin(described));
        break;
    case AS_MARKDOWN:
        describe_markdown_plugin(described);
        break;
    default:
        print_json(described->type != NULL ? schema_of_event(described->type, plugin->summary)
                                           : schema_of_plugin(plugin));
    }
    d->found++;
}

/* A source and a sink may share a name: every one of it. */
static void describe_all(struct description *d, const struct loader *loader, const struct catalog *catalog)
{
    size_t count;
    const struct option_table *tables = settings_tables(&count);
    if (d->way == AS_MARKDOWN && d->only == NULL) {
        describe_markdown_begin();
    }
    for (size_t i = 0; i < count; i++) {
        describe_table(d, &tables[i]);
    }
    for (unsigned i = 0; i < loader->plugin_count; i++) {
        const churn_plugin *plugin = &loader->plugins[i]->plugin;
        int32_t id = plugin->kind == CHURN_KIND_EVENT
                         ? name_index_find(&catalog->type_names, plugin->name, strlen(plugin->name))
                         : -1;
        describe_plugin(
            d, &(struct described){.loaded = loader->plugins[i], .type = id >= 0 ? &catalog->types[id] : NULL});
    }
}

/* Of a section all whose options are its plugin's. */
static const char *role_of_section(const char *name)
{
    return strcmp(name, "source") == 0 ? "source" : strcmp(name, "dead_letters") == 0 ? "sink" : NULL;
}

static void not_found(const struct description *d, const struct loader *loader)
{
    struct suggest suggest = {.typed = d->only};
    const char *role = role_of_section(d->only);
    char hint[160];
    if (role != NULL) {
        printable_line(stderr,
                       "churnd: the options of '%s' are those of its plugin; `churnd plugins` lists each %s, and "
                       "`churnd describe PLUGIN` its options",
                       d->only, role);
        return;
    }
    for (unsigned i = 0; i < loader->plugin_count; i++) {
        suggest_offer(&suggest, loader->plugins[i]->plugin.name);
    }
    printable_line(stderr, "churnd: there is no plugin or section '%s'%s; `churnd plugins` lists what there is",
                   d->only, suggest_text(&suggest, hint, sizeof hint));
}

static enum way way_of(const struct arguments *arguments)
{
    if (arguments->json_schema) {
        return AS_SCHEMA;
    }
    if (arguments->format != NULL && strcmp(arguments->format, "markdown") == 0) {
        return AS_MARKDOWN;
    }
    return arguments->json ? AS_JSON : AS_TEXT;
}

int command_describe(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    struct description d = {.way = way_of(arguments),
                            .only = arguments->operand_count > 0 ? arguments->operands[0] : NULL};
    struct catalog catalog;
    char message[2048];
    (void)log;
    if (d.way == AS_SCHEMA && d.only == NULL) {
        (void)fputs("churnd: describe: name a plugin; `churnd schema` has that of the whole file\n", stderr);
        return 1;
    }
    if (!load_everything(loader)) {
        return 1;
    }
    if (catalog_build(&catalog, loader, NULL, message, sizeof message)) {
        d.list = d.way == AS_JSON ? json_object_new_array() : NULL;
        describe_all(&d, loader, &catalog);
        if (d.list != NULL && d.found > 0) {
            print_json(d.list);
        } else {
            (void)json_object_put(d.list);
        }
        if (d.found == 0) {
            not_found(&d, loader);
        }
    } else {
        printable_line(stderr, "churnd: %s", message);
    }
    catalog_free(&catalog);
    return d.found > 0 ? 0 : 1;
}

/* ---- churnd schema ---- */

int command_schema(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    (void)arguments;
    (void)log;
    if (!load_everything(loader)) {
        return 1;
    }
    print_json(schema_of_pipeline(loader));
    return 0;
}
