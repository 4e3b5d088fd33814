#include "engine/run_audit.h"

#include "build-config.h"

#include "audit/difference.h"
#include "engine/redrive_scope.h"
#include <churn/time.h>
#include <inttypes.h>
#include <sys/socket.h>

static const char *yes(bool is)
{
    return is ? "true" : "false";
}

static void append_replay(struct text *out, const struct replay *replay)
{
    static const char *const names[] = {
        [REPLAY_FROM_BEGINNING] = "beginning", [REPLAY_FROM_OFFSET] = "offset", [REPLAY_FROM_TIME] = "time"};
    text_printf(out, ",\"from\":\"%s\",\"value\":%" PRId64 ",\"outputs\":%s", names[replay->from], replay->value,
                yes(replay->outputs));
}

static void append_time(struct text *out, const char *name, int64_t ms)
{
    char time[CHURN_TIME_SIZE];
    if (ms != INT64_MIN && ms != INT64_MAX) {
        churn_time_format(ms, time);
        text_printf(out, ",\"%s\":\"%s\"", name, time);
    }
}

static void append_redrive(struct text *out, const struct redrive *redrive)
{
    text_printf(out, ",\"all\":%s,\"unverified\":%s", yes(redrive->all), yes(redrive->unverified));
    append_time(out, "since", redrive->since_ms);
    append_time(out, "until", redrive->until_ms);
}

/* What the run is for. `*ret_must`: somebody wants it to be done now, and it is not done unaudited. */
static struct audit_act describe(const struct pipeline *pipeline, struct text *details, bool *ret_must)
{
    struct audit_act act = {.action = "start"};
    text_printf(details, "\"version\":\"" PACKAGE_VERSION "\",\"until_end\":%s,\"file\":", yes(pipeline->until_end));
    text_append_json(details, pipeline->config.file, strlen(pipeline->config.file));
    if (pipeline->redrive != NULL) {
        act.action = "redrive";
        append_redrive(details, pipeline->redrive);
    } else if (pipeline->profiles_only) {
        act.action = "rebuild";
        text_append_string(details, ",\"into\":");
        text_append_json(details, pipeline->store_settings.key_prefix, strlen(pipeline->store_settings.key_prefix));
    } else if (pipeline->replay.from != REPLAY_OFF) {
        act.action = "replay";
        append_replay(details, &pipeline->replay);
    }
    *ret_must = strcmp(act.action, "start") != 0;
    text_append(details, "", 1);
    act.details = details->failed ? NULL : details->bytes;
    return act;
}

static void tell_head(struct audit *audit, struct log *log, const char *path)
{
    struct chain_head head;
    char text[CHAIN_HEAD_SIZE];
    (void)audit_state(audit, &head);
    chain_head_format(&head, text);
    log_printf(log, CHURN_LOG_INFO, "audit", "head %s%s%s", text, path != NULL ? " of " : "", path != NULL ? path : "");
}

bool run_audit_start(struct pipeline *pipeline)
{
    char message[TRAIL_MESSAGE_SIZE];
    struct text details = {0};
    struct audit_act act;
    bool must, ok = true;
    pipeline->audit = audit_new(pipeline, message, sizeof message);
    if (pipeline->audit == NULL) {
        if (message[0] != '\0') {
            log_line(pipeline->log, CHURN_LOG_ERROR, "audit", message);
        }
        return message[0] == '\0';
    }
    act = describe(pipeline, &details, &must);
    if (must) {
        ok = audit_write(pipeline->audit, &act, message, sizeof message);
    } else {
        (void)audit_note(pipeline->audit, &act);
    }
    if (ok) {
        tell_head(pipeline->audit, pipeline->log, pipeline->audit_settings.path);
    } else {
        log_printf(pipeline->log, CHURN_LOG_ERROR, "audit", "%s; a %s is not done unaudited", message, act.action);
        audit_free(pipeline->audit);
        pipeline->audit = NULL;
    }
    text_free(&details);
    return ok;
}

/* A signal of the kernel's, such as a terminal's, has no sender. */
static const struct ucred *known(const struct ucred *by)
{
    return by != NULL && by->pid != 0 ? by : NULL;
}

void run_audit_reload(struct audit *audit, const struct ucred *by, enum reload_result result,
                      const struct pipeline *from, const struct pipeline *to)
{
    static const char *const names[RELOAD_RESULTS] = {
        [RELOAD_TAKEN] = "taken", [RELOAD_REFUSED] = "refused", [RELOAD_REVERTED] = "reverted"};
    struct text details = {0};
    if (audit == NULL) {
        return;
    }
    text_printf(&details, "\"result\":\"%s\"", names[result]);
    if (to != NULL) {
        text_append_string(&details, ",\"changes\":");
        difference_append(&details, from, to);
    }
    text_append(&details, "", 1);
    (void)audit_note(
        audit,
        &(struct audit_act){.action = "reload", .peer = known(by), .details = details.failed ? NULL : details.bytes});
    text_free(&details);
}

void run_audit_stop(struct audit *audit, const struct ucred *by, struct log *log, bool ok)
{
    if (audit == NULL) {
        return;
    }
    if (!audit_note(audit, &(struct audit_act){
                               .action = "stop", .peer = known(by), .details = ok ? "\"status\":0" : "\"status\":1"})) {
        log_line(log, CHURN_LOG_ERROR, "audit", "that this run stops could not be written to the audit");
    }
    tell_head(audit, log, NULL);
    audit_free(audit);
}
