/* Plugin files opened in a process of its own before they are opened here. Opening one runs its constructors and those
 * of its libraries, and no handler of ours could tell which file it was that ended, or holds up, the process. */
#ifndef PLUGIN_TRIAL_H
#define PLUGIN_TRIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The process; it stays for the next file. Zeroed: there is none. */
struct plugin_trial {
    pid_t pid;    /* 0: none */
    int talk;     /* a path there, a byte back once it was opened */
    int output;   /* in memory: what was written to standard output */
    off_t prints; /* how much of it there was after the newest file */
};

/* NULL when opening the file comes to an end, also where the dynamic linker refuses it; *ret_prints: it wrote to
 * standard output. Else the code of what it did (`crash`, `exit`, `hang`) with a message of one line. */
const char *plugin_trial_open(struct plugin_trial *trial, const char *path, bool *ret_prints, char *message,
                              size_t size);
/* Ends the process, if there is one. */
void plugin_trial_end(struct plugin_trial *trial);

#endif
