#include "engine/checkpoint.h"

#include "base/decimal.h"
#include "engine/partitions.h"
#include "engine/session.h"
#include "profile/store_keys.h"
#include <inttypes.h>

/* One that does not fit was written by a later version, and is none of ours. */
static void read_text(churn_str text, char *ret, size_t size)
{
    if (text.len < size) {
        memcpy(ret, text.ptr, text.len);
        ret[text.len] = '\0';
    }
}

/* Where its value goes, of a field that is a number; NULL: it is none. */
static int64_t *number_of(churn_str name, struct checkpoint *checkpoint, int64_t *version)
{
    return str_equals(name, "offset")      ? &checkpoint->offset
           : str_equals(name, "_v")        ? version
           : str_equals(name, "doubted")   ? &checkpoint->doubted_below
           : str_equals(name, "answered")  ? &checkpoint->answered
           : str_equals(name, "forgotten") ? &checkpoint->forgotten
                                           : NULL;
}

/* False when a field is not what this program writes. */
static bool read_checkpoint_field(const churn_pair *field, struct checkpoint *ret, int64_t *ret_version)
{
    int64_t *into = number_of(field->name, ret, ret_version);
    if (str_equals(field->name, "last")) {
        ret->last = witness_parse(field->value);
    } else if (str_equals(field->name, "fingerprint")) {
        read_text(field->value, ret->fingerprint, sizeof ret->fingerprint);
    } else if (str_equals(field->name, "doubter")) {
        read_text(field->value, ret->doubter, sizeof ret->doubter);
    }
    if (into == NULL || (field->value.len == 0 && (into == &ret->doubted_below || into == &ret->answered))) {
        return true;
    }
    return decimal_parse_int64(field->value.ptr, field->value.len, into) && *into >= 0;
}

bool checkpoint_parse(const churn_pair *fields, uint32_t count, struct checkpoint *ret, char why[WHY_SIZE])
{
    int64_t version = 0;
    why[0] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        if (!read_checkpoint_field(&fields[i], ret, &version)) {
            (void)snprintf(why, WHY_SIZE, "its field '%.*s' holds what this program did not write",
                           (int)fields[i].name.len, fields[i].name.ptr);
        }
    }
    if (why[0] == '\0' && count > 0 && ret->offset < 0) {
        (void)snprintf(why, WHY_SIZE, "it has no field 'offset'");
    }
    if (ret->last.offset >= ret->offset) {
        ret->last = WITNESS_NONE; /* an older churnd has put the offset since, and gone back */
    }
    if (version > 0) {
        ret->version = (uint64_t)version;
    }
    return why[0] == '\0';
}

bool checkpoint_fail(struct worker *worker, uint32_t part, const char *prefix, const char *why)
{
    char key[STORE_KEY_SIZE];
    (void)store_keys_own("checkpoint", prefix, parts_name(&worker->parts.items[part]), key);
    return worker_fail(worker,
                       "%s: the checkpoint %s cannot be used: %s. Delete that key, or `churnd rebuild` under another "
                       "key_prefix: what the source still has is then read again%s, and no event counts twice",
                       worker->pipeline->store.label, key, why,
                       is_forgetful(worker) ? ", alerts and dead letters are sent again" : "");
}

int64_t checkpoint_answered(const struct checkpoint *checkpoint)
{
    int64_t counted = checkpoint->offset > 0 ? checkpoint->offset : 0;
    return checkpoint->answered != NOTHING && checkpoint->answered < counted ? checkpoint->answered : counted;
}

static int32_t on_checkpoint(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    struct checkpoint_read *read = ctx;
    (void)key;
    (void)checkpoint_parse(fields, count, &read->found, read->why);
    return CHURN_OK;
}

int32_t checkpoint_read_under(struct worker *worker, uint32_t part, const char *prefix, struct checkpoint_read *read)
{
    char buffer[STORE_KEY_SIZE];
    churn_str name = parts_name(&worker->parts.items[part]);
    churn_str key = {.ptr = buffer, .len = store_keys_own("checkpoint", prefix, name, buffer)};
    churn_error err = {.size = sizeof err};
    int32_t result;
    *read = (struct checkpoint_read){.found = CHECKPOINT_NONE};
    result = store_of(worker)->get(worker->session.handle, key, on_checkpoint, read, &err);
    if (result == CHURN_RETRY) {
        session_lose(worker, err.message);
        return CHURN_RETRY;
    }
    if (result != CHURN_OK) {
        (void)snprintf(read->why, sizeof read->why, "%s",
                       err.message[0] != '\0' ? err.message : "the store does not say why");
    }
    return read->why[0] == '\0' ? CHURN_OK : CHURN_REJECT;
}

int32_t checkpoint_load(struct worker *worker, uint32_t part)
{
    const char *prefix = worker->pipeline->store_settings.key_prefix;
    struct checkpoint_read read;
    int32_t result = checkpoint_read_under(worker, part, prefix, &read);
    if (result == CHURN_OK) {
        partition_at(worker, part)->stored = read.found;
    } else if (result == CHURN_REJECT) {
        (void)checkpoint_fail(worker, part, prefix, read.why);
        return CHURN_FATAL;
    }
    return result;
}

/* The source's fingerprint of what lies before `offset`; empty where it has none. */
static churn_str fingerprint_of(struct worker *worker, uint32_t part, int64_t offset, char text[CHURN_FINGERPRINT_SIZE])
{
    const struct part *s = &worker->parts.items[part];
    churn_error err = {.size = sizeof err};
    bool known =
        source_of(worker)->fingerprint != NULL && worker->pipeline->redrive == NULL &&
        source_of(worker)->fingerprint(worker->source->self, s->topic, s->partition, offset, text, &err) == CHURN_OK;
    return (churn_str){.ptr = text, .len = known ? (uint32_t)strnlen(text, CHURN_FINGERPRINT_SIZE) : 0};
}

/* Not while what they left is still being read again; and less where this worker has counted more, and knows fewer. */
static int64_t forgotten_next(const struct worker *worker, const struct partition *p)
{
    int64_t known = worker->forgetting.known, stored = p->stored.forgotten;
    if (known > stored) {
        return p->putting >= p->stored.offset ? known : stored;
    }
    return worker->pipeline->forgetting != NULL && p->putting > p->stored.offset ? known : stored;
}

struct checkpoint checkpoint_next(const struct worker *worker, const struct partition *p)
{
    struct checkpoint next = p->stored;
    int64_t answered = checkpoint_answered(&p->stored);
    int64_t come = worker->pipeline->profiles_only ? p->owned : p->putting;
    next.version++;
    next.forgotten = forgotten_next(worker, p);
    if (p->putting > next.offset) {
        next.offset = p->putting;
        next.last = p->putting_last.offset >= 0 ? p->putting_last : next.last;
    }
    answered = come > answered ? come : answered;
    next.answered = answered < next.offset ? answered : NOTHING;
    if (p->doubted_below >= 0) {
        next.doubted_below = p->doubted_below;
        memcpy(next.doubter, p->doubter, sizeof next.doubter);
    } else if (p->proven || p->mended) {
        next.doubted_below = NOTHING;
        next.doubter[0] = '\0';
    }
    return next;
}

bool checkpoint_put(struct worker *worker, uint32_t part)
{
    struct partition *p = partition_at(worker, part);
    struct checkpoint next = checkpoint_next(worker, p);
    int64_t offset = next.offset > 0 ? next.offset : 0;
    char key[STORE_KEY_SIZE], number[24], last[WITNESS_SIZE], doubted[24], answered[24], forgotten[24];
    char fingerprint[CHURN_FINGERPRINT_SIZE];
    churn_error err = {.size = sizeof err};
    churn_pair fields[7] = {{.name = churn_text("offset"), .value = {.ptr = number}},
                            {.name = churn_text("last"), .value = {.ptr = last}}};
    churn_put put = {.size = sizeof put,
                     .key = own_key(worker, part, "checkpoint", key),
                     .fields = fields,
                     .count = 2,
                     .id = CHECKPOINT_ID | part,
                     .expected_version = p->stored.version};
    churn_str print = fingerprint_of(worker, part, offset, fingerprint);
    fields[0].value.len = (uint32_t)snprintf(number, sizeof number, "%" PRId64, offset);
    fields[1].value.len = witness_format(next.last, last);
    if (print.len > 0) {
        fields[put.count++] = (churn_pair){.name = churn_text("fingerprint"), .value = print};
    }
    if (next.answered != p->stored.answered) {
        int len = next.answered >= 0 ? snprintf(answered, sizeof answered, "%" PRId64, next.answered) : 0;
        fields[put.count++] =
            (churn_pair){.name = churn_text("answered"), .value = {.ptr = answered, .len = (uint32_t)len}};
    }
    if (next.doubted_below != p->stored.doubted_below || strcmp(next.doubter, p->stored.doubter) != 0) {
        int len = next.doubted_below >= 0 ? snprintf(doubted, sizeof doubted, "%" PRId64, next.doubted_below) : 0;
        fields[put.count++] =
            (churn_pair){.name = churn_text("doubted"), .value = {.ptr = doubted, .len = (uint32_t)len}};
        fields[put.count++] = (churn_pair){.name = churn_text("doubter"), .value = churn_text(next.doubter)};
    }
    if (next.forgotten != p->stored.forgotten) {
        int len = snprintf(forgotten, sizeof forgotten, "%" PRId64, next.forgotten);
        fields[put.count++] =
            (churn_pair){.name = churn_text("forgotten"), .value = {.ptr = forgotten, .len = (uint32_t)len}};
    }
    if (store_of(worker)->put(worker->session.handle, &put, &err) != CHURN_OK) {
        session_lose(worker, err.message);
        return false;
    }
    p->again = false;
    p->asked = true;
    worker->progress.unanswered++;
    return true;
}
