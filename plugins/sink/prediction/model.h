/* The model behind the API, and the form in which it is asked: what `format`, `model`, `features` and their like say.
 * Constant after create. */
#ifndef PREDICTION_MODEL_H
#define PREDICTION_MODEL_H

#include "model_features.h"
#include <churn/option.h>

enum { FORMAT_CHURND, FORMAT_KSERVE_V2, FORMAT_MLFLOW, FORMAT_TEMPLATE };

#define MODEL_NAME_MAX 128
#define MODEL_PATH_SIZE (3 * MODEL_NAME_MAX + sizeof "/v2/models//infer")

struct model {
    int32_t format;
    const char *name; /* "": not given */
    const churn_node *features_option;
    const char *answer;              /* JSON pointer; NULL: by the format */
    const char *tensor;              /* kserve_v2: the one input for all features; "": an input for each */
    churn_list outputs;              /* kserve_v2: those that are asked for; none: the server's choice */
    const churn_node *body_template; /* template: the body */

    struct features features;   /* by model_options_read; none where the form is churnd's own */
    int needs_profile;          /* the template has <profile> */
    int hides_texts;            /* churnd: profiles hold texts of events, which are not published */
    char path[MODEL_PATH_SIZE]; /* where the form asks for one; "": it does not */
};

/* The datatype of a feature in KServe's words. */
const char *model_datatype(const struct model *model, const struct feature *feature);

#endif
