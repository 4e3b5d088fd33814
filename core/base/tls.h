/* The certificate and the key with which this program serves HTTPS. */
#ifndef TLS_H
#define TLS_H

#include <stdbool.h>
#include <stddef.h>

#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2" /* of GnuTLS */

/* Texts in PEM, NUL-terminated; NULL: there is none. */
struct tls {
    char *certificate, *key;
};

/* Which of the files a message is about. */
enum tls_file { TLS_CERTIFICATE, TLS_KEY };

/* Reads both files and tries them: they must belong together. False with a message, and of which file it is. */
bool tls_read(struct tls *tls, const char *certificate, const char *key, enum tls_file *ret_file, char *message,
              size_t size);
void tls_free(struct tls *tls);

#endif
