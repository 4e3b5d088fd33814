/* Commands on their way to the server, and the replies that they will get. */
#ifndef REDIS_COMMANDS_H
#define REDIS_COMMANDS_H

#include "outbox.h"
#include "pending.h"
#include <churn/store.h>

#define SHA_LEN 40
#define HISTORY_KEY "churnd:history"
#define HISTORY_SIZE 17 /* with its NUL */

/* The newest puts, which are not among the commands yet: they become one call. */
struct batch {
    char *bytes; /* MessagePack, an array of them */
    size_t len;
    size_t room;
    uint32_t count; /* their number: the last ones pending */
    bool expires;   /* a put had a ttl: a later one without must take it away */
};

/* Starts zeroed. */
struct commands {
    struct outbox out;
    struct pending_list pending;
    struct batch batch;
    bool reloads;               /* the script is being loaded again */
    char sha[SHA_LEN + 1];      /* of the script */
    char history[HISTORY_SIZE]; /* in which alone puts may be written; "": not asked yet */
};

/* Writes the puts of one call, as SCRIPT LOAD takes it. */
extern const char put_script[];

/* Adds a whole command. False when memory ran out. */
bool commands_add(struct commands *c, enum pending_kind kind, uint64_t id, const churn_str *args, uint32_t count);

/* Adds a command of `args` arguments with `bytes` in all, which the caller writes where this says (resp.h), and then
 * ends with commands_end. NULL when memory ran out. */
char *commands_begin(struct commands *c, enum pending_kind kind, uint64_t id, size_t args, size_t bytes);
void commands_end(struct commands *c, const char *at);

/* Adds a put to the newest ones. False when memory ran out. */
bool commands_add_put(struct commands *c, const churn_put *put);

/* Makes a call of the newest puts. False when memory ran out. */
bool commands_seal(struct commands *c);

/* Loads the put script again, unless that is under way. Where memory runs out, the next put that misses it asks again.
 */
void commands_reload_script(struct commands *c);

void commands_free(struct commands *c);

#endif
