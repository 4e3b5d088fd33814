#include "model.h"

#include <string.h>

const char *model_datatype(const struct model *m, const struct feature *feature)
{
    int whole = feature->type == CHURN_PROFILE_INT && m->tensor[0] == '\0' &&
                (feature->missing == NULL || strpbrk(feature->missing, ".eE") == NULL);
    return feature->datatype != NULL ? feature->datatype : whole ? "INT64" : "FP64";
}
