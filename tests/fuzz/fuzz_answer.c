/* An answer of the prediction API: its JSON body, from a server that may say anything. */
#include "fuzz.h"

#include "answer_rows.h"
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

/* The same bytes as the answer of a model server about one row and about several. */
static void try_forms(churn_str body)
{
    static const struct model models[] = {{.format = FORMAT_KSERVE_V2},
                                          {.format = FORMAT_MLFLOW},
                                          {.format = FORMAT_TEMPLATE, .answer = ""},
                                          {.format = FORMAT_TEMPLATE, .answer = "/a/0"}};
    for (size_t m = 0; m < sizeof models / sizeof models[0]; m++) {
        for (uint32_t count = 1; count <= 3; count++) {
            struct answer *answers[3] = {NULL};
            const char *reason;
            uint32_t good = 0;
            int taken = answer_rows_read(&models[m], body, count, answers, &reason);
            for (uint32_t i = 0; i < count; i++) {
                if (answers[i] != NULL) {
                    check_taken(body, answers[i]);
                    good++;
                }
                free(answers[i]);
            }
            promise(taken == (good > 0), "what is taken has a row");
            promise(good == count || (reason != NULL && *reason != '\0'), "a row without answer has a reason");
        }
    }
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
    try_forms(body);
    free(copy);
    return 0;
}
