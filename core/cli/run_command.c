/* `churnd run`. */
#include "cli/commands.h"

#include "engine/run.h"
#include "pipeline/load.h"
#include <signal.h>
#include <unistd.h>

/* What comes while the file is read is for the run. SIGTERM and SIGINT would end the process, but the first one of a
 * container, to which their default action does nothing. */
static void keep_early_signals(void)
{
    sigset_t early;
    (void)sigemptyset(&early);
    (void)sigaddset(&early, SIGHUP);
    if (getpid() == 1) {
        (void)sigaddset(&early, SIGTERM);
        (void)sigaddset(&early, SIGINT);
    }
    (void)pthread_sigmask(SIG_BLOCK, &early, NULL);
}

int command_run(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    const struct run_options options = arguments_run(arguments);
    struct pipeline pipeline;
    int status = 1;
    keep_early_signals();
    if (pipeline_load(&pipeline, options.files, loader, log, stderr)) {
        pipeline.until_end = arguments->until_end;
        pipeline.replay = arguments->replay;
        status = run_pipeline(&options, &pipeline, log);
    }
    pipeline_free(&pipeline);
    return status;
}
