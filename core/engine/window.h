/* A window: the records that a worker takes together, from the source's poll to the commit of their offsets. */
#ifndef WINDOW_H
#define WINDOW_H

#include "profile/cache.h"
#include "profile/witness.h"
#include <churn/record.h>

#define NO_EVENT UINT32_MAX

/* Events that are counted in another way than in the order of their offsets. Either kind is remembered by its offset in
 * the profile, beside the mark. */
enum lateness {
    NOT_LATE,
    LATE_REPLAYED, /* read again after its dead letter may have been written: as any event, and remembered, so that the
                      dead letter is not counted as well */
    LATE_REDRIVEN, /* put back from the dead letters: counted wherever the mark is, and raises none */
    LATE_DOUBTED /* put back likewise, but its dead letter was written when it was read once more: what the mark passed
                    was counted the first time, or has a dead letter of that time, which counts for it */
};

/* A counted event, kept until its profile is acknowledged, so that it can be folded again, or set aside. */
struct window_event {
    const char *payload;          /* padded for the decoder */
    const churn_record *received; /* NULL: its key was the customer's id, its value the payload, and no headers are
                                     known */
    int64_t offset;
    uint32_t len;
    uint32_t part;
    uint32_t next;         /* of the same customer; NO_EVENT: none */
    uint32_t first_output; /* of those that follow from it, which stand together */
    uint8_t late;          /* enum lateness */
    bool counted;          /* the stored profile had counted it before */
    bool all_known;        /* its headers too; else they are with the source */
    bool set_aside;        /* it is a dead letter, and counted nowhere */
    int32_t age_ms;        /* how old its record was when the window began; negative: written since */
};

/* The offsets of one source partition that a delta holds, but for those put back from the dead letters. */
struct range {
    struct range *next;
    int64_t low, high;
    uint32_t part;
};

enum delta_state {
    DELTA_FOLDED, /* not yet merged into the profile */
    DELTA_MERGED, /* merged, to be put (again) */
    DELTA_PUT,    /* with the store */
    DELTA_STORED  /* acknowledged, or nothing was left to write, or set aside */
};

/* What a window adds to one customer's profile. Lives in the window's arena. */
struct delta {
    struct customer *customer;
    struct range *ranges; /* the first one is `range` */
    struct range range;
    uint32_t first_event, last_event;
    uint32_t event_count;
    uint32_t skipped; /* of these, events that are `counted` */
    enum delta_state state;
    bool has_late;    /* only the stored profile can tell which of its events count */
    int64_t doubt_ms; /* since when the store has less than it acknowledged, perhaps by an erasure; 0: it does not */
    struct fields fields;
};

/* How far a source partition is taken with this window. */
struct window_position {
    uint32_t part;
    int64_t next;        /* the offset after the last one */
    struct witness last; /* the newest record that can be told again */
};

/* How far a sink is with the outputs of a window. */
struct window_sink {
    uint32_t cursor;     /* outputs offered to it so far */
    uint32_t unanswered; /* of these, taken and not answered */
    uint32_t given_up;   /* answers to outputs before this one change nothing any more */
    int64_t since_ms;    /* first looked at, where the sink is not waited for for ever; 0: not yet */
};

enum window_state {
    WINDOW_FREE,
    WINDOW_FILLING,
    WINDOW_SETTING_ASIDE, /* its dead letters go out: only then may marks pass over what was refused. Before it is
                             written, and after, where customers had to be set aside */
    WINDOW_WRITING,
    WINDOW_EMITTING
};

struct window {
    enum window_state state;
    bool has_letters; /* dead letters are among its outputs */
    bool announced;   /* the store knows that they, and its marks, may be there */
    bool written;     /* its profiles are */
    bool set_aside;   /* dead letters were added while it was written */
    bool has_raised;  /* it has alerts that sinks raised, and that are not answered to them yet */
    uint32_t *bare;   /* of these, by their places, those that lack the headers of their records yet */
    uint32_t bare_count, bare_room;
    uint64_t number;
    struct arena arena;
    struct window_event *events;
    uint32_t event_count, event_room;
    struct delta **deltas;
    uint32_t delta_count, delta_room;
    churn_record *outputs; /* for the sinks: everything in them lives in the arena */
    uint32_t output_count, output_room;
    struct window_position *positions;
    uint32_t position_count, position_room;
    uint32_t record_count; /* taken from the source */
    uint32_t stored;       /* deltas in state DELTA_STORED */
    struct window_sink *sinks;
    uint32_t alerts[CHURN_SEVERITY_CRITICAL + 1]; /* that follow from its events, each severity's */
    uint32_t triggers;                            /* likewise */
    int64_t opened_ms;
    int64_t began_ms; /* the same by the wall clock */
    int64_t put_us;   /* when its first profile was put */
};

/* Takes its memory from `pool`, which outlives it. False when memory ran out. */
bool window_init(struct window *window, struct arena_pool *pool, uint32_t sink_count);
void window_free(struct window *window);
/* Empties a window for its next use; its customers must not refer to it any more. */
void window_reset(struct window *window, uint32_t sink_count);

/* Notes that a record was taken. False when memory ran out. */
bool window_note_position(struct window *window, uint32_t part, int64_t offset);
/* Notes that below `next` there is no record that was not taken. False when memory ran out. */
bool window_note_passed(struct window *window, uint32_t part, int64_t next);
/* Notes the newest record of a partition that can be told again. */
void window_note_witness(struct window *window, uint32_t part, struct witness witness);
/* Nothing was noted, and nothing is to be said. */
static inline bool window_is_empty(const struct window *window)
{
    return window->record_count == 0 && window->position_count == 0 && !window->has_raised;
}
/* A new output, zeroed but for size, kind and the source position of `from`; NULL when memory ran out. */
churn_record *window_add_output(struct window *window, uint32_t kind, const churn_record *from);
/* Notes that the newest output is a dead letter which lacks its record's headers. False when memory ran out. */
bool window_note_bare(struct window *window);
/* The delta of a customer in this window, made at the first call. */
struct delta *window_delta(struct window *window, struct customer *customer, const struct registry *registry);
/* Adds an event to a delta's list and range: of `event` payload, len, received, source, offset, late and
 * all_known. False when memory ran out. */
bool window_add_event(struct window *window, struct delta *delta, const struct window_event *event);
/* The range of a source partition, or NULL. */
const struct range *delta_range(const struct delta *delta, uint32_t part);

#endif
