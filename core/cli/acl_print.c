#include "cli/acl_print.h"

#include "base/printable.h"
#include <json-c/json.h>
#include <stdlib.h>

#define KAFKA_USER "${KAFKA_USER}" /* of a user that the file does not name, such as a certificate's */

static bool same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool is_plain(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:,|+~*";
    return *text != '\0' && text[strspn(text, plain)] == '\0';
}

/* One word of a shell. */
static void put_word(FILE *out, const char *text)
{
    if (is_plain(text)) {
        (void)fputs(text, out);
        return;
    }
    (void)fputc('\'', out);
    for (; *text != '\0'; text++) {
        (void)fputs(*text == '\'' ? "'\\''" : (char[]){*text, '\0'}, out);
    }
    (void)fputc('\'', out);
}

/* ---- Kafka: a command for each right ---- */

static void put_kafka(FILE *out, const struct grant *g)
{
    (void)fputs("kafka-acls.sh --bootstrap-server ", out);
    put_word(out, g->at);
    (void)fputs(" --add --allow-principal ", out);
    if (g->user != NULL) {
        char principal[512];
        (void)snprintf(principal, sizeof principal, "User:%s", g->user);
        put_word(out, principal);
    } else {
        (void)fputs("\"User:" KAFKA_USER "\"", out);
    }
    (void)fprintf(out, " --operation %s --%s", g->operation, g->resource);
    if (g->name != NULL) {
        (void)fputc(' ', out);
        put_word(out, g->name);
    }
    if ((g->flags & CHURN_GRANT_PREFIX) != 0) {
        (void)fputs(" --resource-pattern-type prefixed", out);
    }
}

/* ---- Redis: one command for all rights of a user ---- */

/* A rule such as ~profile:*, whose pattern means its own letters alone. */
static void put_pattern(FILE *out, char sign, const char *prefix, bool open)
{
    char rule[1100];
    size_t len = 0;
    rule[len++] = sign;
    for (; *prefix != '\0' && len < sizeof rule - 3; prefix++) {
        if (strchr("*?[]\\", *prefix) != NULL) {
            rule[len++] = '\\';
        }
        rule[len++] = *prefix;
    }
    (void)snprintf(rule + len, sizeof rule - len, "%s", open ? "*" : "");
    put_word(out, rule);
}

static void put_redis_rule(FILE *out, const struct grant *g)
{
    bool open = (g->flags & CHURN_GRANT_PREFIX) != 0;
    (void)fputc(' ', out);
    if (strcmp(g->resource, "command") == 0) {
        (void)fprintf(out, "+%s", g->name);
    } else {
        put_pattern(out, strcmp(g->resource, "channel") == 0 ? '&' : '~', g->name, open);
    }
}

/* ---- all ---- */

static void put_words(FILE *out, const struct grant *g)
{
    (void)fprintf(out, "# %s%s%s: %s may %s %s %s", g->system, g->at != NULL ? " at " : "", g->at != NULL ? g->at : "",
                  g->user != NULL ? g->user : "its user", g->operation != NULL ? g->operation : "use", g->resource,
                  g->name != NULL ? g->name : "");
}

static bool is_of(const struct grant *g, const char *system)
{
    return strcmp(g->system, system) == 0;
}

/* Rights of one user at one place, needed by one command, in one line. */
static bool goes_with(const struct grant *g, const struct grant *first)
{
    return is_of(g, CHURN_GRANT_REDIS) && is_of(first, CHURN_GRANT_REDIS) && same(g->at, first->at) &&
           same(g->user, first->user) && same(g->command, first->command) && g->flags >> 1 == first->flags >> 1 &&
           same(g->why, first->why);
}

static bool was_put(const struct grants *grants, unsigned i)
{
    for (unsigned k = 0; k < i; k++) {
        if (goes_with(&grants->items[i], &grants->items[k])) {
            return true;
        }
    }
    return false;
}

/* Whether a user of Redis has no rights yet. */
static bool is_first_of_user(const struct grants *grants, unsigned i)
{
    for (unsigned k = 0; k < i; k++) {
        if (is_of(&grants->items[k], CHURN_GRANT_REDIS) && same(grants->items[k].at, grants->items[i].at) &&
            same(grants->items[k].user, grants->items[i].user)) {
            return false;
        }
    }
    return true;
}

static void put_redis(FILE *out, const struct grants *grants, unsigned first)
{
    const struct grant *g = &grants->items[first];
    (void)fputs("ACL SETUSER ", out);
    put_word(out, g->user);
    if (is_first_of_user(grants, first)) {
        (void)fputs(" on '>PASSWORD' resetkeys resetchannels -@all", out);
    }
    for (unsigned i = first; i < grants->count; i++) {
        if (goes_with(&grants->items[i], g)) {
            put_redis_rule(out, &grants->items[i]);
        }
    }
}

static void put_line(FILE *out, const struct grants *grants, unsigned i)
{
    const struct grant *g = &grants->items[i];
    if ((g->flags & CHURN_GRANT_SOMETIMES) != 0) {
        (void)fprintf(out, "# %s: ", g->why != NULL ? g->why : "sometimes");
    }
    if (is_of(g, CHURN_GRANT_KAFKA) && g->at != NULL) {
        put_kafka(out, g);
    } else if (is_of(g, CHURN_GRANT_REDIS)) {
        put_redis(out, grants, i);
    } else {
        put_words(out, g);
    }
    (void)fputc('\n', out);
}

static void put_heading(FILE *out, const struct grant *g, const char *file)
{
    if (strcmp(g->command, "run") == 0) {
        (void)fprintf(out, "# What a run of %s has to be allowed, no more:\n", file);
    } else {
        (void)fprintf(out, "\n# What `churnd %s` needs besides:\n", g->command);
    }
}

static void print_text(const struct grants *grants, const char *file)
{
    const char *command = NULL, *at = NULL;
    if (grants->count == 0) {
        (void)printf("# Nothing that this pipeline uses has rights of its own to give.\n");
    }
    for (unsigned i = 0; i < grants->count; i++) {
        const struct grant *g = &grants->items[i];
        if (command == NULL || strcmp(command, g->command) != 0) {
            put_heading(stdout, g, file);
            at = NULL;
        }
        if (g->at != NULL && !same(at, g->at) && is_of(g, CHURN_GRANT_REDIS)) {
            (void)printf("# %s, such as by redis-cli:\n", g->at);
        }
        command = g->command;
        at = g->at;
        if (!was_put(grants, i)) {
            put_line(stdout, grants, i);
        }
    }
}

static void add(struct json_object *object, const char *name, const char *text)
{
    (void)json_object_object_add(object, name, text != NULL ? json_object_new_string(text) : NULL);
}

static void print_json(const struct grants *grants)
{
    struct json_object *list = json_object_new_array();
    for (unsigned i = 0; i < grants->count; i++) {
        const struct grant *g = &grants->items[i];
        struct json_object *object = json_object_new_object();
        add(object, "command", g->command);
        add(object, "system", g->system);
        add(object, "at", g->at);
        add(object, "user", g->user);
        add(object, "resource", g->resource);
        add(object, "name", g->name);
        (void)json_object_object_add(object, "prefix", json_object_new_boolean((g->flags & CHURN_GRANT_PREFIX) != 0));
        add(object, "operation", g->operation);
        add(object, "only", (g->flags & CHURN_GRANT_SOMETIMES) != 0 ? g->why : NULL);
        (void)json_object_array_add(list, object);
    }
    (void)puts(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
    (void)json_object_put(list);
}

void acl_print(const struct grants *grants, const char *file, bool json)
{
    if (json) {
        print_json(grants);
    } else {
        print_text(grants, file);
    }
}
