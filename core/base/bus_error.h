/* A file that is mapped into memory and is cut, or cannot be read, by somebody else: the store's, the journal, a plugin
 * that is copied over. The kernel answers the next look at it with SIGBUS. */
#ifndef BUS_ERROR_H
#define BUS_ERROR_H

/* From now on the process then says which file it was, and what to do, and ends with status 1. */
void bus_error_explain(void);

#endif
