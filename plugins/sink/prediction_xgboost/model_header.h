/* What a saved model of XGBoost says about itself, read without XGBoost: which loads a model of a later version without
 * a word and scores it wrong, and follows the links of a damaged tree wherever they lead. */
#ifndef MODEL_HEADER_H
#define MODEL_HEADER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct model_header {
    int64_t version[3];
    char **features; /* NUL-terminated, in the order of the model's columns */
    uint32_t feature_count;
    uint64_t columns; /* that its trees were grown on */
    uint64_t classes; /* 0: it is none of several classes */
    uint64_t targets;
    char objective[64];
    char booster[64];
};

/* Reads the bytes of a file in JSON or Universal Binary JSON. 1: *ret is set, to be freed with model_header_free.
 * 0: `message` says what is wrong, as the end of "the file …". */
int model_header_read(const char *bytes, size_t len, struct model_header *ret, char *message, size_t size);

void model_header_free(struct model_header *header);

#ifdef __cplusplus
}
#endif
#endif
