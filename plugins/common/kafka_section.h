/* What a section for Kafka takes over from another one: how the brokers are reached. */
#ifndef KAFKA_SECTION_H
#define KAFKA_SECTION_H

#include <churn/section.h>

/* 1: the property says how to reach and trust brokers; others are a consumer's or a producer's. */
int kafka_section_connects(const char *property);
/* Copies those entries of `properties` that `wanted` wants. */
void kafka_section_copy(churn_section *to, const churn_section *from, int (*wanted)(const char *property));
/* `brokers`, and those properties that say how to reach and trust them. */
void kafka_section_connect(churn_section *to, const churn_section *from);

#endif
