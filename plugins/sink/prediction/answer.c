#include "answer.h"

#include "json_read.h"
#include <math.h>

/* The grammar of RFC 8259: json-c also takes NaN, Infinity and leading zeros in places. */
static int is_json_number(const char *text)
{
    static const char digits[] = "0123456789";
    const char *at = text + (*text == '-');
    size_t whole = strspn(at, digits);
    if (whole == 0 || (whole > 1 && *at == '0')) {
        return 0;
    }
    at += whole;
    if (*at == '.') {
        size_t fraction = strspn(at + 1, digits);
        if (fraction == 0) {
            return 0;
        }
        at += 1 + fraction;
    }
    if (*at == 'e' || *at == 'E') {
        at += 1 + (at[1] == '+' || at[1] == '-');
        if (strspn(at, digits) == 0) {
            return 0;
        }
        at += strspn(at, digits);
    }
    return *at == '\0';
}

static int read_probability(json_object *object, struct answer *answer)
{
    json_object *member;
    const char *text;
    double value;
    if (!json_object_object_get_ex(object, "churn_probability", &member) ||
        (!json_object_is_type(member, json_type_double) && !json_object_is_type(member, json_type_int))) {
        return 0;
    }
    value = json_object_get_double(member);
    if (!isfinite(value) || value < 0 || value > 1) {
        return 0;
    }
    text = json_object_get_string(member);
    if (text == NULL || !is_json_number(text)) {
        return 0;
    }
    if (strlen(text) < sizeof answer->churn_probability) {
        (void)strcpy(answer->churn_probability, text);
    } else { /* more digits than a double holds say nothing */
        (void)snprintf(answer->churn_probability, sizeof answer->churn_probability, "%.17g", value);
    }
    return 1;
}

/* An optional text: absent and null are the same. */
static int read_text(json_object *object, const char *name, char *room)
{
    json_object *member;
    churn_str text;
    if (!json_object_object_get_ex(object, name, &member) || member == NULL) {
        return 1;
    }
    if (!json_read_string(object, name, &text) || text.len > ANSWER_TEXT_MAX ||
        (text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL)) {
        return 0;
    }
    memcpy(room, text.ptr, text.len);
    room[text.len] = '\0';
    return 1;
}

int answer_parse(churn_str body, struct answer *answer, const char **ret_reason)
{
    json_object *object = json_read_object(body);
    *answer = (struct answer){0};
    *ret_reason = NULL;
    if (object == NULL) {
        *ret_reason = "its answer is not a JSON object";
    } else if (!read_probability(object, answer)) {
        *ret_reason = "its answer has no churn_probability from 0 to 1";
    } else if (!read_text(object, "risk_level", answer->risk_level)) {
        *ret_reason = "the risk_level of its answer is no string of at most 256 bytes";
    } else if (!read_text(object, "model_version", answer->model_version)) {
        *ret_reason = "the model_version of its answer is no string of at most 256 bytes";
    }
    json_object_put(object);
    return *ret_reason == NULL;
}
