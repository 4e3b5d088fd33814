#include "base/tls.h"

#include "base/input_file.h"
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The whole file as a text; NULL with a message. */
static char *read_file(const char *path, char *message, size_t size)
{
    struct text text = {0};
    struct stat status;
    int fd = input_file_open(path, &status);
    FILE *in = fd >= 0 ? fdopen(fd, "r") : NULL;
    bool ok = in != NULL && input_file_read(in, &text);
    if (!ok) {
        int error = errno;
        const char *kind = fd < 0 && error == 0 ? input_file_kind(status.st_mode) : NULL;
        (void)snprintf(message, size, "'%s' cannot be read: %s", path, kind != NULL ? kind : strerror(error));
    }
    if (in != NULL) {
        (void)fclose(in);
    } else if (fd >= 0) {
        (void)close(fd);
    }
    text_append(&text, "", 1);
    if (ok && text.failed) {
        (void)snprintf(message, size, "out of memory");
    }
    if (!ok || text.failed) {
        text_free(&text);
    }
    return text.bytes;
}

static enum MHD_Result refuse_all(void *ctx, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_size, void **own)
{
    (void)ctx, (void)connection, (void)url, (void)method, (void)version, (void)upload, (void)upload_size, (void)own;
    return MHD_NO;
}

__attribute__((format(printf, 2, 0))) static void ignore(void *ctx, const char *format, va_list args)
{
    (void)ctx, (void)format, (void)args;
}

/* Whether a server can be made with them; it listens nowhere. */
static bool serves(const struct tls *tls)
{
    struct MHD_Daemon *daemon = MHD_start_daemon(MHD_USE_TLS | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG, 0, NULL,
                                                 NULL, refuse_all, NULL, MHD_OPTION_EXTERNAL_LOGGER, ignore, NULL,
                                                 MHD_OPTION_HTTPS_MEM_CERT, tls->certificate, MHD_OPTION_HTTPS_MEM_KEY,
                                                 tls->key, MHD_OPTION_HTTPS_PRIORITIES, TLS_PRIORITIES, MHD_OPTION_END);
    if (daemon != NULL) {
        MHD_stop_daemon(daemon);
    }
    return daemon != NULL;
}

/* What the two files are, as far as their first lines tell. */
static bool are_named_so(const struct tls *tls, const char *certificate, const char *key, enum tls_file *ret_file,
                         char *message, size_t size)
{
    if (strstr(tls->certificate, "-----BEGIN CERTIFICATE-----") == NULL) {
        *ret_file = TLS_CERTIFICATE;
        (void)snprintf(message, size, "'%s' holds no certificate in PEM", certificate);
        return false;
    }
    if (strstr(tls->key, "PRIVATE KEY-----") == NULL) {
        *ret_file = TLS_KEY;
        (void)snprintf(message, size, "'%s' holds no private key in PEM", key);
        return false;
    }
    return true;
}

bool tls_read(struct tls *tls, const char *certificate, const char *key, enum tls_file *ret_file, char *message,
              size_t size)
{
    bool ok;
    *ret_file = TLS_CERTIFICATE;
    *tls = (struct tls){.certificate = read_file(certificate, message, size)};
    if (tls->certificate != NULL) {
        *ret_file = TLS_KEY;
        tls->key = read_file(key, message, size);
    }
    ok = tls->key != NULL && are_named_so(tls, certificate, key, ret_file, message, size);
    if (ok && !serves(tls)) {
        (void)snprintf(message, size, "'%s' is not the key of the certificate '%s', or needs a passphrase", key,
                       certificate);
        ok = false;
    }
    if (!ok) {
        tls_free(tls);
    }
    return ok;
}

void tls_free(struct tls *tls)
{
    if (tls->key != NULL) {
        explicit_bzero(tls->key, strlen(tls->key));
    }
    free(tls->key);
    free(tls->certificate);
    *tls = (struct tls){0};
}
