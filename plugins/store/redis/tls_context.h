/* What the TLS connections of a store share: certificates, read anew when their files have changed, and the server's
 * ticket, by which the next connection to it saves most of the handshake. Any thread. */
#ifndef REDIS_TLS_CONTEXT_H
#define REDIS_TLS_CONTEXT_H

#include "address.h"
#include "tls_files.h"
#include <churn/result.h>

#include <openssl/ssl.h>

struct tls_context;

/* Whose ticket comes; the application's data of each connection (SSL_set_app_data) begins with it. */
struct tls_place {
    struct tls_context *context;
    char where[WHERE_SIZE]; /* the server */
};

/* Reads the files, which must outlive it. CHURN_FATAL at the option whose file is no good. */
int32_t tls_context_new(const struct tls_files *files, struct tls_context **ret, churn_error *err);
void tls_context_free(struct tls_context *context);

/* A new connection's, or NULL: a file is no good any more, or memory ran out. The caller frees it. */
SSL *tls_context_connection(struct tls_context *context, churn_error *err);

/* Sets the ticket that the server there gave last, if there is one. */
void tls_context_resume(const struct tls_place *place, SSL *ssl);

#endif
