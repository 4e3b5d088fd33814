#include "tls_faults.h"

#include <openssl/err.h>
#include <stdio.h>

#define ALERT(number) (SSL_AD_REASON_OFFSET + (number))

static bool is_of_trust(int fault)
{
    switch (fault) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return true;
    default:
        return false;
    }
}

static const char *explain_certificate(const struct tls *tls, const struct tls_files *files, const char *where,
                                       char *text, size_t size)
{
    const char *whose = tls->fault_is_issuers ? "the certificate of its issuer" : "its certificate";
    if (is_of_trust(tls->fault)) {
        bool given = files->ca_file != NULL && files->ca_file[0] != '\0';
        (void)snprintf(text, size,
                       given
                           ? "Redis at %s has a certificate of the authority %s, which `ca_file` does not have: is it "
                             "the right server, and the right file?"
                           : "Redis at %s has a certificate of the authority %s, which this system does not trust: set "
                             "`ca_file` to that authority's own certificate",
                       where, tls->fault_detail);
        return "ca_file";
    }
    switch (tls->fault) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        (void)snprintf(text, size,
                       "Redis at %s has a certificate for %s, not for '%s': connect by a name that is in it, set "
                       "`server_name` to one, or have '%s' put into it",
                       where, tls->fault_detail[0] != '\0' ? tls->fault_detail : "no name (subjectAltName)", tls->name,
                       tls->name);
        return "server_name";
    case X509_V_ERR_CERT_HAS_EXPIRED:
        (void)snprintf(text, size, "Redis at %s: %s expired at %s: renew it on the server", where, whose,
                       tls->fault_detail);
        return NULL;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        (void)snprintf(text, size, "Redis at %s: %s is valid from %s only: is one of the clocks wrong?", where, whose,
                       tls->fault_detail);
        return NULL;
    default:
        (void)snprintf(text, size, "Redis at %s: %s (issued by %s) is refused: %s", where, whose, tls->fault_detail,
                       X509_verify_cert_error_string(tls->fault));
        return NULL;
    }
}

/* What the server refused with an alert, or we for the sake of the protocol. */
static const char *explain_reason(const struct tls *tls, unsigned long error, const char *where, char *text,
                                  size_t size)
{
    bool has_certificate = SSL_get_certificate(tls->ssl) != NULL;
    const char *said = error != 0 ? ERR_reason_error_string(error) : NULL;
    switch (ERR_GET_REASON(error)) {
    case ALERT(SSL_AD_CERTIFICATE_REQUIRED):
    case ALERT(SSL_AD_HANDSHAKE_FAILURE):
        if (tls->asked && !has_certificate) {
            (void)snprintf(text, size,
                           "Redis at %s asks for a client certificate, and there is none: set `cert_file` and "
                           "`key_file`",
                           where);
            return "cert_file";
        }
        break;
    case ALERT(SSL_AD_BAD_CERTIFICATE):
    case ALERT(SSL_AD_UNSUPPORTED_CERTIFICATE):
    case ALERT(SSL_AD_CERTIFICATE_REVOKED):
    case ALERT(SSL_AD_CERTIFICATE_EXPIRED):
    case ALERT(SSL_AD_CERTIFICATE_UNKNOWN):
    case ALERT(SSL_AD_UNKNOWN_CA):
    case ALERT(SSL_AD_ACCESS_DENIED):
    case ALERT(SSL_AD_DECRYPT_ERROR):
        if (has_certificate) {
            (void)snprintf(text, size,
                           "Redis at %s refuses our client certificate (%s): `cert_file` must be valid, and of an "
                           "authority that the server trusts (its tls-ca-cert-file)",
                           where, said);
            return "cert_file";
        }
        break;
    case ALERT(SSL_AD_PROTOCOL_VERSION):
    case SSL_R_UNSUPPORTED_PROTOCOL:
        (void)snprintf(text, size, "Redis at %s speaks no version of TLS from 1.2 on: allow one there (tls-protocols)",
                       where);
        return NULL;
    default:
        break;
    }
    (void)snprintf(text, size, "the TLS connection to Redis at %s failed: %s", where,
                   said != NULL ? said : "out of memory");
    return NULL;
}

const char *tls_explain(const struct tls *tls, const struct tls_files *files, const char *where, char *text,
                        size_t size)
{
    const char *option;
    if (tls_is_foreign(tls)) {
        (void)snprintf(text, size,
                       "Redis at %s does not speak TLS on this port: name its TLS port (tls-port), or leave TLS out",
                       where);
        option = "tls";
    } else if (tls->fault != 0) {
        option = explain_certificate(tls, files, where, text, size);
    } else {
        option = explain_reason(tls, ERR_peek_error(), where, text, size);
    }
    ERR_clear_error();
    return option;
}
