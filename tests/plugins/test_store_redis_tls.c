/* What the TLS connections of the Redis store share, and what is said where one fails, against servers of the test's
 * own in memory. */
#define _GNU_SOURCE
#include "cunit_main.h"
#include "tls.h"
#include "tls_context.h"
#include "tls_faults.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/churn-redis-tls-XXXXXX", ca_path[sizeof folder + 8], new_path[sizeof folder + 8],
            key_path[sizeof folder + 8];

/* A server with a certificate that it has signed itself, which stands in ca_file from here on, its key in key_path. */
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
    file = fopen(key_path, "w");
    CU_ASSERT_FATAL(file != NULL && fchmod(fileno(file), 0600) == 0);
    CU_ASSERT(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1 && fclose(file) == 0);
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

/* ---- what a server refuses ---- */

/* What is wrong with the client's certificate is the test's word. */
static int judge_client(int good, X509_STORE_CTX *store)
{
    const int *verdict = SSL_get_app_data(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    (void)good;
    X509_STORE_CTX_set_error(store, *verdict);
    return *verdict == X509_V_OK;
}

/* Shakes hands by way of memory until the client has failed, and asserts that it does. */
static void fail_with(struct tls *tls, SSL *server)
{
    enum tls_read result = TLS_WAITS;
    char bytes[4096];
    size_t len;
    for (int i = 0; i < 10 && result == TLS_WAITS; i++) {
        int waiting = (int)outbox_waiting(&tls->out), n;
        CU_ASSERT(waiting == 0 || BIO_write(SSL_get_rbio(server), tls->out.bytes + tls->out.sent, waiting) == waiting);
        tls->out.sent = tls->out.len;
        (void)SSL_do_handshake(server);
        n = BIO_read(SSL_get_wbio(server), bytes, sizeof bytes);
        tls_feed(tls, bytes, n > 0 ? (size_t)n : 0);
        result = tls_read(tls, bytes, sizeof bytes, &len);
    }
    CU_ASSERT_EQUAL(result, TLS_FAILED);
}

/* What people are told of a server whose `ctx` is that, and the option that it is about. */
static const char *told_of(SSL_CTX *ctx, const struct tls_files *files, int verdict, char *text, size_t size)
{
    struct tls_context *context;
    SSL *server = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    struct tls *tls;
    const char *option;
    CU_ASSERT_FATAL(tls_context_new(files, &context, NULL) == CHURN_OK);
    tls = tls_new(context, "here:1", "here", false, NULL);
    CU_ASSERT_FATAL(tls != NULL && server != NULL && in != NULL && out != NULL);
    SSL_set_bio(server, in, out);
    SSL_set_accept_state(server);
    CU_ASSERT(SSL_set_app_data(server, &verdict) == 1);
    fail_with(tls, server);
    option = tls_explain(tls, files, "here:1", text, size);
    CU_ASSERT_EQUAL(ERR_peek_error(), 0);
    tls_free(tls);
    SSL_free(server);
    tls_context_free(context);
    return option;
}

static void test_no_common_version(void)
{
    const struct tls_files files = {.ca_file = ca_path, .ca_option = "ca_file"};
    const int versions[] = {TLS1_VERSION, TLS1_1_VERSION};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        SSL_CTX *ctx = new_server();
        char text[512] = "";
        SSL_CTX_set_security_level(ctx, 0); /* or this system's own rules forbid such a server */
        CU_ASSERT(SSL_CTX_set_min_proto_version(ctx, versions[i]) == 1);
        CU_ASSERT(SSL_CTX_set_max_proto_version(ctx, versions[i]) == 1);
        CU_ASSERT_PTR_NULL(told_of(ctx, &files, X509_V_OK, text, sizeof text));
        CU_ASSERT_STRING_EQUAL(text,
                               "Redis at here:1 speaks no version of TLS from 1.2 on: allow one there (tls-protocols)");
        SSL_CTX_free(ctx);
    }
}

static void test_alerts_for_our_certificate(void)
{
    static const struct {
        int verdict;
        bool given; /* we have a certificate */
        const char *words[2];
    } rows[] = {
        {X509_V_OK, false, {"asks for a client certificate, and there is none: set `cert_file` and `key_file`", ""}},
        {X509_V_ERR_CERT_REVOKED, true, {"refuses our client certificate (", "alert certificate revoked)"}},
        {X509_V_ERR_CERT_HAS_EXPIRED, true, {"refuses our client certificate (", "alert certificate expired)"}},
        {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, true, {"refuses our client certificate (", "alert unknown ca)"}},
        {X509_V_ERR_INVALID_PURPOSE, true, {"refuses our client certificate (", "alert unsupported certificate)"}},
    };
    for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        SSL_CTX *ctx = new_server();
        const struct tls_files none = {.ca_file = ca_path, .ca_option = "ca_file"};
        const struct tls_files ours = {.ca_file = ca_path,
                                       .cert_file = ca_path,
                                       .key_file = key_path,
                                       .ca_option = "ca_file",
                                       .cert_option = "cert_file",
                                       .key_option = "key_file"};
        int version = i % 2 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
        char text[512] = "";
        const char *option;
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, judge_client);
        CU_ASSERT(SSL_CTX_set_max_proto_version(ctx, version) == 1);
        option = told_of(ctx, rows[i / 2].given ? &ours : &none, rows[i / 2].verdict, text, sizeof text);
        CU_ASSERT(option != NULL && strcmp(option, "cert_file") == 0);
        for (int word = 0; word < 2; word++) {
            CU_ASSERT(strstr(text, rows[i / 2].words[word]) != NULL);
        }
        SSL_CTX_free(ctx);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_tickets), TEST(test_no_common_version), TEST(test_alerts_for_our_certificate),
                           CU_TEST_INFO_NULL};
    int status;
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    (void)snprintf(ca_path, sizeof ca_path, "%s/ca.pem", folder);
    (void)snprintf(new_path, sizeof new_path, "%s/new.pem", folder);
    (void)snprintf(key_path, sizeof key_path, "%s/key.pem", folder);
    status = run_tests("TLS of the store redis", tests);
    (void)unlink(ca_path);
    (void)unlink(key_path);
    (void)rmdir(folder);
    return status;
}
