/* The input: opened, or waited for. */
#ifndef SOURCE_FILE_INPUT_H
#define SOURCE_FILE_INPUT_H

#include "source.h"
#include <sys/types.h>

bool is_stdin(const struct file_source *s);

/* How much of the input was read. */
int64_t read_of(const struct file_source *s);

/* It may go on after its end. */
bool is_endless(const struct file_source *s);

/* What cannot be read line by line until it ends. */
int32_t refuse_kind(const struct file_source *s, mode_t mode, churn_error *err);

/* Once, until it is there. */
void tell_missing(struct file_source *s, const char *what);

/* CHURN_PENDING: the file is not there yet. */
int32_t open_file(struct file_source *s, churn_error *err);

#endif
