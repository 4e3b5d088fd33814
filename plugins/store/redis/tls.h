/* TLS for one connection, from bytes to bytes: who moves them over the socket is somebody else. One thread. */
#ifndef REDIS_TLS_H
#define REDIS_TLS_H

#include "outbox.h"
#include "tls_context.h"

#include <stdbool.h>

#define TLS_RECORD_SIZE (16 * 1024) /* of plain bytes, at most */

struct tls {
    struct tls_place place;
    SSL *ssl;
    BIO_METHOD *method;
    struct outbox out; /* for the socket */
    const char *in;    /* from the socket, until they are read */
    size_t in_len;
    char name[HOST_SIZE]; /* that its certificate must have; "": any */
    /* For messages. */
    int first;              /* the first byte that came; -1: none did */
    bool asked;             /* for our certificate, which there is none of */
    int fault;              /* of the certificate (X509_V_ERR_…); 0: none */
    bool fault_is_issuers;  /* … not in the server's own certificate */
    char fault_detail[256]; /* its names, its issuer or its time */
};

enum tls_read { TLS_BYTES, TLS_WAITS, TLS_ENDED, TLS_FAILED };

/* Begins the handshake with the server at `where`, which shall have a certificate for `name`; without `check_name` any
 * that is trusted will do. NULL with a message, CHURN_RETRY. */
struct tls *tls_new(struct tls_context *context, const char *where, const char *name, bool check_name,
                    churn_error *err);
void tls_free(struct tls *tls);

/* Bytes came from the socket; they stay there until tls_read has said that it waits for more, or failed. */
void tls_feed(struct tls *tls, const char *bytes, size_t len);

/* Goes on with the handshake, then reads plain bytes. */
enum tls_read tls_read(struct tls *tls, char *plain, size_t size, size_t *ret_len);

/* Encrypts into `out`. False: it cannot, since memory ran out or the connection failed. */
bool tls_write(struct tls *tls, const char *plain, size_t len);

/* The handshake is done, and the server is who it shall be. */
static inline bool tls_is_ready(const struct tls *tls)
{
    return SSL_is_init_finished(tls->ssl) != 0;
}

/* What came is no TLS at all. */
static inline bool tls_is_foreign(const struct tls *tls)
{
    return tls->first >= 0 && (tls->first < 0x14 || tls->first > 0x17);
}

#endif
