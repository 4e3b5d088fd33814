/* The file of an LMDB store, whatever it holds: the store refuses it, or serves what is in it, takes more, and leaves a
 * file that is taken again. */
#include "fuzz.h"

#include "tests/support/fake_host.h"
#include <dirent.h>
#include <fcntl.h>

#define KEYS 64

static const churn_plugin *plugin;
static const churn_store_ops *ops;
static struct fake_host fake;
static char folder[512], data_path[600];

/* LMDB would end the process: it has found what cannot be. */
static void hear(const churn_host *host, int32_t level, const char *message)
{
    (void)host;
    promise(level > CHURN_LOG_ERROR, "what was let pass is not damaged: %s", message);
}

static void remove_folder(void)
{
    char path[600];
    (void)unlink(data_path);
    (void)snprintf(path, sizeof path, "%s/lock.mdb", folder);
    (void)unlink(path);
    (void)rmdir(folder);
}

static void *open_store(void **ret_session, int32_t *ret_result)
{
    churn_error err = {.size = sizeof err};
    void *store = fake_instance_new(plugin, "path", folder, "map_size", "1MiB", NULL);
    need(ops->create(store, &fake.host, &err) == CHURN_OK, err.message);
    *ret_session = NULL;
    *ret_result = ops->open(store, ret_session, &err);
    promise(*ret_result == CHURN_OK || err.message[0] != '\0', "a refusal has a message");
    return store;
}

static void close_store(void *store, void *session)
{
    if (session != NULL) {
        ops->close(session);
    }
    ops->destroy(store);
    fake_instance_free(plugin, store);
}

/* ---- a store that a run has left, for inputs to change ---- */

static char *whole;
static size_t whole_size;

static void make_whole(void)
{
    static char large[6000]; /* more than a page */
    const churn_pair fields[] = {{.name = {.ptr = "name", .len = 4}, .value = {.ptr = large, .len = 100}},
                                 {.name = {.ptr = "large", .len = 5}, .value = {.ptr = large, .len = sizeof large}}};
    churn_error err = {.size = sizeof err};
    struct stat st;
    void *session, *store;
    int32_t result;
    memset(large, 'x', sizeof large);
    store = open_store(&session, &result);
    need(result == CHURN_OK, "a store");
    for (unsigned round = 0; round < 2; round++) { /* the second leaves free pages behind */
        for (unsigned i = 0; i < KEYS; i++) {
            char key[16];
            int len = snprintf(key, sizeof key, "profile:%03u", i);
            churn_put_reply reply;
            uint32_t count;
            churn_put put = {.size = sizeof put,
                             .count = i % 16 == 0 ? 2 : 1,
                             .key = {.ptr = key, .len = (uint32_t)len},
                             .fields = fields,
                             .expected_version = round,
                             .id = i};
            need(ops->put(session, &put, &err) == CHURN_OK &&
                     (i % 8 != 7 || ops->poll(session, &reply, 1, 0, &count, &err) == CHURN_OK),
                 "a put");
            for (unsigned more = 0; i % 8 == 7 && more < 7; more++) {
                need(ops->poll(session, &reply, 1, 0, &count, &err) == CHURN_OK && reply.result == CHURN_OK, "a put");
            }
        }
    }
    close_store(store, session);
    int fd = open(data_path, O_RDONLY | O_CLOEXEC);
    need(fd >= 0 && fstat(fd, &st) == 0, data_path);
    whole_size = (size_t)st.st_size;
    whole = malloc(whole_size);
    need(whole != NULL && pread(fd, whole, whole_size, 0) == st.st_size && close(fd) == 0, data_path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *tmp = getenv("TMPDIR");
    (void)argc;
    (void)argv;
    plugin = fake_plugin_load("store", "lmdb");
    ops = plugin->ops;
    fake_host_init(&fake);
    fake.host.log = hear;
    (void)snprintf(folder, sizeof folder, "%s/churn-fuzz-XXXXXX", tmp != NULL ? tmp : "/dev/shm");
    need(mkdtemp(folder) != NULL && atexit(remove_folder) == 0, folder);
    (void)snprintf(data_path, sizeof data_path, "%s/data.mdb", folder);
    make_whole();
    return 0;
}

/* ---- inputs ---- */

/* Each 8 bytes of the input change some: where (4 bytes: a page and a place in it), and to what (2, behind how many). A
 * last odd byte cuts the file. */
static void write_file(const uint8_t *data, size_t size)
{
    static char bytes[1 << 20];
    size_t len = whole_size;
    int fd = open(data_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    memcpy(bytes, whole, whole_size);
    for (size_t i = 0; i + 8 <= size; i += 8) {
        uint32_t at;
        memcpy(&at, data + i, 4);
        memcpy(bytes + at % (whole_size - 2), data + i + 4, 1 + data[i + 6] % 2);
    }
    if (size % 8 == 1) {
        len = whole_size * data[size - 1] / 256;
    }
    need(fd >= 0 && write(fd, bytes, len) == (ssize_t)len && close(fd) == 0, data_path);
}

static int32_t take(void *ctx, churn_str key, const churn_pair *fields, uint32_t count)
{
    unsigned *sum = ctx;
    for (uint32_t i = 0; i < key.len; i++) {
        *sum += (unsigned char)key.ptr[i];
    }
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < fields[i].value.len; k++) {
            *sum += (unsigned char)fields[i].value.ptr[k];
        }
    }
    return CHURN_OK;
}

static void use(void *session)
{
    churn_error err = {.size = sizeof err};
    unsigned sum = 0;
    for (unsigned i = 0; i <= KEYS; i++) {
        char key[16];
        int len = snprintf(key, sizeof key, "profile:%03u", i);
        int32_t result = ops->get(session, (churn_str){.ptr = key, .len = (uint32_t)len}, take, &sum, &err);
        promise(result == CHURN_OK || err.message[0] != '\0', "a failure has a message");
    }
    (void)ops->scan(session, fuzz_str(""), (churn_str){0}, 1000, take, &sum, &err);
}

/* Some of what is there, and more: pages that are free are used, others become so. */
static bool add(void *session)
{
    static char large[9000];
    static char keys[KEYS / 4][16];
    const churn_pair fields[] = {{.name = {.ptr = "large", .len = 5}, .value = {.ptr = large, .len = sizeof large}}};
    churn_hash hashes[KEYS / 4];
    churn_error err = {.size = sizeof err};
    bool is_added = true;
    for (unsigned round = 0; round < 3 && is_added; round++) {
        for (unsigned i = 0; i < KEYS / 4; i++) {
            int len = snprintf(keys[i], sizeof keys[i], "profile:%03u", i * (round + 3));
            hashes[i] = (churn_hash){

                .key = {.ptr = keys[i], .len = (uint32_t)len}, .fields = fields, .count = 1};
        }
        is_added = ops->write(session, hashes, KEYS / 4, &err) == CHURN_OK;
        promise(is_added || err.message[0] != '\0', "a failure has a message");
    }
    return is_added;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void *session, *store;
    int32_t result;
    bool is_added = false;
    write_file(data, size);
    store = open_store(&session, &result);
    if (result == CHURN_OK) {
        use(session);
        is_added = add(session);
    }
    close_store(store, session);
    if (is_added) {
        store = open_store(&session, &result);
        promise(result == CHURN_OK, "what was let pass stays whole");
        use(session);
        close_store(store, session);
    }
    return 0;
}
