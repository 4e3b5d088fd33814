#include "pipeline/health_section.h"

#include "base/address.h"
#include "base/tls.h"
#include <stdlib.h>
#include <sys/stat.h>

#define SHORT_TOKEN 16 /* bytes; one of random letters could be guessed below that */

static bool check_address(struct config *config, const struct node *section, const char *listen)
{
    bool ok = address_is_good(listen);
    if (!ok) {
        config_error(config, config_get(section, "listen"),
                     "health: listen: '%s' is not a numeric address with a port, such as 127.0.0.1:8080 or [::1]:8080",
                     listen);
    }
    return ok;
}

/* One of the files without the other; false with an error. */
static bool check_both(struct config *config, const struct node *section, const struct health_settings *settings)
{
    bool certificate = health_section_has_tls(settings), key = *settings->key_file != '\0';
    const char *given = certificate ? "cert_file" : "key_file", *missing = certificate ? "key_file" : "cert_file";
    if (certificate != key) {
        config_error(config, config_get(section, given), "health: %s: needs %s beside it, for HTTPS", given, missing);
    }
    return certificate == key;
}

static void warn_of_readers(struct config *config, const struct node *section, const char *key_file)
{
    struct stat st;
    if (stat(key_file, &st) == 0 && (st.st_mode & S_IROTH) != 0) {
        config_warning(config, config_get(section, "key_file"),
                       "health: key_file: everybody on this machine can read '%s', and pass for this listener then: "
                       "`chmod o-r` it",
                       key_file);
    }
}

static bool check_tls(struct config *config, const struct node *section, const struct health_settings *settings)
{
    struct tls tls;
    enum tls_file file;
    char message[512];
    bool ok = check_both(config, section, settings);
    if (ok && health_section_has_tls(settings)) {
        const char *option;
        ok = tls_read(&tls, settings->cert_file, settings->key_file, &file, message, sizeof message);
        option = file == TLS_CERTIFICATE ? "cert_file" : "key_file";
        if (ok) {
            tls_free(&tls);
            warn_of_readers(config, section, settings->key_file);
        } else {
            config_error(config, config_get(section, option), "health: %s: %s", option, message);
        }
    }
    return ok;
}

/* Why nobody could ever show it; NULL: it can be. */
static const char *why_not_shown(const char *token)
{
    for (const char *at = token; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f) {
            return "it holds a control character, such as the end of a line, which nobody can type or send";
        }
    }
    return *token == ' ' || token[strlen(token) - 1] == ' ' ? "it begins or ends with a blank, which is not sent"
                                                            : NULL;
}

/* A token that travels open may be read by whoever is on its way. */
static bool check_token(struct config *config, const struct node *section, const struct health_settings *settings)
{
    const struct node *at = config_get(section, "token");
    if (!health_section_has_token(settings)) {
        return true;
    }
    if (!address_is_loopback(settings->listen) && !health_section_has_tls(settings)) {
        config_error(config, at,
                     "health: token: on %s, beyond loopback, it would travel where others can read it: give cert_file "
                     "and key_file for HTTPS, or listen on 127.0.0.1",
                     settings->listen);
        return false;
    }
    if (strlen(settings->token) > HEALTH_TOKEN_MAX) {
        config_error(config, at, "health: token: at most %d bytes are possible", HEALTH_TOKEN_MAX);
        return false;
    }
    if (why_not_shown(settings->token) != NULL) {
        config_error(config, at, "health: token: %s", why_not_shown(settings->token));
        return false;
    }
    if (strlen(settings->token) < SHORT_TOKEN) {
        config_warning(config, at,
                       "health: token: it is shorter than %d characters and might be guessed; `openssl rand -hex 24` "
                       "makes a good one",
                       SHORT_TOKEN);
    }
    return true;
}

bool health_section_load(struct pipeline *pipeline)
{
    struct config *config = &pipeline->config;
    struct health_settings *settings = &pipeline->health_settings;
    struct option_target target = settings_target(SETTINGS_HEALTH, settings);
    const struct node *node = config_get(&config->root, "health");
    bool ok = options_read(config, node, node, "health", &target, 1, NULL);
    if (settings->listen != NULL && *settings->listen == '\0') { /* of a variable that is not set */
        free((char *)(uintptr_t)settings->listen);
        settings->listen = NULL;
    }
    if (!ok || settings->listen == NULL) {
        return ok;
    }
    ok = check_address(config, node, settings->listen);
    ok = check_tls(config, node, settings) && ok;
    return ok && check_token(config, node, settings);
}
