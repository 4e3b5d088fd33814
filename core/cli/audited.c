#include "cli/audited.h"

#include "audit/audit.h"
#include "base/printable.h"

bool audited(const struct pipeline *pipeline, const char *command, const char *action, const char *customer,
             const char *details)
{
    const struct audit_act act = {.action = action, .by = command, .customer = customer, .details = details};
    char message[TRAIL_MESSAGE_SIZE];
    struct audit *audit = audit_new(pipeline, message, sizeof message);
    bool ok = audit != NULL ? audit_write(audit, &act, message, sizeof message) : message[0] == '\0';
    if (!ok) {
        printable_line(stderr, "churnd: %s: %s; nothing is shown or done unaudited", command, message);
    }
    audit_free(audit);
    return ok;
}
