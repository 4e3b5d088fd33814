#include "event/owner.h"

#include <churn/time.h>
#include <json-c/json.h>

bool owner_in(struct json_object *object, churn_str *ret_customer)
{
    struct json_object *member;
    if (!json_object_object_get_ex(object, "customer_id", &member) || member == NULL) {
        return false;
    }
    *ret_customer = churn_text(json_object_get_string(member));
    if (json_object_is_type(member, json_type_string)) {
        ret_customer->len = (uint32_t)json_object_get_string_len(member); /* a NUL may stand in it */
    }
    return true;
}

int64_t owner_time(struct json_object *object, int64_t otherwise)
{
    struct json_object *time;
    int64_t time_ms;
    bool told = json_object_object_get_ex(object, "timestamp", &time) && json_object_is_type(time, json_type_string) &&
                churn_time_parse(json_object_get_string(time), (uint32_t)json_object_get_string_len(time), &time_ms);
    return told ? time_ms : otherwise;
}
