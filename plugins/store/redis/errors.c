#include "errors.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *code;
    enum verdict verdict;
} verdicts[] = {
    {"NOSCRIPT", VERDICT_RELOAD},  {"READONLY", VERDICT_BREAK}, {"LOADING", VERDICT_BREAK},
    {"WRONGTYPE", VERDICT_REJECT}, {"NOAUTH", VERDICT_FATAL},   {"NOPERM", VERDICT_FATAL},
    {"MOVED", VERDICT_CLUSTER},    {"ASK", VERDICT_CLUSTER},    {HISTORY_CODE, VERDICT_HISTORY},
};

bool error_has_code(const char *text, const char *code)
{
    size_t len = strlen(code);
    if (strncmp(text, code, len) == 0 && (text[len] == ' ' || text[len] == '\0')) {
        return true;
    }
    /* Redis before 7.0 wraps what a script's command said. */
    return strncmp(text, "ERR Error running script", 24) == 0 && strstr(text, code) != NULL;
}

bool error_is_forbidden(const char *text)
{
    return error_has_code(text, "NOPERM") || strstr(text, "The user executing the script can't") != NULL ||
           strstr(text, "ACL failure in script") != NULL;
}

enum verdict error_verdict(const char *text)
{
    if (error_is_forbidden(text)) {
        return VERDICT_FATAL;
    }
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        if (error_has_code(text, verdicts[i].code)) {
            return verdicts[i].verdict;
        }
    }
    return VERDICT_RETRY;
}

bool verdict_ends_session(enum verdict verdict)
{
    return verdict == VERDICT_BREAK || verdict == VERDICT_HISTORY;
}

int32_t verdict_result(enum verdict verdict)
{
    return verdict == VERDICT_REJECT                                ? CHURN_REJECT
           : verdict == VERDICT_FATAL || verdict == VERDICT_CLUSTER ? CHURN_FATAL
                                                                    : CHURN_RETRY;
}

void error_explain(const char *text, const char *where, churn_str key, char *message, size_t size)
{
    if (error_has_code(text, "WRONGTYPE")) {
        (void)snprintf(message, size, "the key %.*s on Redis at %s is no hash; delete it or choose another key prefix",
                       (int)key.len, key.ptr, where);
        return;
    }
    switch (error_verdict(text)) {
    case VERDICT_CLUSTER:
        (void)snprintf(message, size, CLUSTER_TEXT, where);
        break;
    case VERDICT_HISTORY:
        (void)snprintf(message, size,
                       "Redis at %s lost its data, or other data took its place, under the open connection (FLUSHALL, "
                       "a restore): nothing was written to it since",
                       where);
        break;
    default:
        (void)snprintf(message, size, error_is_forbidden(text) ? FORBIDDEN_TEXT ": %s" : "Redis at %s: %s", where,
                       text);
    }
}

/* It goes by itself. */
static bool is_passing(const char *text)
{
    static const char *const codes[] = {"LOADING", "BUSY",    "MASTERDOWN", "TRYAGAIN",  "CLUSTERDOWN",
                                        "OOM",     "MISCONF", "READONLY",   "NOREPLICAS"};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (error_has_code(text, codes[i])) {
            return true;
        }
    }
    return strncmp(text, "ERR max number of clients", 25) == 0;
}

int32_t error_fail_opening(const char *text, const char *where, churn_error *err)
{
    if (is_passing(text)) {
        return churn_fail(err, CHURN_RETRY, "Redis at %s: %s", where, text);
    }
    if (error_has_code(text, "NOAUTH")) {
        return churn_fail_option(err, "password", "Redis at %s asks for a password; set `password`", where);
    }
    if (error_has_code(text, "WRONGPASS") || strncmp(text, "ERR invalid password", 20) == 0) {
        return churn_fail_option(err, "password", "Redis at %s refuses the user name or the password", where);
    }
    if (strncmp(text, "ERR AUTH", 8) == 0 || strncmp(text, "ERR Client sent AUTH", 20) == 0) {
        return churn_fail_option(err, "password", "Redis at %s has no password; leave `password` out", where);
    }
    if (error_is_forbidden(text)) {
        return churn_fail(err, CHURN_FATAL, FORBIDDEN_TEXT ": %s", where, text);
    }
    return churn_fail(err, CHURN_FATAL, "Redis at %s: %s", where, text);
}
