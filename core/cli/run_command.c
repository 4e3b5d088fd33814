/* `churnd run`. */
#include "cli/commands.h"

#include "engine/run.h"
#include "pipeline/load.h"
#include <signal.h>

int command_run(const struct arguments *arguments, struct loader *loader, struct log *log)
{
    const struct run_options options = arguments_run(arguments);
    struct pipeline pipeline;
    sigset_t early;
    int status = 1;
    (void)sigemptyset(&early);
    (void)sigaddset(&early, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &early, NULL); /* what comes while the file is read is for the run */
    if (pipeline_load(&pipeline, options.files, loader, log, stderr)) {
        pipeline.until_end = arguments->until_end;
        pipeline.replay = arguments->replay;
        status = run_pipeline(&options, &pipeline, log);
    }
    pipeline_free(&pipeline);
    return status;
}
