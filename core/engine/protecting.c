#include "engine/protecting.h"

#include "engine/forgetting.h"
#include "engine/salts.h"
#include "pipeline/protect_section.h"
#include <sodium.h>

bool protecting_start(struct worker *worker)
{
    if (worker->pipeline->protection != NULL) {
        worker->protector = protector_new(worker->pipeline->protection->protect);
        return worker->protector != NULL;
    }
    return true;
}

void protecting_stop(struct worker *worker)
{
    protector_free(worker->protector);
}

/* ---- salts ---- */

bool protecting_salt(struct worker *worker, churn_str customer)
{
    unsigned char salt[SEAL_SALT_SIZE];
    churn_error err = {.size = sizeof err};
    int32_t result;
    if (worker->pipeline->salts == NULL ||
        (worker->pipeline->outputs & (CHURN_RECORD_EVENT | CHURN_RECORD_ALERT)) == 0) {
        return true;
    }
    result = salts_find(worker->pipeline->salts, customer, true, salt, &err);
    if (result == CHURN_OK) {
        protector_salt(worker->protector, customer, salt);
        sodium_memzero(salt, sizeof salt);
    }
    return result == CHURN_OK;
}

void protecting_forget(struct worker *worker)
{
    salts_drop(worker->pipeline->salts);
    if (worker->protector != NULL) {
        protector_salt(worker->protector, (churn_str){.ptr = ""}, NULL);
    }
}

/* By a salt that is not at hand. */
static enum protect_result open_salted(struct worker *worker, churn_str json, churn_str customer, churn_str *ret_clear,
                                       struct reject *reject)
{
    char text[STORE_KEY_SIZE], tombstone[TOMBSTONE_ID_SIZE];
    unsigned char salt[SEAL_SALT_SIZE];
    churn_str copy = {.ptr = text, .len = customer.len < sizeof text ? customer.len : 0};
    churn_error err = {.size = sizeof err};
    enum protect_result result = PROTECT_SALT;
    int32_t found = CHURN_DROP;
    bool settled;
    memcpy(text, customer.ptr, copy.len);
    if (worker->pipeline->salts != NULL) {
        found = salts_find(worker->pipeline->salts, copy, false, salt, &err);
    }
    if (found == CHURN_OK) {
        protector_salt(worker->protector, copy, salt);
        sodium_memzero(salt, sizeof salt);
        result = protect_open(worker->protector, json, ret_clear, reject);
    }
    if (result == PROTECT_SALT) {
        reject->later = found == CHURN_RETRY;
        reject->forgotten = !reject->later && forgetting_find(worker->pipeline->forgetting, copy, tombstone, &settled);
        reject_set(reject, REJECT_KEY_UNKNOWN,
                   "it is encrypted with its customer's own key, which the store does not have");
    }
    return result;
}

const struct event_type *protecting_decode(struct worker *worker, int64_t record_ms, char **bytes, uint32_t *len,
                                           churn_event *event, struct reject *reject)
{
    const struct event_type *type;
    const churn_str json = {.ptr = *bytes, .len = *len};
    churn_str clear;
    reject->later = reject->forgotten = false;
    if (worker->protector != NULL) {
        enum protect_result result = protect_open(worker->protector, json, &clear, reject);
        result = result == PROTECT_SALT ? open_salted(worker, json, clear, &clear, reject) : result;
        switch (result) {
        case PROTECT_DONE:
            *bytes = arena_copy(&window_filling(worker)->arena, clear.ptr, clear.len);
            *len = clear.len;
            if (*bytes == NULL) {
                reject->out_of_memory = true;
                return NULL;
            }
            break;
        case PROTECT_REFUSED:
        case PROTECT_SALT:
            return NULL;
        case PROTECT_NO_MEMORY:
            reject->out_of_memory = true;
            return NULL;
        default:
            break;
        }
    }
    type = event_decode(worker->intake.decoder, *bytes, *len, event, reject);
    return type != NULL && event_is_timely(event, record_ms, worker->pipeline->event_settings.max_ahead_ms, reject)
               ? type
               : NULL;
}

/* An output's value as it may go to a place, in the window's arena. */
static bool protect_value(struct worker *worker, struct window *window, unsigned place, churn_str clear,
                          churn_record *output)
{
    churn_str value;
    char *copy;
    switch (protect_line(worker->protector, place, clear, &value)) {
    case PROTECT_DONE:
        copy = arena_copy(&window->arena, value.ptr, value.len);
        output->value = (churn_str){.ptr = copy, .len = value.len};
        return copy != NULL;
    case PROTECT_NO_MEMORY:
        return false;
    default: /* what was decoded is an event, and nothing of it is to be protected */
        output->value = clear;
        return true;
    }
}

static churn_record *add_copy(struct window *window, uint32_t of)
{
    churn_record *copy = window_add_output(window, window->outputs[of].kind, &window->outputs[of]);
    if (copy != NULL) {
        const churn_record *from = &window->outputs[of]; /* adding an output may have moved it */
        uint64_t id = copy->id;
        *copy = *from;
        copy->id = id;
    }
    return copy;
}

bool protecting_output(struct worker *worker, struct window *window)
{
    const struct protection *protection = worker->pipeline->protection;
    uint32_t first = window->output_count - 1;
    bool alert = window->outputs[first].kind == CHURN_RECORD_ALERT;
    const struct protect_group *groups = alert ? protection->alerts : protection->events;
    unsigned count = alert ? protection->alert_groups : protection->event_groups;
    uint32_t withheld = window->outputs[first].reserved, all = 0;
    churn_str clear = window->outputs[first].value;
    bool used = false;
    for (unsigned i = 0; i < count; i++) {
        all |= groups[i].bits;
    }
    for (unsigned i = 0; i < count; i++) {
        churn_record *output = &window->outputs[first];
        if ((groups[i].bits & ~withheld) == 0) {
            continue;
        }
        output = used ? add_copy(window, first) : output;
        if (output == NULL || !protect_value(worker, window, groups[i].place, clear, output)) {
            return false;
        }
        output->reserved = withheld | (all & ~groups[i].bits);
        used = true;
    }
    return true;
}

/* Where the id of an alert ends, which tells several of one record apart. */
static size_t id_end(churn_str alert)
{
    static const char next[] = "\",\"severity\":";
    const char *at = memmem(alert.ptr, alert.len, next, sizeof next - 1);
    return at != NULL ? (size_t)(at - alert.ptr) + 1 : 0;
}

bool protecting_is_copy(const struct window *window, uint32_t index)
{
    const churn_record *output = &window->outputs[index], *before = output - 1;
    size_t id;
    if (index == 0 || before->kind != output->kind || before->offset != output->offset ||
        before->partition != output->partition || strcmp(before->topic, output->topic) != 0) {
        return false;
    }
    id = id_end(output->value);
    return output->kind != CHURN_RECORD_ALERT ||
           (before->value.len >= id && memcmp(before->value.ptr, output->value.ptr, id) == 0);
}

churn_str protecting_shown(struct worker *worker, unsigned place, churn_str value)
{
    churn_str shown;
    if (worker->protector == NULL || value.ptr == NULL) {
        return value;
    }
    switch (protect_line(worker->protector, place, value, &shown)) {
    case PROTECT_SAME:
        return value;
    case PROTECT_DONE:
        return shown;
    default:
        return worker->pipeline->protection->protect->hides[place] ? churn_text(PROTECT_MASK_TEXT) : value;
    }
}
