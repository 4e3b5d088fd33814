/* Which event was in which plugin's hands when a process died.
 *
 * Each worker has a slot in a small file that is mapped into memory, and notes there which event it gives to which
 * plugin. That costs neither a call of the system nor a lock, and the slot outlives the process however it ends. The
 * pipeline's next run finds the slot and counts a death for the event; an event with `crash_limit` deaths at one plugin
 * is poison, which that plugin is not given again. An event that passes the plugin has its deaths forgiven: so a kill
 * that hits a plugin's call by chance condemns nobody.
 *
 * Where several workers were in plugins when the process died, each of their events is suspected. Such an event is then
 * given to its plugin while no other worker is in one, so that the next death is laid at the right door. */
#ifndef JOURNAL_H
#define JOURNAL_H

#include "base/log.h"
#include <stdatomic.h>
#include <stddef.h>

#define JOURNAL_WORKERS 64
#define JOURNAL_PLUGINS 256
#define JOURNAL_ENTRIES 128
#define JOURNAL_TOPIC_SIZE 256 /* a longer one is cut and ends in its hash */
#define JOURNAL_PLUGIN_SIZE 96

struct journal;

/* In the file. One worker writes it. */
struct journal_slot {
    _Alignas(64) _Atomic uint64_t call; /* 0: in no plugin; else a number that no other call of this run has */
    _Atomic int64_t offset;
    _Atomic int32_t partition;
    _Atomic uint32_t plugin;
    _Atomic uint32_t records; /* more than 1: a batch, of which this is the last record */
    char topic[JOURNAL_TOPIC_SIZE];
};

/* A worker's place at the journal. */
struct journal_seat {
    struct journal *journal;
    struct journal_slot *slot;
    const _Atomic uint32_t *entries; /* what the journal knows against anybody; nearly always 0 */
    uint64_t calls;
    const char *topic; /* the caller's pointer of the newest call: records come in runs */
    int32_t partition;
    int suspect; /* the entry of the event in the plugin's hands; -1: none */
    bool watched, locked;
};

/* In memory alone at first. NULL when memory ran out. */
struct journal *journal_new(struct log *log, unsigned workers, unsigned crash_limit);
/* Names a plugin that is going to be called, `what` being "processor filter" for instance; `file` tells builds of it
 * apart, so that nothing is held against a new one. Returns its number. Before journal_open. */
unsigned journal_add_plugin(struct journal *journal, const char *what, const char *file);
const char *journal_plugin(const struct journal *journal, unsigned plugin);
/* Moves the journal to a file of its own in the folder `dir`, which is made where it is missing (NULL: the user's
 * folder for such files), takes over what ended runs of `pipeline` left there, and warns of each death. Where there can
 * be no file it warns, and the journal stays in memory. [main] */
void journal_open(struct journal *journal, const char *dir, const char *pipeline);
/* Frees; may be NULL. `clean`: the run has ended in order, so an event whose dead letter was answered is no longer held
 * back, should anybody send it again. [main] */
void journal_close(struct journal *journal, bool clean);

/* What a worker was about when its process ended, as "processor filter worked on t/0 offset 5"; false when no plugin
 * had an event. For whoever shares the journal's memory with that process, by fork. */
bool journal_held(const struct journal *journal, unsigned worker, char *message, size_t size);

/* Gives a worker its seat, before its thread starts. [main] */
void journal_sit(struct journal *journal, unsigned worker, struct journal_seat *seat);

/* Every now and then: true when a worker has been in one call for more than `limit_ms`, with a message that names the
 * plugin and the event. That death is then laid at this worker's door alone. [main] */
bool journal_hung(struct journal *journal, int64_t now_ms, int64_t limit_ms, char *message, size_t size);

/* What journal_enter and journal_leave call where their own few lines do not do: another partition, an event that is
 * suspected, one that was. Nobody else calls them. */
void journal_move(struct journal_seat *seat, const char *topic, int32_t partition);
bool journal_admit(struct journal_seat *seat, unsigned plugin, int64_t offset);
void journal_passed(struct journal_seat *seat, bool handled);

/* Before a plugin is given an event: false when this plugin must not have it. `topic` keeps its text as long as
 * journal_enter is called with it. */
static inline bool journal_enter(struct journal_seat *seat, unsigned plugin, const char *topic, int32_t partition,
                                 int64_t offset, uint32_t records)
{
    struct journal_slot *slot = seat->slot;
    if (topic != seat->topic || partition != seat->partition) {
        journal_move(seat, topic, partition);
    }
    if (atomic_load_explicit(seat->entries, memory_order_relaxed) != 0 && !journal_admit(seat, plugin, offset)) {
        return false;
    }
    atomic_store_explicit(&slot->offset, offset, memory_order_relaxed);
    atomic_store_explicit(&slot->plugin, plugin, memory_order_relaxed);
    atomic_store_explicit(&slot->records, records, memory_order_relaxed);
    atomic_store_explicit(&slot->call, ++seat->calls, memory_order_release);
    return true;
}

/* Once it returned; `handled`: it is not going to be given the same event again. */
static inline void journal_leave(struct journal_seat *seat, bool handled)
{
    atomic_store_explicit(&seat->slot->call, 0, memory_order_release);
    if (seat->watched) {
        journal_passed(seat, handled);
    }
}

/* How often the process died while the plugin had this event. */
unsigned journal_deaths(const struct journal_seat *seat, unsigned plugin, const char *topic, int32_t partition,
                        int64_t offset);

/* True when the plugin should be given this event without others. */
static inline bool journal_suspects(const struct journal_seat *seat, unsigned plugin, const char *topic,
                                    int32_t partition, int64_t offset)
{
    return atomic_load_explicit(seat->entries, memory_order_relaxed) != 0 &&
           journal_deaths(seat, plugin, topic, partition, offset) > 0;
}

/* True when the plugin should be given each record by itself: the process died while it had a batch. */
bool journal_careful(const struct journal_seat *seat, unsigned plugin);
/* All outputs of the partition's events before `next` were answered. */
void journal_done(const struct journal_seat *seat, const char *topic, int32_t partition, int64_t next);

#endif
