/* Something was refused: why, in a message for people. */
#ifndef REFUSE_H
#define REFUSE_H

#include <churn/result.h>
#include <stdbool.h>

/* Writes the message; always false. */
CHURN_PRINTF(3, 4) static inline bool refuse(char *message, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, size, format, args);
    va_end(args);
    return false;
}

#endif
