/* `churnd decrypt`: what was encrypted by `protect:`, in clear. */
#include "base/json_parse.h"
#include "base/printable.h"
#include "cli/audited.h"
#include "cli/commands.h"
#include "cli/sandboxed.h"
#include "cli/sealed_places.h"
#include "pipeline/protect_section.h"
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

struct decrypting {
    const struct seal_ring *ring;
    struct text out, clear, word; /* of the line at hand; of one value in it */
    struct sealed_places places;  /* of the line at hand */
    uint64_t line;                /* its number */
    uint64_t left;                /* values that could not be opened */
    char why[512];                /* of the first one */
    uint64_t unplaced;            /* opened, but whether they belong where they stand cannot be told */
};

/* How a sealed text stands in its line. */
enum standing {
    BARE,
    QUOTED,        /* a JSON text: "churnd:1:…" */
    ESCAPED_QUOTED /* a JSON text in another: \"churnd:1:…\" */
};

static enum standing standing_of(const char *line, const char *at, const char *end, const char *line_end)
{
    bool quoted = at > line && at[-1] == '"' && end < line_end && *end == '"';
    if (quoted) {
        return QUOTED;
    }
    return at > line + 1 && at[-1] == '"' && at[-2] == '\\' && end + 1 < line_end && end[0] == '\\' && end[1] == '"'
               ? ESCAPED_QUOTED
               : BARE;
}

/* The text that a JSON value is, where it stands alone; numbers as they are. */
static void append_bare(struct text *out, const struct text *value, bool json)
{
    bool ok;
    struct json_object *object = json ? json_parse(value->bytes, value->len, 1, &ok) : NULL;
    if (json_object_is_type(object, json_type_string)) {
        text_append(out, json_object_get_string(object), (size_t)json_object_get_string_len(object));
    } else {
        text_append(out, value->bytes, value->len);
    }
    (void)json_object_put(object);
}

/* The JSON value that stands in the place of a quoted one. */
static void append_json(struct text *out, const struct text *value, bool json)
{
    if (json) {
        text_append(out, value->bytes, value->len);
    } else {
        text_append_json(out, value->len > 0 ? value->bytes : "", value->len);
    }
}

/* Within another text, so escaped once more, without quotes of its own. */
static void append_escaped(struct decrypting *d, bool json)
{
    struct text again = {0};
    d->word.len = 0;
    append_json(&d->word, &d->clear, json);
    text_append_json(&again, d->word.bytes, d->word.len);
    if (again.len >= 2) {
        text_append(&d->out, again.bytes + 1, again.len - 2);
    }
    d->out.failed = d->out.failed || again.failed;
    text_free(&again);
}

/* `moved`: it can be opened, but belongs elsewhere than in `field`, "" where no field of data is meant. */
static void note_left(struct decrypting *d, churn_str sealed, enum seal_result result, bool moved, churn_str field)
{
    unsigned long long line = d->line;
    churn_str id = {.ptr = ""};
    (void)seal_is(sealed, &id);
    if (d->left++ > 0) {
        return;
    }
    if (result == SEAL_KEY_UNKNOWN) {
        (void)snprintf(d->why, sizeof d->why, "in line %llu by the key '%.*s', which is not among protect: keys:", line,
                       (int)id.len, id.ptr);
    } else if (result == SEAL_SALT_UNKNOWN) {
        (void)snprintf(d->why, sizeof d->why,
                       "in line %llu by its customer's own key, which is not in the store: the customer was forgotten, "
                       "or it is another pipeline's",
                       line);
    } else if (!moved) {
        (void)snprintf(d->why, sizeof d->why, "in line %llu changed since it was encrypted", line);
    } else if (field.len > 0) {
        (void)snprintf(d->why, sizeof d->why,
                       "in line %llu moved to data.%.*s: it belongs to another event, customer or field", line,
                       (int)field.len, field.ptr);
    } else {
        (void)snprintf(d->why, sizeof d->why, "in line %llu moved to where it stands: it belongs to another record",
                       line);
    }
}

/* The sealed text in clear, as d->clear. */
static enum seal_result open_here(struct decrypting *d, churn_str sealed, bool *ret_json)
{
    enum sealed_state state = SEALED_HERE;
    churn_str field = {.ptr = ""};
    enum seal_result result = sealed_places_open(&d->places, &d->clear, d->ring, sealed, ret_json, &state, &field);
    if (result == SEAL_OPENED) {
        d->unplaced += state == SEALED_ANYWHERE;
    } else if (result != SEAL_NONE && result != SEAL_NO_MEMORY) {
        note_left(d, sealed, result, state == SEALED_ELSEWHERE, field);
    }
    return result;
}

/* Appends the sealed text from `at` to `end` in clear, in place of what stands there; where the line goes on. */
static const char *append_clear(struct decrypting *d, const char *line, const char *at, const char *end,
                                const char *line_end)
{
    churn_str sealed = {.ptr = at, .len = (uint32_t)(end - at)};
    enum standing standing = standing_of(line, at, end, line_end);
    enum seal_result result;
    bool json = false;
    d->clear.len = 0;
    result = open_here(d, sealed, &json);
    if (result != SEAL_OPENED) {
        d->out.failed = d->out.failed || result == SEAL_NO_MEMORY;
        text_append(&d->out, at, sealed.len);
        return end;
    }
    switch (standing) {
    case QUOTED:
        d->out.len--;
        append_json(&d->out, &d->clear, json);
        return end + 1;
    case ESCAPED_QUOTED:
        d->out.len -= 2;
        append_escaped(d, json);
        return end + 2;
    default:
        append_bare(&d->out, &d->clear, json);
        return end;
    }
}

static bool is_part(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.' || c == ':';
}

static bool decrypt_line(struct decrypting *d, const char *line, size_t len)
{
    const char *at = line, *line_end = line + len, *found;
    d->out.len = 0;
    d->line++;
    sealed_places_find(&d->places, line, len);
    while ((found = memmem(at, (size_t)(line_end - at), SEAL_ANY_PREFIX, sizeof SEAL_ANY_PREFIX - 1)) != NULL) {
        const char *end = found;
        while (end < line_end && is_part(*end)) {
            end++;
        }
        text_append(&d->out, at, (size_t)(found - at));
        at = append_clear(d, line, found, end, line_end);
    }
    text_append(&d->out, at, (size_t)(line_end - at));
    return !d->out.failed && !d->clear.failed && !d->word.failed && !d->places.failed;
}

static void tell(const struct decrypting *d)
{
    if (d->left > 0) {
        printable_line(stderr, "churnd: %llu value%s left as encrypted, the first one, %s", (unsigned long long)d->left,
                       d->left == 1 ? " is" : "s are", d->why);
    }
    if (d->unplaced > 0) {
        printable_line(stderr,
                       "churnd: %llu value%s not in the JSON of an event, alert or dead letter: nothing tells whether "
                       "%s moved to where %s",
                       (unsigned long long)d->unplaced, d->unplaced == 1 ? " is" : "s are",
                       d->unplaced == 1 ? "it was" : "they were", d->unplaced == 1 ? "it stands" : "they stand");
    }
}

/* The exit status. */
static int decrypt(const struct seal_ring *ring, struct salts *salts, FILE *in)
{
    struct decrypting d = {.ring = ring, .places = {.salts = salts}};
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    bool ok = true;
    while (ok && (len = getline(&line, &room, in)) >= 0) {
        ok = decrypt_line(&d, line, (size_t)len);
        if (ok && d.out.len > 0 && fwrite(d.out.bytes, 1, d.out.len, stdout) != d.out.len) {
            break; /* main tells what is wrong with standard output */
        }
    }
    if (!ok || ferror(in)) {
        (void)fprintf(stderr, "churnd: %s\n", ok ? strerror(errno) : "out of memory");
        ok = false;
    }
    tell(&d);
    free(line);
    text_free(&d.out);
    text_free(&d.clear);
    text_free(&d.word);
    sealed_places_free(&d.places);
    return ok && d.left == 0 ? 0 : 1;
}

int command_decrypt(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    struct pipeline pipeline;
    int status = 1;
    if (pipeline_load_edited(&pipeline, arguments_files(arguments), loader, log, stderr, pipeline_only_look, NULL)) {
        const struct seal_ring *ring = protect_section_ring(&pipeline);
        if (ring == NULL || ring->count == 0) {
            printable_line(stderr,
                           "churnd: %s has no keys to decrypt with: add them to protect: keys:", arguments->config);
        } else if (sandboxed(&pipeline, arguments_files(arguments), NULL) &&
                   audited(&pipeline, "decrypt", "read", NULL, "\"what\":\"encrypted values\"")) {
            struct salts *salts;
            if (salts_start(&pipeline, &salts)) {
                status = decrypt(ring, salts, stdin);
            }
            salts_stop(salts);
        }
    }
    pipeline_free(&pipeline);
    return status;
}
