#include "cli/sandboxed.h"

#include "engine/sandbox.h"

bool sandboxed(struct pipeline *pipeline, struct pipeline_files files, const char *written)
{
    struct sandbox sandbox = {.of_command = true, .written = written};
    bool ok = sandbox_enter(&sandbox, pipeline, files);
    sandbox_free(&sandbox);
    return ok;
}
