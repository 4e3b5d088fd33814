/** @file
 * Results and errors of every call that crosses the plugin boundary.
 *
 * Thread tags used in all headers of this folder:
 *  - [main]    called by the host's main thread, never while a worker uses the instance;
 *  - [worker]  calls on one instance (or session) never overlap, though the thread may differ from call to call;
 *  - [any]     may be called by any thread at any time between start and stop.
 */
#ifndef CHURN_RESULT_H
#define CHURN_RESULT_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a call answers. Zero is success and there is no other success but the two named below zero's line. */
enum {
    CHURN_OK = 0,       /**< done */
    CHURN_END = 1,      /**< done, and there will never be more (a source at the end of a bounded input) */
    CHURN_PENDING = 2,  /**< nothing to hand out now */
    CHURN_DROP = 3,     /**< a processor's verdict: leave this event out */
    CHURN_CONFLICT = 4, /**< a store's answer: another version is stored */
    CHURN_RETRY = -1,   /**< a passing outage: nothing was done, the host may ask again */
    CHURN_REJECT = -2,  /**< this record's own fault: it belongs into the dead letters */
    CHURN_FATAL = -3    /**< the instance cannot go on; the pipeline stops with the error's message */
};

/** Bytes with a length; may hold NUL bytes and is not NUL-terminated unless a comment says so. */
typedef struct churn_str {
    const char *ptr;
    uint32_t len; /**< bytes */
    uint32_t reserved;
} churn_str;

/** The string without its NUL, borrowed: shorter than 4 GiB, and not NULL. (since ABI 1.3) [any] */
static inline churn_str churn_text(const char *string)
{
    churn_str text;
    text.ptr = string;
    text.len = (uint32_t)strlen(string);
    text.reserved = 0;
    return text;
}

/** Whether both hold the same bytes; of an empty one `ptr` may be NULL. (since ABI 1.3) [any] */
static inline int churn_equal(churn_str a, churn_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

#define CHURN_ERROR_MESSAGE_SIZE 512
#define CHURN_ERROR_OPTION_SIZE 64

/**
 * Says what went wrong, for a person. Owned by the caller of the function that fills it, so no allocation
 * crosses the plugin boundary. Untouched on success.
 */
typedef struct churn_error {
    uint32_t size;                          /**< sizeof(churn_error) of whoever made it */
    int32_t code;                           /**< one of the negative results above */
    char option[CHURN_ERROR_OPTION_SIZE];   /**< name of the option at fault, or "": the host then names its line */
    char message[CHURN_ERROR_MESSAGE_SIZE]; /**< one line without the plugin's name and without a final newline */
} churn_error;

#if defined(__GNUC__)
#define CHURN_PRINTF(format_index, first_arg) __attribute__((format(printf, format_index, first_arg)))
#else
#define CHURN_PRINTF(format_index, first_arg)
#endif

/** Fills `err` (may be NULL) and returns `code`, so that a failing function can `return churn_fail(...)`. [any] */
CHURN_PRINTF(3, 4)
static inline int32_t churn_fail(churn_error *err, int32_t code, const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        err->code = code;
        err->option[0] = '\0';
        (void)vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
    }
    return code;
}

/** Like churn_fail(), naming the option whose value is at fault, so that the host can point at its line. [any] */
CHURN_PRINTF(3, 4)
static inline int32_t churn_fail_option(churn_error *err, const char *option, const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        err->code = CHURN_FATAL;
        (void)snprintf(err->option, sizeof err->option, "%s", option);
        (void)vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
    }
    return CHURN_FATAL;
}

#ifdef __cplusplus
}
#endif
#endif
