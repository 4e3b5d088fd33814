/* What the counted events make, beside what the store has. */
#ifndef EXPLAIN_COMPARE_H
#define EXPLAIN_COMPARE_H

#include "cli/explain_state.h"

/* What the store lacks, or has besides. */
struct comparison {
    bool same;       /* of what is asked for */
    uint32_t fields; /* compared */
    uint32_t differing;
    int128 missing;  /* events that the profile has counted and that were not read; below 0: too many were */
    uint64_t passed; /* events that the pipeline has read, and that are not in the profile */
    bool gap;        /* some partition begins behind what was counted, or is another one, or is not read */
    bool another;    /* … one of the latter two */
};

/* A field with its value by the events and in the store; a length without text: absent. */
typedef void (*compare_fn)(void *ctx, churn_str name, const churn_str *here, const churn_str *stored);
/* Compares what is asked for; `fn` is called for each field. False when memory ran out. */
bool explain_compare(struct explain *e, struct comparison *ret, compare_fn fn, void *ctx);
/* How many events the pipeline has read that the profile, which says so by its marks, has not counted. */
uint64_t explain_compare_passed(const struct explain *e);
/* Why a partition is not what was counted; NULL: it is. */
const char *explain_compare_gap(const struct explain *e, uint32_t part, char *buffer, size_t size);

#endif
