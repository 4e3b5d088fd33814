#include "plugin/journal.h"

#include "base/clock.h"
#include "plugin/journal_file.h"
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define MAGIC "churnjnl"
#define VERSION 1
#define NO_ENTRY (-1)
#define MOST_PER_LOOK_MS 1000 /* that count as time in a call: a process that was stopped did not hang */
#define CAREFUL_MS 60000      /* after the last record of a batch came again */

/* A folder with a journal belongs to one machine, so bytes are laid out as its compiler does. */
struct plugin {
    char name[JOURNAL_PLUGIN_SIZE];
    uint64_t build; /* of its file */
};

enum entry_kind {
    ENTRY_FREE,
    ENTRY_EVENT, /* the process died while the plugin had this event */
    ENTRY_BATCH  /* or one of those before it in the same batch */
};

struct entry {
    _Atomic uint32_t kind; /* written last */
    uint32_t deaths;
    int64_t offset;
    int32_t partition;
    _Atomic uint32_t answered; /* it was poison, and its dead letter is safe */
    struct plugin plugin;
    char topic[JOURNAL_TOPIC_SIZE];
};

struct image {
    char magic[8];
    uint32_t version;
    uint32_t size;
    _Atomic uint32_t hung; /* slot + 1 of the worker whose plugin never returned; 0: none */
    struct plugin plugins[JOURNAL_PLUGINS];
    struct entry entries[JOURNAL_ENTRIES]; /* from the oldest to the newest when the run begins; none is added in it */
    struct journal_slot slots[JOURNAL_WORKERS];
};

/* What this run has seen of an entry. */
struct seen {
    unsigned plugin; /* number of its plugin */
    _Atomic bool met;
    _Atomic int64_t passed_ms; /* of a batch: when its last record was taken; 0: not yet */
};

/* What main saw at its last look at a worker. */
struct look {
    uint64_t call;
    int64_t held_ms;
};

struct journal {
    struct log *log;
    unsigned workers;
    unsigned crash_limit;
    unsigned plugin_count;
    struct image *image; /* mapped, from `fd` or, with -1, from nowhere */
    int fd;
    _Atomic uint32_t entries;  /* that are not free */
    _Atomic uint32_t suspects; /* of these, events that are not poison */
    pthread_rwlock_t turn;     /* held by whoever is in a plugin, while there are suspects; a suspect's worker writes */
    unsigned entry_room;       /* entries when the run began: no others are looked at */
    struct seen seen[JOURNAL_ENTRIES];
    struct look looks[JOURNAL_WORKERS];
    int64_t last_look_ms;
};

/* ---- making ---- */

static void blank(struct image *image)
{
    memcpy(image->magic, MAGIC, sizeof image->magic);
    image->version = VERSION;
    image->size = sizeof *image;
}

static bool init_turn(pthread_rwlock_t *turn)
{
    pthread_rwlockattr_t attr;
    bool ok = pthread_rwlockattr_init(&attr) == 0;
    ok = ok && pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) == 0;
    return ok && pthread_rwlock_init(turn, &attr) == 0;
}

struct journal *journal_new(struct log *log, unsigned workers, unsigned crash_limit)
{
    struct journal *journal = calloc(1, sizeof *journal);
    void *memory = mmap(NULL, sizeof(struct image), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (journal == NULL || memory == MAP_FAILED || !init_turn(&journal->turn)) {
        if (memory != MAP_FAILED) {
            (void)munmap(memory, sizeof(struct image));
        }
        free(journal);
        return NULL;
    }
    journal->log = log;
    journal->workers = workers;
    journal->crash_limit = crash_limit;
    journal->fd = -1;
    journal->image = memory;
    blank(journal->image);
    return journal;
}

static bool has_name(const struct journal *journal, const char *name)
{
    for (unsigned i = 0; i < journal->plugin_count; i++) {
        if (strcmp(journal->image->plugins[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

unsigned journal_add_plugin(struct journal *journal, const char *what, const char *file)
{
    struct plugin *plugin = &journal->image->plugins[journal->plugin_count];
    struct stat st;
    if (journal->plugin_count == JOURNAL_PLUGINS - 1) { /* these are not told apart */
        (void)snprintf(plugin->name, sizeof plugin->name, "a plugin");
        return journal->plugin_count;
    }
    (void)snprintf(plugin->name, sizeof plugin->name, "%s", what);
    for (unsigned same = 2; has_name(journal, plugin->name); same++) {
        (void)snprintf(plugin->name, sizeof plugin->name, "%.80s (%u)", what, same);
    }
    if (stat(file, &st) == 0) {
        plugin->build = (uint64_t)st.st_mtim.tv_sec * UINT64_C(1000000000) + (uint64_t)st.st_mtim.tv_nsec +
                        ((uint64_t)st.st_size << 32);
    }
    return journal->plugin_count++;
}

const char *journal_plugin(const struct journal *journal, unsigned plugin)
{
    return journal->image->plugins[plugin].name;
}

void journal_close(struct journal *journal, bool clean)
{
    if (journal == NULL) {
        return;
    }
    for (unsigned i = 0; clean && i < JOURNAL_ENTRIES; i++) {
        struct entry *entry = &journal->image->entries[i];
        if (entry->kind == ENTRY_BATCH || entry->answered != 0) {
            atomic_store_explicit(&entry->kind, ENTRY_FREE, memory_order_release);
        }
    }
    (void)munmap(journal->image, sizeof *journal->image);
    if (journal->fd >= 0) {
        (void)close(journal->fd);
    }
    (void)pthread_rwlock_destroy(&journal->turn);
    free(journal);
}

/* ---- entries ---- */

static bool is_poison(const struct journal *journal, const struct entry *entry)
{
    return entry->deaths >= journal->crash_limit;
}

static void fit_topic(char out[JOURNAL_TOPIC_SIZE], const char *topic)
{
    size_t len = strlen(topic);
    if (len < JOURNAL_TOPIC_SIZE) {
        memcpy(out, topic, len + 1);
    } else {
        (void)snprintf(out, JOURNAL_TOPIC_SIZE, "%.230s...%016" PRIx64, topic, XXH3_64bits(topic, len));
    }
}

static bool is_topic(const struct entry *entry, const char *topic)
{
    char fitting[JOURNAL_TOPIC_SIZE];
    fit_topic(fitting, topic); /* which leaves alone what it made */
    return strcmp(entry->topic, fitting) == 0;
}

/* ---- what ended runs have left ---- */

static bool is_text(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

static bool is_sound(const struct image *image)
{
    bool ok = memcmp(image->magic, MAGIC, sizeof image->magic) == 0 && image->version == VERSION &&
              image->size == sizeof *image && image->hung <= JOURNAL_WORKERS;
    for (unsigned i = 0; ok && i < JOURNAL_PLUGINS; i++) {
        ok = is_text(image->plugins[i].name, JOURNAL_PLUGIN_SIZE);
    }
    for (unsigned i = 0; ok && i < JOURNAL_ENTRIES; i++) {
        const struct entry *entry = &image->entries[i];
        ok = entry->kind <= ENTRY_BATCH && is_text(entry->topic, JOURNAL_TOPIC_SIZE) &&
             is_text(entry->plugin.name, JOURNAL_PLUGIN_SIZE);
    }
    for (unsigned i = 0; ok && i < JOURNAL_WORKERS; i++) {
        ok = image->slots[i].plugin < JOURNAL_PLUGINS && is_text(image->slots[i].topic, JOURNAL_TOPIC_SIZE);
    }
    return ok;
}

/* The number of a plugin that this run has too, in the same build; -1: it has not. */
static int same_plugin(const struct journal *journal, const struct plugin *plugin)
{
    for (unsigned i = 0; i < journal->plugin_count; i++) {
        const struct plugin *one = &journal->image->plugins[i];
        if (one->build == plugin->build && strcmp(one->name, plugin->name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

/* Room for one more: the oldest is forgotten where there is none. */
static struct entry *new_entry(struct image *image)
{
    struct entry *entries = image->entries;
    for (unsigned i = 0; i < JOURNAL_ENTRIES; i++) {
        if (entries[i].kind == ENTRY_FREE) {
            return &entries[i];
        }
    }
    memmove((void *)entries, (const void *)(entries + 1), (JOURNAL_ENTRIES - 1) * sizeof *entries);
    return &entries[JOURNAL_ENTRIES - 1];
}

/* Adds the deaths of `from` to those that are known. Nothing is held against plugins that are gone or were built anew.
 * The entry, or NULL. */
static const struct entry *merge(struct journal *journal, const struct entry *from)
{
    struct entry *entry;
    if (same_plugin(journal, &from->plugin) < 0) {
        return NULL;
    }
    for (unsigned i = 0; i < JOURNAL_ENTRIES; i++) {
        entry = &journal->image->entries[i];
        if (entry->kind == from->kind && entry->offset == from->offset && entry->partition == from->partition &&
            strcmp(entry->topic, from->topic) == 0 && strcmp(entry->plugin.name, from->plugin.name) == 0) {
            entry->deaths += from->deaths;
            return entry;
        }
    }
    entry = new_entry(journal->image);
    memcpy((void *)entry, (const void *)from, sizeof *entry);
    return entry;
}

static void warn_of_death(const struct journal *journal, const struct entry *entry, uint32_t records, bool hung)
{
    char what_follows[96];
    if (entry->kind == ENTRY_BATCH) {
        log_printf(journal->log, CHURN_LOG_WARN, "churnd",
                   "the last run ended while %s was given %" PRIu32 " records, the last of them %s/%d offset %" PRId64
                   "; it gets them one by one now, which will tell which it is",
                   entry->plugin.name, records, entry->topic, entry->partition, entry->offset);
        return;
    }
    if (is_poison(journal, entry)) {
        (void)snprintf(what_follows, sizeof what_follows, "the event goes to the dead letters");
    } else {
        (void)snprintf(what_follows, sizeof what_follows, "after %u times the event goes to the dead letters",
                       journal->crash_limit);
    }
    log_printf(journal->log, CHURN_LOG_WARN, "churnd",
               "the last run ended while %s %s %s/%d offset %" PRId64 " (%" PRIu32 " of %u times); %s",
               entry->plugin.name, hung ? "did not return from" : "worked on", entry->topic, entry->partition,
               entry->offset, entry->deaths, journal->crash_limit, what_follows);
}

static void take_over(struct journal *journal, const struct image *old)
{
    for (unsigned i = 0; i < JOURNAL_ENTRIES; i++) {
        if (old->entries[i].kind != ENTRY_FREE) {
            (void)merge(journal, &old->entries[i]);
        }
    }
    for (unsigned i = 0; i < JOURNAL_WORKERS; i++) {
        const struct journal_slot *slot = &old->slots[i];
        struct entry death = {.kind = slot->records > 1 ? ENTRY_BATCH : ENTRY_EVENT,
                              .deaths = 1,
                              .offset = slot->offset,
                              .partition = slot->partition,
                              .plugin = old->plugins[slot->plugin]};
        const struct entry *entry;
        if (slot->call == 0 || (old->hung != 0 && old->hung != i + 1)) {
            continue;
        }
        memcpy(death.topic, slot->topic, sizeof death.topic);
        entry = merge(journal, &death);
        if (entry != NULL) {
            warn_of_death(journal, entry, slot->records, old->hung != 0);
        }
    }
}

/* Takes over one file, which is locked. */
static void read_file(struct journal *journal, int fd, struct image *scratch)
{
    struct stat st;
    ssize_t got;
    if (fstat(fd, &st) != 0 || (S_ISREG(st.st_mode) && st.st_size == 0)) {
        return;
    }
    got = S_ISREG(st.st_mode) ? pread(fd, scratch, sizeof *scratch, 0) : -1;
    if (got == (ssize_t)sizeof *scratch && st.st_size == got && is_sound(scratch)) {
        take_over(journal, scratch);
    } else {
        log_line(journal->log, CHURN_LOG_WARN, "churnd",
                 "a journal of crashes in the state folder is damaged or of another version; it begins anew");
    }
}

/* What the run goes by, once no entry comes any more. */
static void count_entries(struct journal *journal)
{
    for (unsigned i = 0; i < JOURNAL_ENTRIES && journal->image->entries[i].kind != ENTRY_FREE; i++) {
        const struct entry *entry = &journal->image->entries[i];
        journal->seen[i].plugin = (unsigned)same_plugin(journal, &entry->plugin);
        journal->suspects += entry->kind == ENTRY_EVENT && !is_poison(journal, entry);
        journal->entries = journal->entry_room = i + 1;
    }
}

/* All of it, or false with errno and an empty file. */
static bool write_image(int fd, const struct image *image)
{
    const char *bytes = (const char *)image;
    size_t at = 0;
    ssize_t n = 1;
    while (at < sizeof *image && n > 0) {
        n = pwrite(fd, bytes + at, sizeof *image - at, (off_t)at);
        at += n > 0 ? (size_t)n : 0;
    }
    if (at < sizeof *image) {
        int failed = errno;
        if (ftruncate(fd, 0) != 0) {
            at = 0; /* what is left is found to be damaged by the next run */
        }
        errno = failed;
    }
    return at == sizeof *image;
}

/* Writes what is in memory to the file and goes on in it. */
static bool map_file(struct journal *journal, int fd)
{
    void *memory;
    if (!write_image(fd, journal->image) || ftruncate(fd, sizeof *journal->image) != 0) {
        return false;
    }
    memory = mmap(NULL, sizeof *journal->image, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        return false;
    }
    (void)munmap(journal->image, sizeof *journal->image);
    journal->image = memory;
    journal->fd = fd;
    return true;
}

/* Locks and takes over every file that no other process has, one of which is made where there is none. How many; 0 with
 * errno. */
static unsigned lock_files(struct journal *journal, const char *folder, const char *pipeline, int fds[JOURNAL_FILES])
{
    struct image *scratch = aligned_alloc(_Alignof(struct image), sizeof *scratch);
    unsigned count = 0;
    int failed = EUSERS;
    for (unsigned n = 0; scratch != NULL && n < JOURNAL_FILES; n++) {
        int fd = journal_lock(folder, pipeline, n, count == 0);
        if (fd >= 0) {
            read_file(journal, fd, scratch);
            fds[count++] = fd;
        } else if (count == 0 && errno != EWOULDBLOCK) {
            failed = errno;
            break; /* the next one would be no better */
        }
    }
    errno = scratch != NULL ? failed : ENOMEM;
    free(scratch);
    return count;
}

/* Goes on in the first file, which then holds what the others did. False with errno. */
static bool open_files(struct journal *journal, const char *folder, const char *pipeline)
{
    int fds[JOURNAL_FILES], failed;
    unsigned count = lock_files(journal, folder, pipeline, fds);
    bool ok = count > 0 && map_file(journal, fds[0]);
    failed = errno;
    for (unsigned i = ok; i < count; i++) {
        if (ok && ftruncate(fds[i], 0) != 0) {
            log_line(journal->log, CHURN_LOG_WARN, "churnd", "a journal cannot be emptied; its crashes count again");
        }
        (void)close(fds[i]);
    }
    errno = failed;
    return ok;
}

void journal_open(struct journal *journal, const char *dir, const char *pipeline)
{
    char folder[PATH_MAX], message[PATH_MAX + 128];
    bool ok = journal_folder(dir, folder, message, sizeof message);
    if (ok && !open_files(journal, folder, pipeline)) {
        (void)snprintf(message, sizeof message, "no journal can be written in %s: %s", folder,
                       errno != 0 ? strerror(errno) : "what has the name of the journal is no regular file");
        ok = false;
    }
    if (!ok) {
        log_printf(journal->log, CHURN_LOG_WARN, "churnd",
                   "%s; an event that crashes a plugin will not be found out (set state_dir)", message);
    } else if (message[0] != '\0') {
        log_printf(journal->log, CHURN_LOG_WARN, "churnd", "%s (set state_dir)", message);
    }
    count_entries(journal);
}

/* ---- in the run ---- */

void journal_sit(struct journal *journal, unsigned worker, struct journal_seat *seat)
{
    *seat = (struct journal_seat){
        .journal = journal, .slot = &journal->image->slots[worker], .entries = &journal->entries, .suspect = NO_ENTRY};
}

void journal_move(struct journal_seat *seat, const char *topic, int32_t partition)
{
    fit_topic(seat->slot->topic, topic);
    seat->slot->partition = partition;
    seat->topic = topic;
    seat->partition = partition;
}

/* The entry of one event at one plugin. */
static int find(const struct journal *journal, unsigned plugin, const char *topic, int32_t partition, int64_t offset)
{
    for (unsigned i = 0; i < journal->entry_room; i++) {
        const struct entry *entry = &journal->image->entries[i];
        if (entry->offset == offset && entry->partition == partition &&
            atomic_load_explicit(&entry->kind, memory_order_acquire) == ENTRY_EVENT &&
            journal->seen[i].plugin == plugin && is_topic(entry, topic)) {
            return (int)i;
        }
    }
    return NO_ENTRY;
}

static void drop(struct journal *journal, unsigned i)
{
    uint32_t kind = atomic_exchange(&journal->image->entries[i].kind, ENTRY_FREE);
    if (kind != ENTRY_FREE) {
        journal->suspects -= kind == ENTRY_EVENT;
        journal->entries--;
    }
}

bool journal_admit(struct journal_seat *seat, unsigned plugin, int64_t offset)
{
    struct journal *journal = seat->journal;
    int i = find(journal, plugin, seat->slot->topic, seat->partition, offset);
    if (i != NO_ENTRY && is_poison(journal, &journal->image->entries[i])) {
        if (!atomic_exchange(&journal->seen[i].met, true)) {
            log_printf(journal->log, CHURN_LOG_ERROR, "churnd",
                       "%s/%d offset %" PRId64 " ended the process %u times while %s had it; it goes to the dead "
                       "letters, from where `churnd redrive` sends it again once the plugin is mended",
                       seat->slot->topic, seat->partition, offset, journal->image->entries[i].deaths,
                       journal_plugin(journal, plugin));
        }
        return false;
    }
    seat->watched = true;
    seat->suspect = i;
    seat->locked = journal->suspects > 0;
    if (seat->locked) {
        (void)(i != NO_ENTRY ? pthread_rwlock_wrlock(&journal->turn) : pthread_rwlock_rdlock(&journal->turn));
    }
    return true;
}

/* A batch whose last record has passed may still end otherwise: with several partitions the order of a batch is not
 * that of the last run. So it is watched a little longer. */
static void note_batches(struct journal *journal, const struct journal_slot *slot)
{
    for (unsigned i = 0; i < journal->entry_room; i++) {
        const struct entry *entry = &journal->image->entries[i];
        if (entry->kind == ENTRY_BATCH && journal->seen[i].plugin == slot->plugin &&
            entry->partition == slot->partition && entry->offset <= slot->offset && is_topic(entry, slot->topic) &&
            journal->seen[i].passed_ms == 0) {
            journal->seen[i].passed_ms = clock_monotonic_ms();
        }
    }
}

void journal_passed(struct journal_seat *seat, bool handled)
{
    struct journal *journal = seat->journal;
    if (seat->locked) {
        (void)pthread_rwlock_unlock(&journal->turn);
    }
    if (handled && seat->suspect != NO_ENTRY) {
        drop(journal, (unsigned)seat->suspect);
    }
    if (handled) {
        note_batches(journal, seat->slot);
    }
    seat->suspect = NO_ENTRY;
    seat->watched = seat->locked = false;
}

unsigned journal_deaths(const struct journal_seat *seat, unsigned plugin, const char *topic, int32_t partition,
                        int64_t offset)
{
    int i = find(seat->journal, plugin, topic, partition, offset);
    return i != NO_ENTRY ? seat->journal->image->entries[i].deaths : 0;
}

bool journal_careful(const struct journal_seat *seat, unsigned plugin)
{
    struct journal *journal = seat->journal;
    bool careful = false;
    for (unsigned i = 0; atomic_load_explicit(seat->entries, memory_order_relaxed) != 0 && i < journal->entry_room;
         i++) {
        if (journal->image->entries[i].kind == ENTRY_BATCH && journal->seen[i].plugin == plugin) {
            int64_t passed_ms = journal->seen[i].passed_ms;
            if (passed_ms != 0 && clock_monotonic_ms() - passed_ms > CAREFUL_MS) {
                drop(journal, i);
            } else {
                careful = true;
            }
        }
    }
    return careful;
}

void journal_done(const struct journal_seat *seat, const char *topic, int32_t partition, int64_t next)
{
    struct journal *journal = seat->journal;
    for (unsigned i = 0; atomic_load_explicit(seat->entries, memory_order_relaxed) != 0 && i < journal->entry_room;
         i++) {
        struct entry *entry = &journal->image->entries[i];
        if (entry->kind == ENTRY_EVENT && entry->partition == partition && entry->offset < next &&
            is_topic(entry, topic)) {
            if (is_poison(journal, entry)) {
                entry->answered = 1; /* and kept: the source may not know yet that it is done */
            } else {
                drop(journal, i);
            }
        }
    }
}

/* ---- the look at the workers ---- */

bool journal_hung(struct journal *journal, int64_t now_ms, int64_t limit_ms, char *message, size_t size)
{
    int64_t since = now_ms - journal->last_look_ms;
    journal->last_look_ms = now_ms;
    for (unsigned i = 0; i < journal->workers; i++) {
        const struct journal_slot *slot = &journal->image->slots[i];
        struct look *look = &journal->looks[i];
        uint64_t call = atomic_load_explicit(&slot->call, memory_order_acquire);
        if (call == 0 || call != look->call) {
            *look = (struct look){.call = call};
            continue;
        }
        look->held_ms += since < MOST_PER_LOOK_MS ? since : MOST_PER_LOOK_MS;
        if (look->held_ms > limit_ms) {
            (void)snprintf(message, size, "%s has not returned from %s/%d offset %" PRId64 " for %" PRId64 " s",
                           journal_plugin(journal, slot->plugin), slot->topic, slot->partition, (int64_t)slot->offset,
                           look->held_ms / 1000);
            journal->image->hung = i + 1;
            return true;
        }
    }
    return false;
}

bool journal_held(const struct journal *journal, unsigned worker, char *message, size_t size)
{
    const struct journal_slot *slot = &journal->image->slots[worker];
    if (atomic_load_explicit(&slot->call, memory_order_acquire) == 0) {
        return false;
    }
    (void)snprintf(message, size, "%s worked on %s/%d offset %" PRId64, journal_plugin(journal, slot->plugin),
                   slot->topic, slot->partition, (int64_t)slot->offset);
    return true;
}
