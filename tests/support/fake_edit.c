#include "fake_edit.h"

#include <inttypes.h>

CHURN_PRINTF(2, 3) static int32_t note(struct fake_edit *fake, const char *format, ...)
{
    size_t len = strlen(fake->changes);
    va_list args;
    if (fake->result != CHURN_OK) {
        return fake->result;
    }
    va_start(args, format);
    (void)vsnprintf(fake->changes + len, sizeof fake->changes - len, format, args);
    va_end(args);
    return CHURN_OK;
}

static int32_t set_text(churn_edit *edit, const char *field, churn_str text, churn_error *err)
{
    (void)err;
    return note(edit->ctx, "%s=%.*s; ", field, (int)text.len, text.len > 0 ? text.ptr : "");
}

static int32_t set_number(churn_edit *edit, const char *field, int64_t number, churn_error *err)
{
    (void)err;
    return note(edit->ctx, "%s=%" PRId64 "; ", field, number);
}

static int32_t remove_member(churn_edit *edit, const char *field, churn_error *err)
{
    (void)err;
    return note(edit->ctx, "-%s; ", field);
}

static int32_t raise_alert(churn_edit *edit, uint32_t severity, const char *name, churn_str message, churn_error *err)
{
    struct fake_edit *fake = edit->ctx;
    (void)err;
    if (fake->result == CHURN_OK && fake->alert_count < FAKE_EDIT_ALERTS) {
        fake->alerts[fake->alert_count].severity = severity;
        (void)snprintf(fake->alerts[fake->alert_count].name, sizeof fake->alerts[0].name, "%s", name);
        (void)snprintf(fake->alerts[fake->alert_count].message, sizeof fake->alerts[0].message, "%.*s",
                       (int)message.len, message.len > 0 ? message.ptr : "");
        fake->alert_count++;
    }
    return fake->result;
}

void fake_edit_init(struct fake_edit *fake)
{
    memset(fake, 0, sizeof *fake);
    fake->edit = (churn_edit){.size = sizeof fake->edit,
                              .ctx = fake,
                              .set_text = set_text,
                              .set_number = set_number,
                              .remove = remove_member,
                              .alert = raise_alert};
}
