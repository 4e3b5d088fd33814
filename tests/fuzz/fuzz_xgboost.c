/* A saved model of XGBoost, in JSON or Universal Binary JSON. */
#include "fuzz.h"

#include "model_header.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = fuzz_copy(data, size);
    char message[256] = "";
    struct model_header header = {0};
    if (model_header_read(copy, size, &header, message, sizeof message)) {
        promise(message[0] == '\0', "what is taken has no fault");
        promise(header.objective[0] != '\0', "a model has an objective");
        for (uint32_t i = 0; i < header.feature_count; i++) {
            promise(header.features[i] != NULL, "each feature has a name");
        }
        model_header_free(&header);
        promise(header.features == NULL && header.feature_count == 0, "nothing is freed twice");
    } else {
        promise(message[0] != '\0' && header.features == NULL, "a refusal has a reason, and leaves nothing");
    }
    free(copy);
    return 0;
}
