/* Whose records are in the topic already. */
#ifndef OTHERS_H
#define OTHERS_H

#include "pipeline/pipeline.h"

enum whose { WHOSE_NONE, WHOSE_LOAD_TESTS, WHOSE_OTHERS, WHOSE_UNKNOWN };

/* Reads the topic's first records, of each partition, by the source of a pipeline that load_edit_reader made. UNKNOWN:
 * with a message in the log. */
enum whose others_look(struct pipeline *pipeline, struct log *log);

#endif
