/* Why a broker and a client do not accept each other, for a person: protocols, certificates and logins. */
#ifndef KAFKA_LOGIN_H
#define KAFKA_LOGIN_H

#include <churn/option.h>
#include <churn/result.h>

/* Whether this librdkafka can log in as `properties` say: it may lack a mechanism, or have it broken. CHURN_OK, or
 * CHURN_FATAL at the property. */
int32_t kafka_login_check(const churn_map *properties, churn_error *err);

/* Whether this librdkafka can get tokens from an identity provider. */
int kafka_login_has_oidc(void);

/* The value given to a property; "" where none is. */
const char *kafka_login_property(const churn_map *properties, const char *name);

/* What is wrong with a connection, and what to do; constant text. NULL: librdkafka's own words are better. `reason`:
 * what it says. `fault`: OpenSSL's number for why the broker's certificate was refused; 0: it was not. `certificate`:
 * the file of this client's own; "": there is none. */
const char *kafka_login_fault(const char *reason, int fault, const char *certificate);

#endif
