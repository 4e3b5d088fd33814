/* What is wrong with a plugin's file: the code of the fault, and a message for people. docs/ABI.md has the codes. */
#ifndef PLUGIN_FAULT_H
#define PLUGIN_FAULT_H

#include <churn/result.h>

/* Writes the message and returns `code`. */
CHURN_PRINTF(4, 5)
static inline const char *plugin_fault(const char *code, char *message, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, size, format, args);
    va_end(args);
    return code;
}

#endif
