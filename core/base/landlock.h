/* Landlock: what files and TCP ports the process reaches from here on. */
#ifndef LANDLOCK_H
#define LANDLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct landlock_path {
    char *path; /* a file, or a folder with all that is in it; what is not there is passed over */
    bool written;
};

struct landlock_rules {
    const struct landlock_path *paths;
    unsigned path_count;
    bool executes;         /* programs may be run */
    bool any_network;      /* TCP is not bound */
    const uint16_t *ports; /* that are connected to */
    unsigned port_count;
    uint16_t listened; /* 0: none */
};

/* The version that the kernel has; 0: none, or it is turned off. */
int landlock_version(void);
/* What that version does not bind, as the end of a sentence; NULL: nothing is lacking. */
const char *landlock_lacks(int version, char *text, size_t size);
/* Binds the calling thread, and those that it starts. no_new_privs must be set. False with a message. */
bool landlock_enforce(const struct landlock_rules *rules, char *message, size_t size);

#endif
