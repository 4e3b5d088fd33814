/* An answer of the prediction API: its JSON body, from a server that may say anything. */
#include "fuzz.h"

#include "answer.h"
#include "core/base/decimal.h"
#include "tests/support/strict_json.h"
#include "text_buffer.h"

/* The answer as the API might have written it. */
static void write_again(struct text_buffer *text, const struct answer *answer)
{
    text_puts(text, "{\"churn_probability\":");
    text_puts(text, answer->churn_probability);
    text_puts(text, ",\"risk_level\":");
    text_json_string(text, fuzz_str(answer->risk_level));
    text_puts(text, ",\"model_version\":");
    text_json_string(text, fuzz_str(answer->model_version));
    text_puts(text, "}");
}

static void check_taken(churn_str body, const struct answer *answer)
{
    json_object *judged = strict_json_parse(body.ptr, body.len, 32);
    struct text_buffer text = {0};
    struct answer again;
    const char *reason;
    long double probability = strtold(answer->churn_probability, NULL); /* tells more digits apart than a double */
    promise(judged != NULL, "what is taken is JSON");
    (void)json_object_put(judged);
    promise(decimal_is_number(answer->churn_probability, strlen(answer->churn_probability)) && probability >= 0 &&
                probability <= 1,
            "%s is a number from 0 to 1", answer->churn_probability);
    write_again(&text, answer);
    promise(answer_parse((churn_str){.ptr = text.ptr, .len = (uint32_t)text.len}, &again, &reason) == 1,
            "%s is taken again", text.ptr);
    promise(strcmp(again.risk_level, answer->risk_level) == 0 &&
                strcmp(again.model_version, answer->model_version) == 0 &&
                strcmp(again.churn_probability, answer->churn_probability) == 0,
            "%s reads as what was written", text.ptr);
    text_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = fuzz_copy(data, size);
    churn_str body = {.ptr = copy, .len = (uint32_t)size};
    struct answer answer;
    const char *reason;
    if (answer_parse(body, &answer, &reason)) {
        check_taken(body, &answer);
    } else {
        promise(reason != NULL && *reason != '\0', "a refusal has a reason");
    }
    free(copy);
    return 0;
}
