#include "model_options.h"

#include "template.h"
#include <ctype.h>

static const char *const kserve_datatypes[] = {"INT64", "INT32", "FP64", "FP32", NULL};

/* An option of another form. */
static int32_t refuse_foreign(const struct model *m, churn_error *err)
{
    int kserve = m->format == FORMAT_KSERVE_V2, none = m->format == FORMAT_CHURND;
    const struct {
        const char *option;
        int is_foreign;
        const char *format;
    } rows[] = {
        {"features", none && m->features_option != NULL, "kserve_v2, mlflow and template"},
        {"answer", none && m->answer != NULL, "kserve_v2, mlflow and template"},
        {"tensor", !kserve && m->tensor[0] != '\0', "kserve_v2"},
        {"outputs", !kserve && m->outputs.count > 0, "kserve_v2"},
        {"template", m->format != FORMAT_TEMPLATE && m->body_template != NULL, "template"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].is_foreign) {
            return churn_fail_option(err, rows[i].option, "belongs to format: %s", rows[i].format);
        }
    }
    return CHURN_OK;
}

/* By RFC 6901. */
static int is_pointer(const char *text)
{
    for (const char *at = strchr(text, '~'); at != NULL; at = strchr(at + 1, '~')) {
        if (at[1] != '0' && at[1] != '1') {
            return 0;
        }
    }
    return *text == '\0' || *text == '/';
}

static int32_t check_answer(const struct model *m, churn_error *err)
{
    if (m->answer == NULL && m->format == FORMAT_TEMPLATE) {
        return churn_fail_option(err, "answer",
                                 "must be given: where in the answer the predictions are, such as /predictions");
    }
    if (m->answer != NULL && !is_pointer(m->answer)) {
        return churn_fail_option(
            err, "answer", "'%s' is no JSON pointer; write it as /outputs/0/data (a `/` in a name is ~1, a `~` ~0)",
            m->answer);
    }
    return CHURN_OK;
}

static int32_t check_name(const struct model *m, churn_error *err)
{
    if (m->format == FORMAT_KSERVE_V2 && m->name[0] == '\0') {
        return churn_fail_option(err, "model", "must be given, as the server calls it");
    }
    return strlen(m->name) > MODEL_NAME_MAX
               ? churn_fail_option(err, "model", "must not have more than %d bytes", MODEL_NAME_MAX)
               : CHURN_OK;
}

/* One tensor has one datatype. */
static int32_t check_tensor(const struct model *m, churn_error *err)
{
    for (uint32_t i = 1; m->tensor[0] != '\0' && i < m->features.count; i++) {
        if (strcmp(model_datatype(m, &m->features.items[i]), model_datatype(m, &m->features.items[0])) != 0) {
            return churn_fail_option(err, "tensor", "has one datatype, and the features have two: %s is %s, %s is %s",
                                     m->features.items[0].name, model_datatype(m, &m->features.items[0]),
                                     m->features.items[i].name, model_datatype(m, &m->features.items[i]));
        }
    }
    return CHURN_OK;
}

/* Texts of events may be encrypted in the store. */
static int has_texts(const churn_host *host)
{
    const churn_storage *storage = host->get_extension(host, CHURN_STORAGE_ID);
    churn_profile_field field;
    for (uint32_t i = 0; storage != NULL && storage->field_at(host, i, &field); i++) {
        if (field.type == CHURN_PROFILE_STRING && !churn_equal(field.name, churn_text("last_event_type"))) {
            return 1;
        }
    }
    return 0;
}

/* Appends a name as a part of a URL's path. Returns the end. */
static char *escape(const char *name, char *at)
{
    static const char digits[] = "0123456789ABCDEF";
    for (; *name != '\0'; name++) {
        unsigned char c = (unsigned char)*name;
        if (isalnum(c) || strchr("-._~", c) != NULL) {
            *at++ = (char)c;
        } else {
            *at++ = '%';
            *at++ = digits[c >> 4];
            *at++ = digits[c & 15];
        }
    }
    *at = '\0';
    return at;
}

static void set_path(struct model *m)
{
    if (m->format == FORMAT_KSERVE_V2) {
        char *end = m->path + snprintf(m->path, sizeof m->path, "/v2/models/");
        end = escape(m->name, end);
        (void)snprintf(end, sizeof m->path - (size_t)(end - m->path), "/infer");
    } else if (m->format == FORMAT_MLFLOW) {
        (void)snprintf(m->path, sizeof m->path, "/invocations");
    }
}

static int32_t read_features(struct model *m, const churn_host *host, churn_error *err)
{
    int kserve = m->format == FORMAT_KSERVE_V2;
    const struct model_features_rules rules = {.texts = !kserve, .datatypes = kserve ? kserve_datatypes : NULL};
    if (m->format == FORMAT_CHURND || (m->format == FORMAT_TEMPLATE && m->features_option == NULL)) {
        return CHURN_OK; /* a template may send the profile itself */
    }
    return model_features_read(host, m->features_option, &rules, &m->features, err);
}

int32_t model_options_read(struct model *m, const churn_host *host, int64_t batch_max, churn_error *err)
{
    int32_t rc = refuse_foreign(m, err);
    rc = rc == CHURN_OK ? check_name(m, err) : rc;
    rc = rc == CHURN_OK ? check_answer(m, err) : rc;
    if (rc == CHURN_OK && m->format == FORMAT_CHURND && batch_max > 1) {
        rc = churn_fail_option(err, "batch.max", "must be 1: a request of format: churnd is about one customer");
    }
    rc = rc == CHURN_OK ? read_features(m, host, err) : rc;
    rc = rc == CHURN_OK ? check_tensor(m, err) : rc;
    if (rc == CHURN_OK && m->format == FORMAT_TEMPLATE) {
        rc = template_check(m, batch_max, &m->needs_profile, err);
    }
    if (rc != CHURN_OK) {
        model_options_free(m);
        return rc;
    }
    m->hides_texts = m->format == FORMAT_CHURND && has_texts(host);
    set_path(m);
    return CHURN_OK;
}

void model_options_free(struct model *m)
{
    model_features_free(&m->features);
}
