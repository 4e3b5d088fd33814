/* `churnd verify` from inside: the profiles of two sides, and how they compare. */
#ifndef VERIFY_COMPARE_H
#define VERIFY_COMPARE_H

#include "base/json_text.h"
#include "base/progress_line.h"
#include "event/registry.h"
#include <churn/store.h>

enum { HERE, THERE, SIDES };

/* Customer ids packed one behind the other, each with its length in front. */
struct ids {
    struct text bytes;
    size_t *places;
    size_t count;
    size_t room;
    uint32_t prefix_len;
    bool failed;
    struct progress_line *line;
};

/* A profile as the store gave it, kept beyond the call. Without fields: there is none. */
struct copy {
    churn_pair *pairs;
    uint32_t count;
    uint32_t room;
    struct text bytes;
};

/* A source partition and the offset before which a side has counted everything. */
struct reached {
    char *source; /* "<topic>/<partition>" */
    uint32_t len;
    int64_t next[SIDES];
};

struct verify {
    const churn_store_ops *ops;
    void *session;
    const struct registry *registry;
    churn_str prefixes[SIDES];
    struct log *log;
    bool quiet;
    struct progress_line line; /* of what is being done */
    struct ids ids[SIDES];
    struct reached *reached;
    uint32_t reached_count;
    size_t *differing; /* of both sides' ids in order: the numbers of those that differ */
    size_t differing_count;
    size_t differing_room;
    bool failed; /* memory ran out */
    churn_error err;
    /* the result */
    uint64_t compared, equal, different, missing[SIDES], explained;
    bool json;
    uint64_t limit; /* so many of those that differ are named; 0: the first, and the first for another reason */
    uint64_t named;
    struct text list; /* of JSON: those */
};

/* A customer whose profiles differ. */
struct difference {
    bool found;
    bool explained; /* … by progress alone */
    churn_str id;
    struct copy profiles[SIDES];
};

struct differences {
    struct difference first;
    struct difference unexplained; /* the first that is more than a matter of progress */
    struct copy there;
};

/* Takes a field that differs: what each side has, NULL for a side without it. */
typedef void (*difference_fn)(void *ctx, churn_str name, const churn_str *here, const churn_str *there);

/* Calls `fn`, which may be NULL, for each field that differs, by name; how many there are. Sorts the fields. */
uint32_t verify_fields(struct copy *here, struct copy *there, difference_fn fn, void *ctx);

/* Whether the fields are the same and in one order, as stores give those of two profiles more often than not. */
bool verify_same_in_order(const struct copy *a, const churn_pair *b, uint32_t b_count);

/* The side has counted everything of the partition before `next`. */
void verify_raise_reached(struct verify *v, int side, churn_str source, int64_t next);
/* The same by each mark of a profile. */
void verify_note_marks(struct verify *v, int side, const churn_pair *pairs, uint32_t count);

/* The offset after the last event of a partition that a profile has counted; 0: none. */
int64_t verify_mark(const struct copy *profile, const struct reached *reached);

enum gap { GAP_NONE, GAP_HERE_FURTHER, GAP_THERE_FURTHER, GAP_REAL };

/* Why two profiles have counted up to different offsets of a partition: one side as a whole has read further, or, when
 * it is past them both, an event is missing. */
enum gap verify_gap(const struct reached *reached, int64_t here, int64_t there);
/* Whether nothing but the sides' progress need be the reason why these differ. */
bool verify_is_explained(const struct verify *v, const struct copy *here, const struct copy *there);

#endif
