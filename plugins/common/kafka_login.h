/* Why a broker and a client do not accept each other, for a person: certificates and logins. */
#ifndef KAFKA_LOGIN_H
#define KAFKA_LOGIN_H

#include <stddef.h>

#define KAFKA_SCRAM_SINCE 0x02060100 /* the librdkafka whose login with SCRAM Kafka 4 takes */

/* What is wrong with a certificate, and what to do; constant text. NULL: they are not at fault. `reason`: what
 * librdkafka says. `fault`: OpenSSL's number for why the broker's certificate was refused; 0: it was not. */
const char *kafka_login_certificate(const char *reason, int fault);

/* Writes why a librdkafka before KAFKA_SCRAM_SINCE cannot log in. */
void kafka_login_scram(char *text, size_t size);

#endif
