/* `churnd audit`: the lines of an audit, its head, and whether it is whole. */
#include "cli/commands.h"

#include "audit/audit.h"
#include "audit/verify.h"
#include "base/json_build.h"
#include "base/printable.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* ---- its lines ---- */

/* Those of one customer, where one is named. False when the file cannot be read. */
static bool print_lines(const char *path, const struct key *key, const char *customer)
{
    char member[AUDIT_HASH_SIZE + 16] = "", hash[AUDIT_HASH_SIZE];
    char *line = NULL;
    size_t room = 0;
    FILE *in = fopen(path, "re");
    bool ok = in != NULL;
    if (customer != NULL) {
        audit_hash(key, customer, hash);
        (void)snprintf(member, sizeof member, "\"customer\":\"%s\"", hash);
    }
    while (ok && getline(&line, &room, in) > 0) {
        if (strstr(line, member) != NULL) {
            printable_line(stdout, "%.*s", (int)strcspn(line, "\n"), line);
        }
    }
    ok = ok && ferror(in) == 0;
    if (!ok) {
        printable_line(stderr, "churnd: the audit '%s' cannot be read: %s", path, strerror(errno));
    }
    if (in != NULL) {
        (void)fclose(in);
    }
    free(line);
    return ok;
}

/* ---- whether it is whole ---- */

struct told {
    bool json;
    struct json_object *faults;
};

static void tell_fault(void *ctx, const char *fault)
{
    struct told *told = ctx;
    if (told->json) {
        (void)json_object_array_add(told->faults, json_object_new_string(fault));
    } else {
        printable_line(stderr, "%s", fault);
    }
}

static void print_json(const struct verify_report *report, struct json_object *faults)
{
    struct json_object *object = json_object_new_object();
    char head[CHAIN_HEAD_SIZE];
    chain_head_format(&report->last, head);
    json_add(object, "whole", json_object_new_boolean(report->faults == 0));
    json_add(object, "lines", json_object_new_int64(report->lines));
    json_add(object, "first", json_object_new_int64(report->first));
    json_add_text(object, "head", head);
    json_add(object, "faults", json_object_get(faults));
    (void)puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    (void)json_object_put(object);
}

static void print_text(const struct verify_report *report)
{
    char head[CHAIN_HEAD_SIZE];
    chain_head_format(&report->last, head);
    if (report->faults > 0) {
        (void)printf("%" PRId64 " lines, %" PRId64 " fault%s\n", report->lines, report->faults,
                     report->faults == 1 ? "" : "s");
        return;
    }
    (void)printf("%" PRId64 " lines, whole; head %s\n", report->lines, head);
}

/* Older files stand behind the operand; the audit itself is the newest. NULL when memory ran out. */
static const char **list_files(const struct arguments *a, const char *path)
{
    const char **paths = calloc(a->operand_count, sizeof *paths);
    for (unsigned i = 1; paths != NULL && i < a->operand_count; i++) {
        paths[i - 1] = a->operands[i];
    }
    if (paths != NULL) {
        paths[a->operand_count - 1] = path;
    }
    return paths;
}

static bool take_ends(const struct arguments *a, struct verify_ends *ret)
{
    const struct {
        const char *name, *text;
        struct chain_head *into;
    } given[] = {{"head", a->head, &ret->must}, {"from", a->from, &ret->from}};
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
        if (given[i].text != NULL && !chain_head_parse(given[i].text, given[i].into)) {
            printable_line(stderr, "churnd: --%s: '%s' is no head such as 17:0a1b…, or a line's number", given[i].name,
                           given[i].text);
            return false;
        }
    }
    return true;
}

/* False, with a message, when it cannot be told. */
static bool judge(const struct arguments *a, const char *path, const struct key *key, struct told *told,
                  struct verify_report *report)
{
    const char **paths = list_files(a, path);
    struct verify_ends ends = {0};
    char message[TRAIL_MESSAGE_SIZE] = "out of memory";
    bool ok = take_ends(a, &ends);
    if (ok) {
        ok = paths != NULL && trail_head(path, &ends.head, message, sizeof message) &&
             verify_files(paths, a->operand_count, key, &ends, tell_fault, told, report, message, sizeof message);
        if (!ok) {
            printable_line(stderr, "churnd: %s", message);
        }
    }
    free((void *)paths);
    return ok;
}

static int verify(const struct arguments *a, const char *path, const struct key *key)
{
    struct told told = {.json = a->json, .faults = json_object_new_array()};
    struct verify_report report = {0};
    bool ok = judge(a, path, key, &told, &report);
    if (ok && a->json) {
        print_json(&report, told.faults);
    } else if (ok) {
        print_text(&report);
    }
    (void)json_object_put(told.faults);
    return ok && report.faults == 0 ? 0 : 1;
}

static int print_head(const char *path)
{
    struct chain_head head;
    char message[TRAIL_MESSAGE_SIZE], text[CHAIN_HEAD_SIZE];
    if (!trail_head(path, &head, message, sizeof message)) {
        printable_line(stderr, "churnd: %s", message);
        return 1;
    }
    chain_head_format(&head, text);
    (void)puts(text);
    return 0;
}

/* ---- the command ---- */

static int act(const struct arguments *a, const struct pipeline *pipeline)
{
    const char *path = pipeline->audit_settings.path, *what = a->operand_count > 0 ? a->operands[0] : "";
    struct key key;
    int status = 1;
    if (path == NULL) {
        printable_line(stderr, "churnd: %s has no audit: give it `audit: {path: FILE, key: ${NAME}}`", a->config);
        return 1;
    }
    audit_key(pipeline, &key);
    if (*what == '\0') {
        status = print_lines(path, &key, a->customer) ? 0 : 1;
    } else if (strcmp(what, "verify") == 0) {
        status = verify(a, path, &key);
    } else if (strcmp(what, "head") == 0) {
        status = print_head(path);
    } else {
        printable_line(stderr, "churnd: audit: '%s' is neither verify nor head", what);
    }
    key_wipe(&key);
    return status;
}

int command_audit(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    struct pipeline pipeline;
    bool ok = pipeline_load_audit(&pipeline, arguments_files(arguments), stderr);
    int status = ok ? act(arguments, &pipeline) : 1;
    (void)loader, (void)log;
    pipeline_free(&pipeline);
    return status;
}
