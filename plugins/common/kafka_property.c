#include "kafka_property.h"

#include <churn/option.h>
#include <stdarg.h>
#include <stdio.h>

int32_t kafka_property_fail(churn_error *err, const char *name, const char *format, ...)
{
    char option[CHURN_ERROR_OPTION_SIZE], message[CHURN_ERROR_MESSAGE_SIZE];
    va_list args;
    (void)snprintf(option, sizeof option, "properties.%s", name);
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return churn_fail_option(err, option, "%s", message);
}
