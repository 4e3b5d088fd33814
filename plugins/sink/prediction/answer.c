#include "answer.h"

#include "json_number.h"
#include "json_read.h"

static char digit(const struct json_number *n, size_t i)
{
    return i < n->whole_len ? n->whole[i] : n->fraction[i - n->whole_len];
}

/* Whether the number is one from 0 to 1, by its decimals: a double would take 1.0000000000000001 for 1. */
static int is_probability(const struct json_number *n)
{
    size_t count = n->whole_len + n->fraction_len, first = 0;
    long magnitude; /* the number is from 10^(magnitude-1) to below 10^magnitude */
    while (first < count && digit(n, first) == '0') {
        first++;
    }
    if (first == count) {
        return 1; /* zero; -0 is one too */
    }
    magnitude = (long)n->whole_len - (long)first + n->exponent;
    if (n->negative || magnitude > 1 || (magnitude == 1 && digit(n, first) != '1')) {
        return 0;
    }
    for (size_t i = first + 1; magnitude == 1 && i < count; i++) {
        if (digit(n, i) != '0') {
            return 0;
        }
    }
    return 1;
}

int answer_set_probability(json_object *number, struct answer *answer)
{
    const char *text;
    struct json_number parsed;
    if (!json_object_is_type(number, json_type_double) && !json_object_is_type(number, json_type_int)) {
        return 0;
    }
    text = json_object_get_string(number);
    if (text == NULL || !json_number_read(text, &parsed) || !is_probability(&parsed)) {
        return 0;
    }
    if (strlen(text) < sizeof answer->churn_probability) {
        memcpy(answer->churn_probability, text, strlen(text) + 1);
    } else { /* more digits than a double holds say nothing */
        (void)snprintf(answer->churn_probability, sizeof answer->churn_probability, "%.17g",
                       json_object_get_double(number) + 0.0); /* -0 becomes 0 */
    }
    return 1;
}

static int read_probability(json_object *object, struct answer *answer)
{
    json_object *member;
    return json_object_object_get_ex(object, "churn_probability", &member) && answer_set_probability(member, answer);
}

int answer_read_text(json_object *object, const char *name, char room[ANSWER_TEXT_MAX + 1])
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
    } else if (!answer_read_text(object, "risk_level", answer->risk_level)) {
        *ret_reason = "the risk_level of its answer is no string of at most 256 bytes";
    } else if (!answer_read_text(object, "model_version", answer->model_version)) {
        *ret_reason = "the model_version of its answer is no string of at most 256 bytes";
    }
    json_object_put(object);
    return *ret_reason == NULL;
}
