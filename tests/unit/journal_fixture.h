/* Runs that died in a plugin, as the journal of crashes tells the next one. */
#ifndef TESTS_UNIT_JOURNAL_FIXTURE_H
#define TESTS_UNIT_JOURNAL_FIXTURE_H

#include "check.h"
#include <sys/wait.h>
#include <unistd.h>

static char state_dir[128]; /* of the journal; "": it is in memory alone */

/* For the journals that follow. */
static inline void keep_journal(void)
{
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(state_dir, sizeof state_dir, "%s/churn-state-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(state_dir) == NULL) {
        abort();
    }
}

static inline void forget_journal(void)
{
    char command[160];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", state_dir);
    CU_ASSERT_EQUAL(system(command), 0);
    state_dir[0] = '\0';
}

/* A process that ends in the middle of what `fn` does. */
static inline void die_in(void (*fn)(const void *ctx), const void *ctx)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        fn(ctx);
        _exit(7);
    }
    CU_ASSERT(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

#endif
