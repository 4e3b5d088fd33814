#include "session.h"

#include <stdlib.h>

struct session *session_new(struct lmdb_store *store)
{
    struct session *s = calloc(1, sizeof *s);
    if (s != NULL) {
        s->store = store;
    }
    return s;
}

void session_free(struct session *s)
{
    mdb_txn_abort(s->reader);
    arena_free(&s->queue.memory);
    free(s->queue.puts);
    arena_free(&s->answers.memory);
    free(s->answers.replies);
    record_memory_free(&s->record);
    free(s);
}
