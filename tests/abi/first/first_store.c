/* Keeps hashes in memory and writes all of them to a file at the end, a field a line. */
#include "poison.h"
#include <churn/store.h>

#define KEYS 32
#define FIELDS 64
#define TEXT 256
#define PUTS 64

struct field {
    char name[TEXT], value[TEXT];
};

struct hash {
    char key[TEXT];
    uint64_t version;
    uint32_t count;
    struct field fields[FIELDS];
};

struct store {
    const char *path;
    struct hash *hashes;
    uint32_t count;
    churn_put_reply replies[PUTS];
    uint32_t reply_count;
};

static const churn_option options[] = {
    {"path", .type = CHURN_OPTION_STRING, .flags = CHURN_OPTION_REQUIRED, .offset = offsetof(struct store, path),
     .help = "Where everything is written at the end."},
};

static void copy(char *room, churn_str text)
{
    (void)snprintf(room, TEXT, "%.*s", (int)text.len, text.ptr);
}

static struct hash *find(struct store *s, churn_str key, int make)
{
    char name[TEXT];
    copy(name, key);
    for (uint32_t i = 0; i < s->count; i++) {
        if (strcmp(s->hashes[i].key, name) == 0) {
            return &s->hashes[i];
        }
    }
    if (!make || s->count == KEYS) {
        return NULL;
    }
    memcpy(s->hashes[s->count].key, name, TEXT);
    return &s->hashes[s->count++];
}

static void set(struct hash *hash, const churn_pair *pair)
{
    struct field field;
    uint32_t i = 0;
    copy(field.name, pair->name);
    copy(field.value, pair->value);
    while (i < hash->count && strcmp(hash->fields[i].name, field.name) != 0) {
        i++;
    }
    hash->fields[i] = field;
    hash->count += i == hash->count && i + 1 < FIELDS;
}

static int32_t create(void *self, const churn_host *host, churn_error *err)
{
    struct store *s = self;
    (void)host;
    s->hashes = calloc(KEYS, sizeof *s->hashes);
    return s->hashes != NULL ? CHURN_OK : churn_fail(err, CHURN_FATAL, "out of memory");
}

static int32_t open_session(void *self, void **ret_session, churn_error *err)
{
    (void)err;
    *ret_session = self; /* one worker at a time */
    return CHURN_OK;
}

static int32_t put(void *session, const churn_put *put, churn_error *err)
{
    struct store *s = session;
    struct hash *hash = find(s, put->key, 1);
    churn_put_reply *reply = &s->replies[s->reply_count];
    if (hash == NULL || s->reply_count == PUTS) {
        return churn_fail(err, CHURN_RETRY, "full");
    }
    *reply =
        (churn_put_reply){.size = sizeof *reply, .id = put->id, .result = CHURN_CONFLICT, .version = hash->version};
    s->reply_count++;
    if (hash->version == put->expected_version) {
        for (uint32_t i = 0; i < put->count; i++) {
            set(hash, &put->fields[i]);
        }
        hash->version++;
        reply->result = CHURN_OK;
    }
    return CHURN_OK;
}

static int32_t poll_replies(void *session, churn_put_reply *replies, uint32_t max, uint32_t timeout_ms,
                            uint32_t *ret_count, churn_error *err)
{
    struct store *s = session;
    uint32_t count = s->reply_count < max ? s->reply_count : max;
    (void)timeout_ms;
    (void)err;
    memcpy(replies, s->replies, count * sizeof *replies);
    memmove(s->replies, s->replies + count, (s->reply_count - count) * sizeof *replies);
    s->reply_count -= count;
    *ret_count = count;
    return count > 0 ? CHURN_OK : CHURN_PENDING;
}

static churn_str text_of(const char *text)
{
    return (churn_str){.ptr = text, .len = (uint32_t)strlen(text)};
}

static int32_t get(void *session, churn_str key, churn_fields_fn fn, void *ctx, churn_error *err)
{
    const struct hash *hash = find(session, key, 0);
    churn_pair pairs[FIELDS + 1];
    char version[32];
    uint32_t count = 0;
    (void)err;
    for (; hash != NULL && count < hash->count; count++) {
        pairs[count].name = text_of(hash->fields[count].name);
        pairs[count].value = text_of(hash->fields[count].value);
    }
    if (hash != NULL && hash->version > 0) {
        (void)snprintf(version, sizeof version, "%u", (unsigned)hash->version);
        pairs[count++] = (churn_pair){.name = text_of("_v"), .value = text_of(version)};
    }
    (void)fn(ctx, key, pairs, count);
    return CHURN_OK;
}

static int32_t write_hashes(void *session, const churn_hash *hashes, uint32_t count, churn_error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        struct hash *hash = find(session, hashes[i].key, 1);
        if (hash == NULL) {
            return churn_fail(err, CHURN_RETRY, "full");
        }
        hash->count = 0;
        for (uint32_t k = 0; k < hashes[i].count; k++) {
            set(hash, &hashes[i].fields[k]);
        }
    }
    return CHURN_OK;
}

static void close_session(void *session)
{
    (void)session;
}

static void destroy(void *self)
{
    struct store *s = self;
    FILE *file = s->count > 0 ? fopen(s->path, "w") : NULL;
    for (uint32_t i = 0; file != NULL && i < s->count; i++) {
        for (uint32_t k = 0; k < s->hashes[i].count; k++) {
            (void)fprintf(file, "%s %s %s\n", s->hashes[i].key, s->hashes[i].fields[k].name,
                          s->hashes[i].fields[k].value);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    free(s->hashes);
}

static const POISONED(churn_store_ops) table = {.ops = {.size = sizeof table.ops,
                                                        .create = create,
                                                        .open = open_session,
                                                        .put = put,
                                                        .poll = poll_replies,
                                                        .get = get,
                                                        .write = write_hashes,
                                                        .close = close_session,
                                                        .destroy = destroy},
                                                .behind = POISON};

CHURN_PLUGIN(.kind = CHURN_KIND_STORE, .name = "first_store", .version = "1.0.0",
             .summary = "A store of the first minor version", CHURN_OPTIONS(options, struct store), .ops = &table.ops);
