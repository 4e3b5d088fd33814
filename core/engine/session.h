/* A worker's session with the store. */
#ifndef SESSION_H
#define SESSION_H

#include "engine/state.h"

/* The bit of the ids of what is put and flushed for checkpoints; the others are the profiles of a window. */
#define CHECKPOINT_ID (1ull << 63)

/* Whose puts a session answers. `window` is the one that is being written; NULL: none is. */
struct session_user {
    /* True while the store owes an answer. */
    bool (*waits)(const struct worker *worker, const struct window *window);
    /* True when the store has not answered that put or flush since the session began. */
    bool (*owes)(const struct worker *worker, const struct window *window, uint64_t id);
    /* Takes one answer; false when the worker failed. */
    bool (*take_reply)(struct worker *worker, struct window *window, const churn_put_reply *reply);
    /* Puts again what met a conflict, once all replies are taken; false when the worker failed. NULL for checkpoints,
     * which do so by themselves. */
    bool (*put_again)(struct worker *worker, struct window *window, const churn_put_reply *replies, uint32_t count);
    /* The session is gone: what it had not answered is to be put again. */
    void (*lost)(struct worker *worker);
};

/* Opens the session where there is none. False when the worker failed; an outage is waited for. */
bool session_step(struct worker *worker);
/* Takes the store's answers to the window's puts (NULL: none is being written) and to progress.c; waits up to
 * `timeout_ms` for the first. False when the worker failed. */
bool session_poll(struct worker *worker, struct window *window, uint32_t timeout_ms);
/* Looks whether an idle session still is what it was: nothing else would tell, until the next event comes. False when
 * the worker failed. */
bool session_check(struct worker *worker);
/* The session is broken: logs why, closes it and opens another soon. */
void session_lose(struct worker *worker, const char *message);
/* The store refuses a write, as one that is full does: told until it takes one, also where a new session can be opened
 * meanwhile. */
void session_say_refused(struct worker *worker, const char *message);
/* The same of a write whose answer leaves open whether the session is broken: closes it and opens another soon. */
void session_refuse(struct worker *worker, const char *message);
void session_close(struct worker *worker);

#endif
