/* The source partitions that a worker has met, numbered, so that a profile's marks and ties need no text. */
#ifndef PARTS_H
#define PARTS_H

#include <churn/result.h>
#include <stdbool.h>
#include <string.h>

#define PART_NONE UINT32_MAX

/* What the names of two fields of stored profiles begin with; "<topic>/<partition>" follows. */
#define MARK_PREFIX "_m:" /* the mark */
#define LATE_PREFIX "_r:" /* the offsets that were counted late */

struct part {
    char *topic;
    int32_t partition;
    uint32_t hash;
    churn_str mark_name; /* "_m:<topic>/<partition>": the mark's field in a stored profile */
    churn_str late_name; /* "_r:<topic>/<partition>": likewise of the offsets that were counted late */
};

/* Starts zeroed. Numbers stay what they are until parts_free. One thread. */
struct parts {
    struct part *items;
    uint32_t count, room;
    uint32_t *slots;        /* numbers + 1 by the hash of their partition, with linear probing; 0: free */
    uint32_t mask;          /* slots - 1, or 0 without any */
    const char *last_topic; /* the caller's pointer of the newest look-up: records come in runs */
    int32_t last_partition;
    uint32_t last;
};

/* "<topic>/<partition>" */
static inline churn_str parts_name(const struct part *place)
{
    static const uint32_t behind = sizeof MARK_PREFIX - 1;
    return (churn_str){.ptr = place->mark_name.ptr + behind, .len = place->mark_name.len - behind};
}

/* Whether a stored field is the mark or the late offsets (MARK_PREFIX, LATE_PREFIX) of a partition; *ret_name is that
 * one's name, "<topic>/<partition>". */
static inline bool part_is_field(churn_str field, const char *prefix, churn_str *ret_name)
{
    uint32_t len = (uint32_t)strlen(prefix);
    if (field.len <= len || memcmp(field.ptr, prefix, len) != 0) {
        return false;
    }
    *ret_name = (churn_str){.ptr = field.ptr + len, .len = field.len - len};
    return true;
}

/* The number of a partition, given at the first call for it; PART_NONE when memory ran out. `topic` must be a pointer
 * that keeps its text as long as parts_find is called with it. */
uint32_t parts_find(struct parts *parts, const char *topic, int32_t partition);
/* The same for a topic that is a part of a longer text. */
uint32_t parts_find_text(struct parts *parts, churn_str topic, int32_t partition);
/* Orders positions: by topic (bytes), partition, offset. Negative when a comes before b. */
int parts_compare(const struct parts *parts, uint32_t a, int64_t offset_a, uint32_t b, int64_t offset_b);
void parts_free(struct parts *parts);

#endif
