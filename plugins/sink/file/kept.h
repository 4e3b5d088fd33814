/* What lies in a sink's file and in those that were rotated away from it, line by line, and how a line is erased.
 *
 * A line is overwritten where it stands, under the lock that those who append take: nothing else moves, so whoever
 * writes or reads the file meanwhile goes on where he was, and a crash cannot take what is another's. First the
 * beginning of each line says that it is erased, then the disk has that, then the rest is overwritten: so a line whose
 * erasing was cut short can be told, and is erased by whoever comes next. */
#ifndef SINK_FILE_KEPT_H
#define SINK_FILE_KEPT_H

#include <churn/sink.h>

/* Gives each line of `path`, and of its rotated parts, to `fn`, as churn_sink_ops.search says. CHURN_OK also where
 * there is no such file. */
int32_t kept_search(const char *path, churn_kept_fn fn, void *ctx, churn_error *err);

#endif
