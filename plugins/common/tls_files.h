/* The files of a TLS client: the authority that it trusts, and its own certificate with the key. */
#ifndef TLS_FILES_H
#define TLS_FILES_H

#include <churn/result.h>

/* Paths of files in PEM, NULL or empty: none; and the options that name them, for messages. */
struct tls_files {
    const char *ca_file, *cert_file, *key_file;
    const char *ca_option, *cert_option, *key_option;
};

/* Reads and tries them (for `create`), as libraries do only when they connect: certificates that are some, a key that
 * belongs to its certificate and needs no passphrase, none of the two without the other. CHURN_OK, or CHURN_FATAL at
 * the option. */
int32_t tls_files_check(const struct tls_files *files, churn_error *err);

/* Whether the first certificate of a file is one whose time is over. */
int tls_files_expired(const char *path);

#endif
