#include "audit/audit.h"

#include "base/clock.h"
#include "base/decimal.h"
#include "base/refuse.h"
#include <churn/time.h>
#include <errno.h>
#include <pthread.h>
#include <pwd.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define KEPT_MAX 64                     /* acts that wait to be written */
#define SEEN_MAX 64                     /* acts that are known to be repeats */
#define SEEN_MS (10 * 60 * 1000)        /* for so long */
#define LOOK_MS 1000                    /* between looks at the disk */
#define SLOW_MS 10000                   /* after which a line that is being written counts as stuck */
#define ROOM_BYTES (4 * CHAIN_MAX_LINE) /* that the disk must have */
#define USER_SIZE 64

struct seen {
    unsigned char act[16]; /* a hash of it */
    int64_t at_ms;         /* 0: free */
};

struct audit {
    struct log *log;
    char *path;
    char *pipeline;
    struct key key;
    char user[USER_SIZE], login[USER_SIZE + 32]; /* of this process; "": not known */
    int64_t busy_ms;                             /* main's: since when each look found a line being written; 0: not */
    pthread_mutex_t shown_lock;                  /* held for moments alone, unlike `lock` while a disk is slow */
    struct chain_head shown_head;                /* as it was when a line was last written or tried */
    bool shown_writable;
    pthread_mutex_t lock;   /* of all below */
    struct chain_head head; /* number 0: nothing was written or read yet */
    char *kept[KEPT_MAX];   /* members of lines */
    unsigned kept_count, lost;
    struct seen seen[SEEN_MAX];
    int64_t looked_ms;
    bool look_failed;  /* the last look: the next line may well not be written */
    int64_t failed_ms; /* since when lines cannot be written, by the wall clock; 0: they can */
    unsigned refused;  /* acts since then */
    char failure[TRAIL_MESSAGE_SIZE];
};

/* ---- who ---- */

static void name_user(uid_t uid, char ret[USER_SIZE])
{
    struct passwd entry, *found = NULL;
    char room[4096];
    ret[0] = '\0';
    if (getpwuid_r(uid, &entry, room, sizeof room, &found) == 0 && found != NULL) {
        (void)snprintf(ret, USER_SIZE, "%s", entry.pw_name);
    }
}

static void append_user(struct text *out, const char *user)
{
    if (*user != '\0') {
        text_append_string(out, ",\"user\":");
        text_append_json(out, user, strlen(user));
    }
}

/* Who logged in, whatever user that became since, as by sudo; where the kernel keeps that. */
static void find_login(char *ret, size_t size)
{
    char text[16] = "", name[USER_SIZE];
    FILE *in = fopen("/proc/self/loginuid", "re");
    size_t len = in != NULL ? fread(text, 1, sizeof text - 1, in) : 0;
    int64_t uid;
    ret[0] = '\0';
    if (in != NULL) {
        (void)fclose(in);
    }
    if (decimal_parse_int64(text, len, &uid) && uid >= 0 && uid < UINT32_MAX) { /* the largest one is nobody */
        name_user((uid_t)uid, name);
        (void)snprintf(ret, size, *name != '\0' ? "%s" : "%.0s%lld", name, (long long)uid);
    }
}

static void append_who(struct text *out, const struct audit *audit, const struct audit_act *act)
{
    if (act->address != NULL) {
        text_append_string(out, ",\"who\":{\"address\":");
        text_append_json(out, act->address, strlen(act->address));
        text_append_string(out, ",\"token\":true}");
    } else if (act->peer != NULL) {
        char user[USER_SIZE];
        name_user(act->peer->uid, user);
        text_printf(out, ",\"who\":{\"uid\":%u", (unsigned)act->peer->uid);
        append_user(out, user);
        text_printf(out, ",\"pid\":%d}", (int)act->peer->pid);
    } else {
        text_printf(out, ",\"who\":{\"uid\":%u", (unsigned)geteuid());
        append_user(out, audit->user);
        if (*audit->login != '\0') {
            text_append_string(out, ",\"login\":");
            text_append_json(out, audit->login, strlen(audit->login));
        }
        text_printf(out, ",\"pid\":%d}", (int)getpid());
    }
}

/* ---- what ---- */

void audit_hash(const struct key *key, const char *customer, char ret[AUDIT_HASH_SIZE])
{
    unsigned char hash[(AUDIT_HASH_SIZE - 1) / 2];
    const churn_str part = churn_text(customer);
    key_hash(key, "audit customer", &part, 1, hash, sizeof hash);
    (void)sodium_bin2hex(ret, AUDIT_HASH_SIZE, hash, sizeof hash);
}

/* All but the time: a repeat has the same. */
static void append_act(struct text *out, const struct audit *audit, const struct audit_act *act)
{
    char hash[AUDIT_HASH_SIZE];
    text_printf(out, "\"action\":\"%s\",\"pipeline\":", act->action);
    text_append_json(out, audit->pipeline, strlen(audit->pipeline));
    append_who(out, audit, act);
    if (act->by != NULL) {
        text_printf(out, ",\"by\":\"%s\"", act->by);
    }
    if (act->customer != NULL) {
        audit_hash(&audit->key, act->customer, hash);
        text_printf(out, ",\"customer\":\"%s\"", hash);
    }
    if (act->details != NULL) {
        text_append_string(out, ",");
        text_append_string(out, act->details);
    }
}

/* The members of its line, NUL-terminated, to be freed; NULL when memory ran out. */
static char *members_of(const struct text *act)
{
    struct text members = {0};
    char time[CHURN_TIME_SIZE];
    churn_time_format(clock_wall_ms(), time);
    text_printf(&members, "\"time\":\"%s\",", time);
    text_append(&members, act->bytes, act->len);
    text_append(&members, "", 1);
    if (members.failed || act->failed) {
        text_free(&members);
    }
    return members.bytes;
}

/* ---- writing; the lock is held ---- */

static void tell_found(const struct audit *audit, enum trail_found found)
{
    if (found == TRAIL_CUT) {
        log_printf(audit->log, CHURN_LOG_ERROR, "audit",
                   "the end of '%s' is not where it had been: lines were removed or changed; `churnd audit verify` "
                   "tells which",
                   audit->path);
    } else if (found == TRAIL_TORN) {
        log_printf(audit->log, CHURN_LOG_WARN, "audit",
                   "the last line of '%s' was not whole, as after a crash; it was taken out, and a line says so",
                   audit->path);
    }
}

static bool append(struct audit *audit, const char *members)
{
    enum trail_found found = TRAIL_WHOLE;
    bool ok = members != NULL && trail_append(audit->path, &audit->key, members, &audit->head, &found, audit->failure,
                                              sizeof audit->failure);
    if (members == NULL) {
        (void)snprintf(audit->failure, sizeof audit->failure, "out of memory");
    }
    if (ok) {
        tell_found(audit, found);
    } else if (audit->failed_ms == 0) {
        audit->failed_ms = clock_wall_ms();
    }
    return ok;
}

/* Takes `members`. */
static void keep(struct audit *audit, char *members)
{
    if (members == NULL || audit->kept_count == KEPT_MAX) {
        audit->lost++;
        free(members);
    } else {
        audit->kept[audit->kept_count++] = members;
    }
}

static bool write_kept(struct audit *audit)
{
    unsigned done = 0;
    while (done < audit->kept_count && append(audit, audit->kept[done])) {
        free(audit->kept[done++]);
    }
    audit->kept_count -= done;
    memmove((void *)audit->kept, (const void *)(audit->kept + done), audit->kept_count * sizeof audit->kept[0]);
    return audit->kept_count == 0;
}

/* That, for how long, and how much was refused, is a line of its own. */
static bool write_recovered(struct audit *audit)
{
    struct text act = {0};
    char since[CHURN_TIME_SIZE], details[160];
    char *members;
    bool ok;
    churn_time_format(audit->failed_ms, since);
    (void)snprintf(details, sizeof details, "\"since\":\"%s\",\"refused\":%u,\"lost\":%u", since, audit->refused,
                   audit->lost);
    append_act(&act, audit, &(struct audit_act){.action = "writable", .details = details});
    members = members_of(&act);
    ok = append(audit, members);
    if (ok) {
        audit->failed_ms = 0;
        audit->refused = audit->lost = 0;
    }
    free(members);
    text_free(&act);
    return ok;
}

/* In order: nothing is written before what was kept. */
static bool catch_up(struct audit *audit)
{
    return write_kept(audit) && (audit->failed_ms == 0 || write_recovered(audit));
}

static bool is_writable(const struct audit *audit)
{
    return audit->failed_ms == 0 && audit->kept_count == 0 && !audit->look_failed;
}

/* For those who must not wait until a line is on the disk; then lets go of the lock. */
static void show_and_unlock(struct audit *audit)
{
    (void)pthread_mutex_lock(&audit->shown_lock);
    audit->shown_head = audit->head;
    audit->shown_writable = is_writable(audit);
    (void)pthread_mutex_unlock(&audit->shown_lock);
    (void)pthread_mutex_unlock(&audit->lock);
}

/* Whether it is a repeat; if not, it will be. */
static bool was_seen(struct audit *audit, const struct text *act)
{
    const churn_str part = {.ptr = act->bytes, .len = (uint32_t)act->len};
    struct seen *oldest = audit->seen;
    int64_t now_ms = clock_monotonic_ms();
    unsigned char hash[sizeof oldest->act];
    key_hash(&audit->key, "audit repeat", &part, 1, hash, sizeof hash);
    for (struct seen *seen = audit->seen; seen < audit->seen + SEEN_MAX; seen++) {
        if (seen->at_ms != 0 && now_ms - seen->at_ms < SEEN_MS && memcmp(seen->act, hash, sizeof hash) == 0) {
            return is_writable(audit); /* else it is tried, and refused where its line is */
        }
        oldest = seen->at_ms < oldest->at_ms ? seen : oldest;
    }
    memcpy(oldest->act, hash, sizeof hash);
    oldest->at_ms = now_ms;
    return false;
}

static void forget_seen(struct audit *audit)
{
    memset(audit->seen, 0, sizeof audit->seen);
}

bool audit_write(struct audit *audit, const struct audit_act *act, char *message, size_t size)
{
    struct text text = {0};
    char *members;
    bool ok = true;
    if (audit == NULL) {
        return true;
    }
    append_act(&text, audit, act);
    members = members_of(&text);
    (void)pthread_mutex_lock(&audit->lock);
    if (!act->as_before || members == NULL || !was_seen(audit, &text)) {
        ok = catch_up(audit) && append(audit, members);
        if (!ok) {
            audit->refused++;
            forget_seen(audit);
            (void)snprintf(message, size, "%s", audit->failure);
        }
    }
    show_and_unlock(audit);
    free(members);
    text_free(&text);
    return ok;
}

bool audit_note(struct audit *audit, const struct audit_act *act)
{
    struct text text = {0};
    char *members;
    bool ok;
    if (audit == NULL) {
        return true;
    }
    append_act(&text, audit, act);
    members = members_of(&text);
    (void)pthread_mutex_lock(&audit->lock);
    ok = catch_up(audit) && append(audit, members);
    if (ok) {
        free(members);
    } else {
        keep(audit, members);
    }
    show_and_unlock(audit);
    text_free(&text);
    return ok;
}

/* ---- whether lines can be written ---- */

/* A disk that is nearly full is told of before the first act is refused. False with `failure`. */
static bool has_room(struct audit *audit)
{
    char folder[PATH_MAX];
    struct statvfs disk;
    int result = statvfs(audit->path, &disk);
    if (result != 0 && errno == ENOENT) { /* it was just rotated */
        trail_folder(audit->path, folder);
        result = statvfs(folder, &disk);
    }
    if (result != 0) {
        return refuse(audit->failure, sizeof audit->failure, "the disk of the audit '%s' cannot be looked at: %s",
                      audit->path, strerror(errno));
    }
    if (disk.f_blocks > 0 && /* else it does not tell */
        disk.f_bavail * disk.f_frsize < ROOM_BYTES) {
        return refuse(audit->failure, sizeof audit->failure, "the disk of the audit '%s' is full", audit->path);
    }
    return true;
}

/* Before anybody asks for a line. */
static bool look(struct audit *audit)
{
    bool ok = has_room(audit) && trail_try(audit->path, audit->failure, sizeof audit->failure);
    audit->look_failed = !ok;
    if (!ok) {
        forget_seen(audit);
    }
    return ok;
}

/* A line is being written by another thread, as at the look before. */
static void look_at_writing(struct audit *audit, struct stalls *stalls, const struct stall_place *place, int64_t now_ms)
{
    audit->busy_ms = audit->busy_ms == 0 ? now_ms : audit->busy_ms;
    if (now_ms - audit->busy_ms >= SLOW_MS) {
        stalls_begin(stalls, place, "audit", CHURN_LOG_ERROR,
                     "a line of the audit does not get onto its disk; customers' data are shown to nobody meanwhile");
    }
}

void audit_look(struct audit *audit, struct stalls *stalls)
{
    const struct stall_place place = {.owner = audit, .plugin = "churnd"};
    char failure[TRAIL_MESSAGE_SIZE + 64];
    int64_t now_ms = clock_monotonic_ms();
    bool ok;
    if (audit == NULL || now_ms - audit->looked_ms < LOOK_MS) {
        return;
    }
    audit->looked_ms = now_ms;
    if (pthread_mutex_trylock(&audit->lock) != 0) { /* main has more to do than to wait for a disk */
        look_at_writing(audit, stalls, &place, now_ms);
        return;
    }
    audit->busy_ms = 0;
    ok = look(audit) && catch_up(audit);
    (void)snprintf(failure, sizeof failure, "%s; customers' data are shown to nobody", audit->failure);
    show_and_unlock(audit);
    if (ok) {
        stalls_end(stalls, &place, "audit", "acts are audited again");
    } else {
        stalls_begin(stalls, &place, "audit", CHURN_LOG_ERROR, failure);
    }
}

bool audit_state(struct audit *audit, struct chain_head *ret_head)
{
    bool writable;
    (void)pthread_mutex_lock(&audit->shown_lock);
    *ret_head = audit->shown_head;
    writable = audit->shown_writable;
    (void)pthread_mutex_unlock(&audit->shown_lock);
    return writable;
}

/* ---- main's ---- */

void audit_key(const struct pipeline *pipeline, struct key *ret)
{
    char message[256];
    (void)key_parse(pipeline->audit_settings.key, ret, message, sizeof message); /* it was tried when it was read */
}

struct audit *audit_new(const struct pipeline *pipeline, char *message, size_t size)
{
    struct audit *audit;
    message[0] = '\0';
    if (pipeline->audit_settings.path == NULL) {
        return NULL;
    }
    audit = calloc(1, sizeof *audit);
    if (audit == NULL || pthread_mutex_init(&audit->lock, NULL) != 0) {
        free(audit);
        (void)snprintf(message, size, "out of memory");
        return NULL;
    }
    (void)pthread_mutex_init(&audit->shown_lock, NULL); /* cannot fail where the other did not */
    audit->shown_writable = true;
    audit->log = pipeline->log;
    audit->path = strdup(pipeline->audit_settings.path);
    audit->pipeline = strdup(pipeline->settings.name);
    if (audit->path == NULL || audit->pipeline == NULL) {
        audit_free(audit);
        (void)snprintf(message, size, "out of memory");
        return NULL;
    }
    audit_key(pipeline, &audit->key);
    name_user(geteuid(), audit->user);
    find_login(audit->login, sizeof audit->login);
    return audit;
}

void audit_free(struct audit *audit)
{
    if (audit == NULL) {
        return;
    }
    for (unsigned i = 0; i < audit->kept_count; i++) {
        free(audit->kept[i]);
    }
    key_wipe(&audit->key);
    (void)pthread_mutex_destroy(&audit->lock);
    (void)pthread_mutex_destroy(&audit->shown_lock);
    free(audit->path);
    free(audit->pipeline);
    free(audit);
}
