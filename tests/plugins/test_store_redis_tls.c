/* What the TLS connections of the Redis store share, against servers of the test's own in memory. */
#define _GNU_SOURCE
#include "cunit_main.h"
#include "tls_context.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/churn-redis-tls-XXXXXX", ca_path[sizeof folder + 8], new_path[sizeof folder + 8];

/* A server with a certificate that it has signed itself, which stands in ca_file from here on. */
static SSL_CTX *new_server(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    FILE *file = fopen(new_path, "w");
    CU_ASSERT_FATAL(key != NULL && certificate != NULL && ctx != NULL && file != NULL);
    CU_ASSERT(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1);
    CU_ASSERT(X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) != NULL);
    CU_ASSERT(X509_gmtime_adj(X509_getm_notAfter(certificate), 3600) != NULL);
    CU_ASSERT(X509_set_pubkey(certificate, key) == 1 && X509_sign(certificate, key, EVP_sha256()) > 0);
    CU_ASSERT(PEM_write_X509(file, certificate) == 1 && fclose(file) == 0 && rename(new_path, ca_path) == 0);
    CU_ASSERT(SSL_CTX_use_certificate(ctx, certificate) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return ctx;
}

struct ends {
    SSL *client, *server;
};

/* Shakes hands; the server's tickets are on their way to the client, which has not read them. */
static struct ends connect_to(SSL_CTX *ctx, struct tls_place *place)
{
    struct ends ends = {.client = tls_context_connection(place->context, NULL), .server = SSL_new(ctx)};
    BIO *client, *server;
    CU_ASSERT_FATAL(ends.client != NULL && ends.server != NULL);
    CU_ASSERT_FATAL(BIO_new_bio_pair(&client, 0, &server, 0) == 1);
    SSL_set_bio(ends.client, client, client);
    SSL_set_bio(ends.server, server, server);
    CU_ASSERT(SSL_set_app_data(ends.client, place) == 1);
    SSL_set_verify(ends.client, SSL_VERIFY_PEER, NULL);
    SSL_set_connect_state(ends.client);
    SSL_set_accept_state(ends.server);
    for (int i = 0; i < 10 && !SSL_is_init_finished(ends.server); i++) {
        (void)SSL_do_handshake(ends.client);
        (void)SSL_do_handshake(ends.server);
    }
    CU_ASSERT(SSL_is_init_finished(ends.client) && SSL_is_init_finished(ends.server));
    return ends;
}

static void read_tickets(const struct ends *ends)
{
    char byte;
    CU_ASSERT(SSL_read(ends->client, &byte, 1) < 0);
}

static void end(const struct ends *ends)
{
    SSL_free(ends->client);
    SSL_free(ends->server);
}

/* Whether the next connection there would begin with a ticket. */
static bool has_ticket(const struct tls_place *place)
{
    SSL *ssl = tls_context_connection(place->context, NULL);
    bool has;
    CU_ASSERT_FATAL(ssl != NULL);
    tls_context_resume(place, ssl);
    has = SSL_get0_session(ssl) != NULL;
    SSL_free(ssl);
    return has;
}

/* A server is let in by a ticket without its certificate: none is kept of what is trusted no more. */
static void test_tickets(void)
{
    SSL_CTX *first = new_server(), *second;
    const struct tls_files files = {.ca_file = ca_path, .ca_option = "ca_file"};
    struct tls_place place = {.where = "here:1"}, another;
    struct ends before, after;
    CU_ASSERT_FATAL(tls_context_new(&files, &place.context, NULL) == CHURN_OK);
    CU_ASSERT(!has_ticket(&place));
    before = connect_to(first, &place);
    CU_ASSERT(!has_ticket(&place));
    read_tickets(&before);
    CU_ASSERT(has_ticket(&place));
    another = place;
    another.where[0] = 't';
    CU_ASSERT(!has_ticket(&another));
    end(&before);

    before = connect_to(first, &place); /* its tickets come late */
    second = new_server();
    CU_ASSERT(!has_ticket(&place));
    read_tickets(&before);
    CU_ASSERT(!has_ticket(&place));
    after = connect_to(second, &place);
    read_tickets(&after);
    CU_ASSERT(has_ticket(&place));
    end(&before);
    end(&after);
    SSL_CTX_free(first);
    SSL_CTX_free(second);
    tls_context_free(place.context);
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_tickets), CU_TEST_INFO_NULL};
    int status;
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    (void)snprintf(ca_path, sizeof ca_path, "%s/ca.pem", folder);
    (void)snprintf(new_path, sizeof new_path, "%s/new.pem", folder);
    status = run_tests("TLS of the store redis", tests);
    (void)unlink(ca_path);
    (void)rmdir(folder);
    return status;
}
