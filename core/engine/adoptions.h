/* Up to which tombstone each instance of a plugin that takes part has given up what it held. */
#ifndef ADOPTIONS_H
#define ADOPTIONS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct adoption {
    const void *who; /* of an instance, which is not looked into */
    int64_t known;
};

struct adoptions {
    pthread_mutex_t lock;
    struct adoption *items;
    size_t count, room;
    bool failed; /* memory ran out: somebody who takes part is not among them */
};

void adoptions_init(struct adoptions *adoptions);
void adoptions_free(struct adoptions *adoptions);
/* The first time it begins to take part. [any] */
void adoptions_set(struct adoptions *adoptions, const void *who, int64_t known);
/* It takes part no more. [any] */
void adoptions_drop(struct adoptions *adoptions, const void *who);
/* The least of all, and of `least`. -1: somebody has adopted nothing, or nobody knows. [any] */
int64_t adoptions_least(struct adoptions *adoptions, int64_t least);

#endif
