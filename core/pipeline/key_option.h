/* The option `key` of a section: a secret by which something is hashed that outlasts the run. */
#ifndef KEY_OPTION_H
#define KEY_OPTION_H

#include "config/config.h"

/* Whether `key` is one; an empty one, of a variable that is not set, must not pass for none. False, with an error at
 * `node`, the section `name`, which says that it is needed for `use`. */
bool key_option_check(struct config *config, const struct node *node, const char *name, const char *key,
                      const char *use);

#endif
