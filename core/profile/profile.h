/* A customer's stored profile: its fields, its version, and for each source partition the mark: the offset after the
 * last one counted. Marks pass over events that went to the dead letters; those counted after all, later, are kept by
 * their offsets. Reads and writes the store's text form. */
#ifndef PROFILE_H
#define PROFILE_H

#include "base/json_text.h"
#include "profile/fields.h"
#include <churn/store.h>

struct mark {
    int64_t next;
    uint32_t part;
    bool changed; /* since the last acknowledged write */
};

/* Offsets from `first` to `last`. */
struct late_range {
    int64_t first, last;
};

/* The offsets of one source partition that were counted late: ascending ranges that do not touch. */
struct late {
    struct late_range *ranges;
    uint32_t count, room;
    uint32_t part;
    bool changed; /* as a mark's */
};

/* Marks and late offsets are sorted by their sources' numbers. */
struct profile {
    uint64_t version;   /* as stored; 0: nothing is stored */
    struct mark *marks; /* `first` as long as that is enough */
    struct late *late;  /* NULL where nothing was counted late, which is the rule */
    uint32_t mark_count, mark_room;
    uint32_t late_count, late_room;
    struct mark first;
    struct fields fields;
};

/* An empty profile of version 0; NULL when memory ran out. */
struct profile *profile_new(const struct registry *registry);
void profile_free(struct profile *profile, const struct registry *registry);
/* Bytes that it takes in memory. */
size_t profile_bytes(const struct profile *profile, const struct registry *registry);

/* Reads a customer's stored fields into an empty profile. Names that it does not know are left alone: they stay in the
 * store. CHURN_OK; CHURN_REJECT when a value is none of its field's type, with a message that names the field and never
 * shows the value: of such a profile only the marks and late offsets that could be read are of use; CHURN_FATAL when
 * memory ran out. */
int32_t profile_read(struct profile *profile, const struct registry *registry, struct parts *parts, churn_str customer,
                     const churn_pair *pairs, uint32_t count, char *message, size_t size);

/* What is wrong with a mark, or with late offsets, beyond what profiles can have counted: printf's format of their
 * prefix, and of the length and text of the partition's name. */
#define PROFILE_COUNTED_NEVER "field '%s%.*s' says that events were counted that never were"

/* The offset after the last one counted of a source partition; 0: none. */
int64_t profile_mark(const struct profile *profile, uint32_t part);
/* Raises a mark. False when memory ran out. */
bool profile_set_mark(struct profile *profile, uint32_t part, int64_t next);

/* Whether the event at this offset was counted late. */
bool profile_is_late(const struct profile *profile, uint32_t part, int64_t offset);
/* Whether any event at this offset or behind it was. */
bool profile_has_late_from(const struct profile *profile, uint32_t part, int64_t offset);
/* Notes that it is. False when memory ran out. */
bool profile_add_late(struct profile *profile, uint32_t part, int64_t offset);

/* Merges what a window adds. States begin with their first one, also in profiles older than the plugin that declares
 * them. False when memory ran out. */
bool profile_merge(struct profile *profile, const struct fields *delta, const struct registry *registry,
                   const struct parts *parts);
/* A field that has grown beyond what could be read back, by its number; -1: none. */
int32_t profile_overflow(const struct profile *profile);

/* The last rendered change is stored: the version counts up, nothing is changed any more. */
void profile_saved(struct profile *profile);

/* The value of the field of that name among stored ones; NULL: it is none of them. */
const churn_str *profile_find_pair(const churn_pair *pairs, uint32_t count, churn_str name);

#endif
