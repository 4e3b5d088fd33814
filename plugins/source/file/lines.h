/* The lines of what was read. */
#ifndef SOURCE_FILE_LINES_H
#define SOURCE_FILE_LINES_H

#include "source.h"

/* Hands out up to `max` lines of what has been read. */
uint32_t take_lines(struct file_source *s, churn_record *records, uint32_t max);

bool reserve(struct file_source *s);

#endif
