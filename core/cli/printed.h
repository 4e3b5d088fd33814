/* The end of what a command prints. */
#ifndef PRINTED_H
#define PRINTED_H

#include <stdbool.h>

/* Who reads standard output may have seen enough, as `head` has: then writing it is an error code, not the process'
 * end. Called once, at the beginning. */
void printed_begin(void);
/* Writes out what is still to be written to standard output. False, with a message, when that, or something before,
 * could not be written; that nobody reads it any more is no error. */
bool printed_end(void);

#endif
