/* What is wrong with a TLS connection, for people. */
#ifndef REDIS_TLS_FAULTS_H
#define REDIS_TLS_FAULTS_H

#include "tls.h"

/* Right after a failure: what was wrong with the server at `where`, and what to do. Returns the option that it is
 * about, or NULL. */
const char *tls_explain(const struct tls *tls, const struct tls_files *files, const char *where, char *text,
                        size_t size);

#endif
