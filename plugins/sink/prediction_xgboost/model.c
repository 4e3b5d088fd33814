#include "model.h"

#include "model_header.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <xgboost/c_api.h>

/* Of the OpenMP that libxgboost is linked with; <omp.h> is the compiler's. */
extern int omp_get_max_threads(void);
extern void omp_set_num_threads(int count);

#define FILE_MAX ((off_t)2 << 30)

struct model {
    BoosterHandle booster;
    struct model_header header;
    char version[MODEL_VERSION_SIZE];
};

struct bytes {
    char *at;
    size_t len;
};

/* One line of what the library said: behind it stands where in its code that was. */
static int32_t library_failed(churn_error *err, const char *what)
{
    const char *said = XGBGetLastError(), *text = strstr(said, ": ");
    text = text != NULL && said[0] == '[' ? text + 2 : said;
    return churn_fail_option(err, "model", "%s: %.*s", what, (int)strcspn(text, "\n"), text);
}

static int32_t read_open(const char *path, FILE *file, struct bytes *ret, churn_error *err)
{
    struct stat info;
    if (fstat(fileno(file), &info) != 0 || !S_ISREG(info.st_mode) || info.st_size > FILE_MAX) {
        return churn_fail_option(err, "model", "%s is no file of at most 2 GiB", path);
    }
    *ret = (struct bytes){.at = malloc((size_t)info.st_size + 1), .len = (size_t)info.st_size};
    if (ret->at == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    if (fread(ret->at, 1, ret->len + 1, file) != ret->len || ferror(file)) {
        free(ret->at);
        (void)churn_fail_option(
            err, "model", "%s cannot be read, or changes meanwhile: put a new model in its place by renaming", path);
        return CHURN_FATAL;
    }
    return CHURN_OK;
}

static int32_t read_file(const char *path, struct bytes *ret, churn_error *err)
{
    FILE *file = fopen(path, "rbe");
    int32_t rc;
    if (file == NULL) {
        return churn_fail_option(err, "model", "%s cannot be opened: %s", path, strerror(errno));
    }
    rc = read_open(path, file, ret, err);
    (void)fclose(file);
    return rc;
}

static int32_t hash(struct model *m, struct bytes bytes, churn_error *err)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    if (EVP_Digest(bytes.at, bytes.len, sum, NULL, EVP_sha256(), NULL) != 1) {
        return churn_fail(err, CHURN_FATAL, "the SHA-256 of the model cannot be computed");
    }
    for (unsigned i = 0; i < (MODEL_VERSION_SIZE - 1) / 2; i++) {
        (void)snprintf(m->version + (size_t)2 * i, 3, "%02x", sum[i]);
    }
    return CHURN_OK;
}

/* Patches of one minor version write what all of them read. */
static int is_newer(const struct model_header *header, const int library[3])
{
    return header->version[0] > library[0] || (header->version[0] == library[0] && header->version[1] > library[1]);
}

static int is_one_of(const char *text, const char *const *names)
{
    while (*names != NULL && strcmp(text, *names) != 0) {
        names++;
    }
    return *names != NULL;
}

static int32_t check_output(const struct model_header *h, churn_error *err)
{
    static const char *const probabilities[] = {"binary:logistic", "reg:logistic", NULL};
    static const char *const trees[] = {"gbtree", "dart", NULL};
    if (!is_one_of(h->booster, trees)) {
        return churn_fail_option(err, "model", "its booster is %s; only trees are scored here (gbtree, dart)",
                                 h->booster);
    }
    if (strcmp(h->objective, "multi:softprob") == 0 ? h->classes != 2 : !is_one_of(h->objective, probabilities)) {
        return churn_fail_option(err, "model",
                                 "its objective is %s with %" PRIu64 " classes, which says no probability of one of "
                                 "two things; train it with binary:logistic",
                                 h->objective, h->classes);
    }
    return h->targets <= 1 ? CHURN_OK
                           : churn_fail_option(err, "model", "it has %" PRIu64 " outputs instead of one", h->targets);
}

static int32_t check_header(const char *path, const struct model_header *h, churn_error *err)
{
    int library[3];
    XGBoostVersion(&library[0], &library[1], &library[2]);
    if (is_newer(h, library)) {
        return churn_fail_option(err, "model",
                                 "%s was saved by XGBoost %" PRId64 ".%" PRId64 ".%" PRId64
                                 ", and the library here is %d.%d.%d, which may score it wrong: save it with that "
                                 "version, or install a later library",
                                 path, h->version[0], h->version[1], h->version[2], library[0], library[1], library[2]);
    }
    if (h->feature_count == 0) {
        return churn_fail_option(err, "model",
                                 "%s does not name its features: train it on a data frame, or set "
                                 "`booster.feature_names` before it is saved",
                                 path);
    }
    if (h->feature_count != h->columns) {
        return churn_fail_option(err, "model", "%s names %u features and has %" PRIu64 " columns: it is damaged", path,
                                 h->feature_count, h->columns);
    }
    return check_output(h, err);
}

static int32_t fill_booster(struct model *m, struct bytes bytes, churn_error *err)
{
    if (XGBSetGlobalConfig("{\"verbosity\": 0}") != 0 || XGBoosterCreate(NULL, 0, &m->booster) != 0) {
        return library_failed(err, "XGBoost cannot be used");
    }
    if (XGBoosterLoadModelFromBuffer(m->booster, bytes.at, bytes.len) != 0 ||
        XGBoosterSetParam(m->booster, "nthread", "1") != 0) {
        return library_failed(err, "XGBoost cannot load it");
    }
    return CHURN_OK;
}

/* One thread, the caller's, also to load it, where XGBoost does not look at `nthread`: those of OpenMP would wait for
 * the next batch by spinning, and no sandbox can bind a thread that has begun before it. */
static int32_t open_booster(struct model *m, struct bytes bytes, churn_error *err)
{
    int threads = omp_get_max_threads();
    int32_t rc;
    omp_set_num_threads(1);
    rc = fill_booster(m, bytes, err);
    omp_set_num_threads(threads);
    return rc;
}

/* What loads may still not score. */
static int32_t try_it(struct model *m, churn_error *err)
{
    float *row = malloc(m->header.feature_count * sizeof *row), score;
    int32_t rc;
    if (row == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    for (uint32_t i = 0; i < m->header.feature_count; i++) {
        row[i] = NAN;
    }
    rc = model_score(m, row, 1, &score, err);
    free(row);
    return rc;
}

static int32_t load(struct model *m, const char *path, struct bytes bytes, churn_error *err)
{
    char message[256];
    int32_t rc;
    if (!model_header_read(bytes.at, bytes.len, &m->header, message, sizeof message)) {
        return churn_fail_option(err, "model", "%s %s", path, message);
    }
    rc = check_header(path, &m->header, err);
    rc = rc == CHURN_OK ? hash(m, bytes, err) : rc;
    rc = rc == CHURN_OK ? open_booster(m, bytes, err) : rc;
    return rc == CHURN_OK ? try_it(m, err) : rc;
}

int32_t model_load(const char *path, struct model **ret, churn_error *err)
{
    struct model *m = calloc(1, sizeof *m);
    struct bytes bytes;
    int32_t rc;
    if (m == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    rc = read_file(path, &bytes, err);
    if (rc == CHURN_OK) {
        rc = load(m, path, bytes, err);
        free(bytes.at);
    }
    if (rc != CHURN_OK) {
        model_free(m);
        return rc;
    }
    *ret = m;
    return CHURN_OK;
}

void model_free(struct model *model)
{
    if (model == NULL) {
        return;
    }
    if (model->booster != NULL) {
        (void)XGBoosterFree(model->booster);
    }
    model_header_free(&model->header);
    free(model);
}

const char *model_version(const struct model *model)
{
    return model->version;
}

const char *const *model_features(const struct model *model, uint32_t *ret_count)
{
    *ret_count = model->header.feature_count;
    return (const char *const *)model->header.features;
}

int32_t model_score(struct model *model, const float *rows, uint32_t count, float *ret, churn_error *err)
{
    static const char config[] = "{\"type\":0,\"training\":false,\"iteration_begin\":0,\"iteration_end\":0,"
                                 "\"strict_shape\":true,\"cache_id\":0,\"missing\":NaN}";
    char values[160];
    const bst_ulong *shape;
    const float *scores;
    bst_ulong dimensions;
    (void)snprintf(values, sizeof values,
                   "{\"data\":[%" PRIuPTR ",true],\"shape\":[%" PRIu32 ",%" PRIu32
                   "],\"typestr\":\"<f4\",\"version\":3}",
                   (uintptr_t)rows, count, model->header.feature_count);
    if (XGBoosterPredictFromDense(model->booster, values, config, NULL, &shape, &dimensions, &scores) != 0) {
        return library_failed(err, "XGBoost cannot score with it");
    }
    if (dimensions != 2 || shape[0] != count || shape[1] < 1 || shape[1] > 2) {
        return churn_fail_option(err, "model", "it says something else than one probability of each row");
    }
    for (uint32_t i = 0; i < count; i++) {
        ret[i] = scores[(i + 1) * shape[1] - 1]; /* of two classes the second */
        if (!(ret[i] >= 0 && ret[i] <= 1)) {
            return churn_fail_option(err, "model", "it says what is no probability from 0 to 1");
        }
    }
    return CHURN_OK;
}
