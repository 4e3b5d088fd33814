#include "login.h"
#include "calls.h"

int32_t session_log_in(struct session *s, const struct login *login, churn_error *err)
{
    churn_str args[3] = {churn_text("AUTH")};
    uint32_t count = 1;
    if (login->password[0] == '\0') {
        return CHURN_OK;
    }
    if (login->username[0] != '\0') {
        args[count++] = churn_text(login->username);
    }
    args[count++] = churn_text(login->password);
    return call_demand(s, args, count, err);
}
