/* What a store is told of a source partition, beside its checkpoint, before profiles and dead letters are written: how
 * far either may go. So a mark that nobody can have made is told from one whose checkpoint was not put any more. */
#ifndef TOLD_H
#define TOLD_H

#include <churn/store.h>

#define TOLD_NOTHING (-1)

struct told {
    int64_t counted, below; /* how far profiles may have counted, and dead letters go; `counted` may be TOLD_NOTHING */
};

/* Reads the fields of the store's record. */
void told_read(struct told *told, const churn_pair *fields, uint32_t count);
/* How far profiles can have counted; TOLD_NOTHING: nobody knows. `checkpoint` is the offset of the partition's. */
int64_t told_reached(const struct told *told, int64_t checkpoint);
/* The offset among the fields of a checkpoint; 0: there is none that can be read. */
int64_t told_checkpoint(const churn_pair *fields, uint32_t count);

#endif
