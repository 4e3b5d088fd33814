#include "tls_context.h"

#include <openssl/err.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILES 3

/* By which a file that was replaced is known. */
struct seen {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

struct tls_context {
    const struct tls_files *files;
    pthread_mutex_t lock; /* of all below */
    SSL_CTX *ctx;
    struct seen seen[FILES];
    SSL_SESSION *ticket; /* NULL: none */
    char ticket_of[WHERE_SIZE];
};

/* Called with each ticket that comes. One of a connection that was begun with former files is not kept: with it, a
 * server would be let in whose authority is trusted no more. Whether it was taken over. */
static int keep_ticket(SSL *ssl, SSL_SESSION *ticket)
{
    const struct tls_place *place = SSL_get_app_data(ssl);
    struct tls_context *c = place->context;
    bool kept;
    (void)pthread_mutex_lock(&c->lock);
    kept = SSL_get_SSL_CTX(ssl) == c->ctx;
    if (kept) {
        SSL_SESSION_free(c->ticket);
        c->ticket = ticket;
        memcpy(c->ticket_of, place->where, sizeof c->ticket_of);
    }
    (void)pthread_mutex_unlock(&c->lock);
    return kept;
}

static void look_at_files(const struct tls_files *files, struct seen seen[FILES])
{
    const char *paths[FILES] = {files->ca_file, files->cert_file, files->key_file};
    for (int i = 0; i < FILES; i++) {
        struct stat about;
        seen[i] = (struct seen){0};
        if (paths[i] != NULL && paths[i][0] != '\0' && stat(paths[i], &about) == 0) {
            seen[i] = (struct seen){
                .device = about.st_dev, .inode = about.st_ino, .size = about.st_size, .changed = about.st_mtim};
        }
    }
}

static bool is_same(const struct seen *a, const struct seen *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static bool are_same(const struct seen a[FILES], const struct seen b[FILES])
{
    bool same = true;
    for (int i = 0; i < FILES; i++) {
        same = same && is_same(&a[i], &b[i]);
    }
    return same;
}

static bool set_up(SSL_CTX *ctx, const struct tls_files *files)
{
    bool ok = SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1;
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, keep_ticket);
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN); /* what ca_file has is trusted */
    if (files->ca_file != NULL && files->ca_file[0] != '\0') {
        ok = ok && SSL_CTX_load_verify_file(ctx, files->ca_file) == 1;
    } else {
        ok = ok && SSL_CTX_set_default_verify_paths(ctx) == 1;
    }
    if (files->cert_file != NULL && files->cert_file[0] != '\0') {
        ok = ok && SSL_CTX_use_certificate_chain_file(ctx, files->cert_file) == 1 &&
             SSL_CTX_use_PrivateKey_file(ctx, files->key_file, SSL_FILETYPE_PEM) == 1;
    }
    return ok;
}

/* NULL with a message; the files had been looked at before. */
static SSL_CTX *read_files(const struct tls_files *files, churn_error *err)
{
    SSL_CTX *ctx;
    if (tls_files_check(files, err) != CHURN_OK) {
        return NULL;
    }
    ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL || !set_up(ctx, files)) {
        SSL_CTX_free(ctx);
        ctx = NULL;
        (void)churn_fail(err, CHURN_FATAL, "TLS cannot be set up: %s",
                         ERR_peek_error() != 0 ? ERR_reason_error_string(ERR_peek_error()) : "out of memory");
    }
    ERR_clear_error();
    return ctx;
}

int32_t tls_context_new(const struct tls_files *files, struct tls_context **ret, churn_error *err)
{
    struct tls_context *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    c->files = files;
    look_at_files(files, c->seen);
    c->ctx = read_files(files, err);
    if (c->ctx == NULL) {
        free(c);
        return CHURN_FATAL;
    }
    (void)pthread_mutex_init(&c->lock, NULL);
    *ret = c;
    return CHURN_OK;
}

void tls_context_free(struct tls_context *context)
{
    if (context != NULL) {
        SSL_SESSION_free(context->ticket);
        SSL_CTX_free(context->ctx);
        (void)pthread_mutex_destroy(&context->lock);
        free(context);
    }
}

/* Reads files that have changed. False, with a message, while one is no good, such as half written. */
static bool renew(struct tls_context *c, churn_error *err)
{
    struct seen seen[FILES];
    SSL_CTX *ctx;
    look_at_files(c->files, seen);
    if (are_same(seen, c->seen)) {
        return true;
    }
    ctx = read_files(c->files, err);
    if (ctx == NULL) {
        return false;
    }
    SSL_CTX_free(c->ctx);
    SSL_SESSION_free(c->ticket);
    c->ctx = ctx;
    c->ticket = NULL;
    memcpy(c->seen, seen, sizeof seen);
    return true;
}

SSL *tls_context_connection(struct tls_context *context, churn_error *err)
{
    SSL *ssl = NULL;
    (void)pthread_mutex_lock(&context->lock);
    if (renew(context, err)) {
        ssl = SSL_new(context->ctx);
        if (ssl == NULL) {
            (void)churn_fail(err, CHURN_RETRY, "out of memory");
        }
    }
    (void)pthread_mutex_unlock(&context->lock);
    return ssl;
}

void tls_context_resume(const struct tls_place *place, SSL *ssl)
{
    struct tls_context *c = place->context;
    (void)pthread_mutex_lock(&c->lock);
    if (c->ticket != NULL && strcmp(c->ticket_of, place->where) == 0) {
        (void)SSL_set_session(ssl, c->ticket);
    }
    (void)pthread_mutex_unlock(&c->lock);
}
