#include "tls_files.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_given(const char *path)
{
    return path != NULL && path[0] != '\0';
}

/* Whether it can be read at all, in words better than OpenSSL's. */
static int32_t check_readable(const char *option, const char *path, const char *holds, churn_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a FIFO would wait for a writer */
    struct stat about;
    int regular;
    if (fd < 0) {
        return churn_fail_option(err, option, "'%s' cannot be read: %s", path, strerror(errno));
    }
    regular = fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
    (void)close(fd);
    return regular ? CHURN_OK : churn_fail_option(err, option, "'%s' is no file of %s", path, holds);
}

/* In place of OpenSSL's own question on the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *asked)
{
    (void)buf, (void)size, (void)writing;
    *(int *)asked = 1;
    return -1;
}

static int32_t try_ca(SSL_CTX *tls, const struct tls_files *files, churn_error *err)
{
    if (!is_given(files->ca_file)) {
        return CHURN_OK;
    }
    if (check_readable(files->ca_option, files->ca_file, "certificates", err) != CHURN_OK) {
        return CHURN_FATAL;
    }
    return SSL_CTX_load_verify_file(tls, files->ca_file) == 1
               ? CHURN_OK
               : churn_fail_option(err, files->ca_option, "'%s' holds no certificate in PEM form", files->ca_file);
}

static int32_t try_pair(SSL_CTX *tls, const struct tls_files *files, churn_error *err)
{
    int asked = 0;
    if (check_readable(files->cert_option, files->cert_file, "certificates", err) != CHURN_OK ||
        check_readable(files->key_option, files->key_file, "a key", err) != CHURN_OK) {
        return CHURN_FATAL;
    }
    if (SSL_CTX_use_certificate_chain_file(tls, files->cert_file) != 1) {
        return churn_fail_option(err, files->cert_option, "'%s' holds no certificate in PEM form", files->cert_file);
    }
    SSL_CTX_set_default_passwd_cb(tls, no_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(tls, &asked);
    if (SSL_CTX_use_PrivateKey_file(tls, files->key_file, SSL_FILETYPE_PEM) == 1) {
        return CHURN_OK;
    }
    if (asked) {
        return churn_fail_option(err, files->key_option, "'%s' needs a passphrase; give a key without one",
                                 files->key_file);
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH ||
        ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_TYPE_MISMATCH) {
        return churn_fail_option(err, files->key_option, "'%s' is not the key of the certificate '%s'", files->key_file,
                                 files->cert_file);
    }
    return churn_fail_option(err, files->key_option, "'%s' holds no private key in PEM form", files->key_file);
}

int32_t tls_files_check(const struct tls_files *files, churn_error *err)
{
    int has_cert = is_given(files->cert_file), has_key = is_given(files->key_file);
    SSL_CTX *tls;
    int32_t rc;
    if (has_cert != has_key) {
        return churn_fail_option(err, has_cert ? files->cert_option : files->key_option, "needs `%s` beside it",
                                 has_cert ? files->key_option : files->cert_option);
    }
    if (!has_cert && !is_given(files->ca_file)) {
        return CHURN_OK;
    }
    tls = SSL_CTX_new(TLS_client_method());
    if (tls == NULL) {
        return churn_fail(err, CHURN_FATAL, "TLS cannot be set up: OpenSSL lacks memory");
    }
    rc = try_ca(tls, files, err);
    rc = rc == CHURN_OK && has_cert ? try_pair(tls, files, err) : rc;
    SSL_CTX_free(tls);
    ERR_clear_error(); /* what is left would be taken for the next one's */
    return rc;
}

int tls_files_expired(const char *path)
{
    FILE *in = fopen(path, "re");
    X509 *certificate = in != NULL ? PEM_read_X509(in, NULL, no_passphrase, &(int){0}) : NULL;
    int expired = certificate != NULL && X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0;
    if (in != NULL) {
        (void)fclose(in);
    }
    X509_free(certificate);
    ERR_clear_error();
    return expired;
}
