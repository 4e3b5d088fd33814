/* Writes the parts of JSON at `at`, where there is room for them; each call returns where it ended. */
#ifndef GENERATE_PUT_H
#define GENERATE_PUT_H

#include "generator.h"

#define NUMBER_ROOM 48   /* bytes of a number or a time in JSON */
#define MONEY_UNIT 10000 /* units of one */

#define PUT(at, literal) ((char *)memcpy((at), (literal), sizeof(literal) - 1) + sizeof(literal) - 1)

char *put_str(char *at, churn_str text);

/* `width`: at least so many digits. */
char *put_number(char *at, uint64_t n, unsigned width);
char *put_signed(char *at, int64_t n);

/* Two decimals, or four where the value has them. */
char *put_money(char *at, uint64_t units);

/* A time in quotes. Consecutive events mostly share their day. */
char *put_time(struct generator *g, char *at, int64_t ms);

#endif
