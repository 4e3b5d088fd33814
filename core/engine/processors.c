/* What a worker asks of processors that keep state. */
#include "engine/worker_internal.h"

bool processors_checkpoint(struct worker *worker)
{
    for (unsigned i = 0; i < worker->pipeline->processor_count; i++) {
        const struct section *section = &worker->pipeline->processors[i];
        churn_error err = {.size = sizeof err};
        int32_t result = CHURN_OK;
        if (processor_ops(section)->checkpoint != NULL) {
            result = processor_ops(section)->checkpoint(worker->processors[i]->self, &err);
        }
        err.message[sizeof err.message - 1] = '\0';
        if (result == CHURN_RETRY) {
            worker_stalled(worker, section, STALL_CHECKPOINT, CHURN_LOG_WARN,
                           "%s; offsets are not committed until then", err.message);
            return false;
        }
        worker_goes_on(worker, section, STALL_CHECKPOINT, NULL);
        if (result != CHURN_OK) {
            return worker_fail(worker, "processor %s: %s", section->label, err.message);
        }
    }
    return true;
}

void processors_forget(struct worker *worker)
{
    for (unsigned i = 0; i < worker->pipeline->processor_count; i++) {
        const churn_processor_ops *ops = processor_ops(&worker->pipeline->processors[i]);
        if (ops->forget != NULL) {
            ops->forget(worker->processors[i]->self);
        }
    }
}
