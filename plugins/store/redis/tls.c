#include "tls.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- OpenSSL's other end: what it writes is for the socket, what came from there it reads ---- */

static int take_written(BIO *bio, const char *bytes, int len)
{
    struct tls *tls = BIO_get_data(bio);
    char *at = outbox_reserve(&tls->out, (size_t)len);
    BIO_clear_retry_flags(bio);
    if (at == NULL) {
        return -1;
    }
    memcpy(at, bytes, (size_t)len);
    outbox_commit(&tls->out, at + len);
    return len;
}

static int give_read(BIO *bio, char *bytes, int size)
{
    struct tls *tls = BIO_get_data(bio);
    size_t len = tls->in_len < (size_t)size ? tls->in_len : (size_t)size;
    BIO_clear_retry_flags(bio);
    if (len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(bytes, tls->in, len);
    tls->in += len;
    tls->in_len -= len;
    return (int)len;
}

static long control(BIO *bio, int command, long number, void *what)
{
    (void)bio;
    (void)number;
    (void)what;
    return command == BIO_CTRL_FLUSH;
}

/* The method is the connection's own, so that nothing is shared; it is freed once the connection is. */
static bool set_ends(struct tls *tls)
{
    BIO_METHOD *method = tls->method;
    BIO *bio;
    if (method == NULL || BIO_meth_set_write(method, take_written) != 1 || BIO_meth_set_read(method, give_read) != 1 ||
        BIO_meth_set_ctrl(method, control) != 1 || (bio = BIO_new(method)) == NULL) {
        return false;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    return true;
}

/* ---- the certificate of the server ---- */

/* Nothing foreign may end a line of the log. */
static void append(char text[256], const char *between, const char *name, size_t len)
{
    size_t used = strlen(text);
    used += (size_t)snprintf(text + used, 256 - used, "%s'", used > 0 ? between : "");
    for (size_t i = 0; i < len && used < 250; i++) {
        text[used++] = isprint((unsigned char)name[i]) ? name[i] : '?';
    }
    if (used < 255) {
        text[used++] = '\'';
        text[used] = '\0';
    }
}

static void append_address(char text[256], const ASN1_OCTET_STRING *address)
{
    char shown[INET6_ADDRSTRLEN];
    int family = ASN1_STRING_length(address) == 4 ? AF_INET : AF_INET6;
    if ((ASN1_STRING_length(address) == 4 || ASN1_STRING_length(address) == 16) &&
        inet_ntop(family, ASN1_STRING_get0_data(address), shown, sizeof shown) != NULL) {
        append(text, ", ", shown, strlen(shown));
    }
}

/* The names that it is for; none: what only its common name says does not count. */
static void note_names(char text[256], X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && strlen(text) < 200; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS) {
            append(text, ", ", (const char *)ASN1_STRING_get0_data(name->d.dNSName),
                   (size_t)ASN1_STRING_length(name->d.dNSName));
        } else if (name->type == GEN_IPADD) {
            append_address(text, name->d.iPAddress);
        }
    }
    GENERAL_NAMES_free(names);
}

static void note_issuer(char text[256], const X509 *certificate)
{
    char name[200] = "";
    (void)X509_NAME_oneline(X509_get_issuer_name(certificate), name, sizeof name);
    append(text, "", name, strlen(name));
}

static void note_time(char text[256], const ASN1_TIME *time)
{
    struct tm at;
    if (ASN1_TIME_to_tm(time, &at) == 1) {
        (void)strftime(text, 256, "%Y-%m-%d %H:%M UTC", &at);
    }
}

static int on_certificate(int good, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *tls = SSL_get_app_data(ssl);
    X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    if (good == 1) {
        return 1;
    }
    tls->fault = X509_STORE_CTX_get_error(store);
    tls->fault_is_issuers = X509_STORE_CTX_get_error_depth(store) > 0;
    tls->fault_detail[0] = '\0';
    if (certificate == NULL) {
        return 0;
    }
    switch (tls->fault) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        note_names(tls->fault_detail, certificate);
        break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        note_time(tls->fault_detail, X509_get0_notAfter(certificate));
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        note_time(tls->fault_detail, X509_get0_notBefore(certificate));
        break;
    default:
        note_issuer(tls->fault_detail, certificate);
    }
    return 0;
}

/* Called when the server asks for ours and there is none. */
static int on_asked(SSL *ssl, void *arg)
{
    struct tls *tls = arg;
    tls->asked = SSL_get_certificate(ssl) == NULL;
    return 1;
}

/* An address is looked for among the addresses of the certificate; a name is also told to the server (SNI). */
static bool set_name(struct tls *tls, const char *name, bool check_name)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(tls->ssl);
    unsigned char address[sizeof(struct in6_addr)];
    char bare[HOST_SIZE];
    bool is_address;
    (void)snprintf(bare, sizeof bare, "%.*s", (int)strcspn(name, "%"), name); /* without the zone of an IPv6 address */
    is_address = inet_pton(AF_INET, bare, address) == 1 || inet_pton(AF_INET6, bare, address) == 1;
    if (bare[0] != '\0' && !is_address && SSL_set_tlsext_host_name(tls->ssl, bare) != 1) {
        return false;
    }
    if (!check_name) {
        return true;
    }
    memcpy(tls->name, bare, sizeof bare);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return (is_address ? X509_VERIFY_PARAM_set1_ip_asc(param, bare) : X509_VERIFY_PARAM_set1_host(param, bare, 0)) == 1;
}

/* ---- the connection ---- */

struct tls *tls_new(struct tls_context *context, const char *where, const char *name, bool check_name, churn_error *err)
{
    struct tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL) {
        (void)churn_fail(err, CHURN_RETRY, "out of memory");
        return NULL;
    }
    tls->place.context = context;
    tls->first = -1;
    (void)snprintf(tls->place.where, sizeof tls->place.where, "%s", where);
    tls->ssl = tls_context_connection(context, err);
    if (tls->ssl == NULL) {
        tls_free(tls);
        return NULL;
    }
    tls->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "session");
    if (!set_ends(tls) || SSL_set_app_data(tls->ssl, tls) != 1 || !set_name(tls, name, check_name)) {
        tls_free(tls);
        ERR_clear_error();
        (void)churn_fail(err, CHURN_RETRY, "out of memory");
        return NULL;
    }
    SSL_set_verify(tls->ssl, SSL_VERIFY_PEER, on_certificate);
    SSL_set_cert_cb(tls->ssl, on_asked, tls);
    SSL_set_connect_state(tls->ssl);
    tls_context_resume(&tls->place, tls->ssl);
    (void)SSL_do_handshake(tls->ssl); /* its first message; what fails here fails again where it goes on */
    ERR_clear_error();
    return tls;
}

void tls_free(struct tls *tls)
{
    if (tls != NULL) {
        SSL_free(tls->ssl);
        BIO_meth_free(tls->method);
        free(tls->out.bytes);
        free(tls);
    }
}

void tls_feed(struct tls *tls, const char *bytes, size_t len)
{
    tls->first = tls->first < 0 && len > 0 ? (unsigned char)bytes[0] : tls->first;
    tls->in = bytes;
    tls->in_len = len;
}

enum tls_read tls_read(struct tls *tls, char *plain, size_t size, size_t *ret_len)
{
    ERR_clear_error();
    if (SSL_read_ex(tls->ssl, plain, size, ret_len) == 1) {
        return TLS_BYTES;
    }
    switch (SSL_get_error(tls->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
        return TLS_WAITS;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_ENDED;
    default:
        return TLS_FAILED;
    }
}

bool tls_write(struct tls *tls, const char *plain, size_t len)
{
    size_t written = 0;
    ERR_clear_error();
    return SSL_write_ex(tls->ssl, plain, len, &written) == 1 && written == len;
}
