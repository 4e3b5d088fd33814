#include "kept_hashes.h"

#include <stdlib.h>

struct look {
    struct kept_hash *hashes;
    uint32_t at; /* of the next answer */
    int failed;  /* memory ran out */
};

static char *copy(char *at, churn_str text, churn_str *ret)
{
    memcpy(at, text.ptr, text.len);
    *ret = (churn_str){.ptr = at, .len = text.len};
    return at + text.len;
}

static int keep(struct kept_hash *hash, const churn_pair *fields, uint32_t count)
{
    size_t size = count * sizeof *fields;
    char *at;
    for (uint32_t i = 0; i < count; i++) {
        size += (size_t)fields[i].name.len + fields[i].value.len;
    }
    hash->fields = malloc(size + 1);
    if (hash->fields == NULL) {
        return 0;
    }
    at = (char *)(hash->fields + count);
    for (uint32_t i = 0; i < count; i++) {
        at = copy(at, fields[i].name, &hash->fields[i].name);
        at = copy(at, fields[i].value, &hash->fields[i].value);
    }
    hash->count = count;
    return 1;
}

static int32_t on_hash(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct look *look = ctx;
    (void)key;
    look->failed = !keep(&look->hashes[look->at++], fields, count) || look->failed;
    return CHURN_OK;
}

static int32_t get(const struct store_session *session, const churn_str *keys, uint32_t count, struct look *look,
                   churn_error *err)
{
    const churn_store_ops *ops = session->ops;
    int32_t rc = CHURN_OK;
    if (ops->size > offsetof(churn_store_ops, get_many) && ops->get_many != NULL) {
        return ops->get_many(session->session, keys + look->at, count - look->at, on_hash, look, err);
    }
    while (rc == CHURN_OK && look->at < count) {
        rc = ops->get(session->session, keys[look->at], on_hash, look, err);
    }
    return rc;
}

int32_t kept_hashes_read(struct store_session *session, const churn_str *keys, uint32_t count, struct kept_hash *ret,
                         churn_error *err)
{
    struct look look = {.hashes = ret};
    int32_t rc = CHURN_OK;
    while (rc == CHURN_OK && look.at < count && !look.failed) {
        rc = store_session_ready(session, err);
        rc = rc == CHURN_OK ? store_session_result(session, get(session, keys, count, &look, err), err) : rc;
        if (rc == CHURN_REJECT) {
            ret[look.at].damage = strdup(err->message);
            look.failed |= ret[look.at++].damage == NULL;
            rc = CHURN_OK;
        }
    }
    return look.failed ? churn_fail(err, CHURN_FATAL, "out of memory") : rc;
}

void kept_hashes_free(struct kept_hash *hashes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        free(hashes[i].damage);
        free(hashes[i].fields);
    }
}
