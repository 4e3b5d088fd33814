#include "risks.h"

#include "loopback.h"
#include <stdio.h>

static bool is_given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static bool is_elsewhere(const struct address *address)
{
    return address->host[0] != '\0' && !loopback_is_host(address->host, strlen(address->host));
}

/* The servers that Sentinels know are where the Sentinels are, as far as can be told. */
static const struct address *find_elsewhere(const struct redis_store *store)
{
    for (uint32_t i = 0; i < store->sentinel_count; i++) {
        if (is_elsewhere(&store->sentinels[i])) {
            return &store->sentinels[i];
        }
    }
    return store->sentinel_count == 0 && is_elsewhere(&store->address) ? &store->address : NULL;
}

static void tell(const char *option, const char *message, churn_target_fn fn, void *ctx)
{
    const churn_target risk = {
        .size = sizeof risk, .kind = CHURN_TARGET_RISK, .name = option, .option = option, .message = message};
    fn(ctx, &risk);
}

void risks_tell(const struct redis_store *store, churn_target_fn fn, void *ctx)
{
    const struct given *given = &store->given;
    const struct address *elsewhere = store->tls == NULL ? find_elsewhere(store) : NULL;
    char where[WHERE_SIZE], message[WHERE_SIZE + 128];
    if (store->tls != NULL && !given->tls.check_name) {
        tell("check_name",
             "the name in a certificate is not checked: whoever has any certificate of this authority can read and "
             "change profiles, and learns the password",
             fn, ctx);
    }
    if (elsewhere == NULL) {
        return;
    }
    address_write(elsewhere, where, sizeof where);
    (void)snprintf(message, sizeof message, "sends the password unencrypted to %s; use TLS: rediss://, or `tls: true`",
                   where);
    if (is_given(store->login.password)) {
        tell(store->url.login.password != NULL ? "url" : "password", message, fn, ctx);
    }
    if (is_given(given->sentinel.login.password)) {
        tell("sentinel_password", message, fn, ctx);
    }
}
