#include "cli/explain_guard.h"

#include "base/printable.h"
#include "cli/printed.h"
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* Positions are told apart by a hash of their partition: a child numbers partitions in an order of its own. */
static uint64_t hash_of(const struct explain *e, uint32_t part)
{
    churn_str name = parts_name(&e->worker->parts.items[part]);
    return XXH3_64bits(name.ptr, name.len);
}

void explain_guard_enter(struct explain *e, uint32_t part, int64_t offset)
{
    e->guard->inside = (struct explain_place){.partition = hash_of(e, part), .offset = offset, .is = true};
}

void explain_guard_leave(struct explain *e)
{
    e->guard->inside.is = false;
}

const char *explain_guard_death(const struct explain *e, uint32_t part, int64_t offset)
{
    uint64_t hash = e->death_count > 0 ? hash_of(e, part) : 0;
    for (unsigned i = 0; i < e->death_count; i++) {
        if (e->deaths[i].place.partition == hash && e->deaths[i].place.offset == offset) {
            return e->deaths[i].plugin;
        }
    }
    return NULL;
}

/* Notes at which event the child ended; false when it was at none, or there were too many. */
static bool note_death(struct explain *e)
{
    struct explain_death *death = &e->deaths[e->death_count];
    char held[512];
    char *end;
    if (!e->guard->inside.is || e->death_count == EXPLAIN_DEATHS ||
        !journal_held(e->pipeline->journal, 0, held, sizeof held)) {
        return false;
    }
    end = strstr(held, " worked on ");
    (void)snprintf(death->plugin, sizeof death->plugin, "%.*s", end != NULL ? (int)(end - held) : (int)strlen(held),
                   held);
    death->place = e->guard->inside;
    e->death_count++;
    e->guard->inside.is = false;
    return true;
}

/* The child's part: never returns. */
static void be_child(struct explain *e, int (*work)(struct explain *e))
{
    int status;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    status = work(e);
    status = printed_end() ? status : 1;
    e->guard->done = true;
    _exit(status);
}

static bool wait_for(pid_t child, int *ret_status)
{
    while (waitpid(child, ret_status, 0) != child) {
        if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

/* One child after the other, until one comes to its end. */
static int run_children(struct explain *e, int (*work)(struct explain *e))
{
    for (;;) {
        int status = 0;
        pid_t child;
        (void)fflush(stdout);
        child = fork();
        if (child == 0) {
            be_child(e, work);
        }
        if (child < 0 || !wait_for(child, &status)) {
            printable_line(stderr, "churnd: explain: a process cannot be made: %s", strerror(errno));
            return 1;
        }
        if (e->guard->done) {
            return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
        }
        if (!note_death(e)) {
            printable_line(stderr, "churnd: explain: the process that read was ended%s%s",
                           WIFSIGNALED(status) ? ": " : "", WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "");
            return 1;
        }
    }
}

int explain_guard_run(struct explain *e, int (*work)(struct explain *e))
{
    int status = 1;
    void *shared = mmap(NULL, sizeof *e->guard, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        printable_line(stderr, "churnd: explain: out of memory");
        return status;
    }
    e->guard = shared;
    status = run_children(e, work);
    (void)munmap(shared, sizeof *e->guard);
    e->guard = NULL;
    return status;
}
