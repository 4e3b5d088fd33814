/* A part of the file as a plugin gets it (CHURN_OPTION_TREE). */
#ifndef TREE_H
#define TREE_H

#include "config/node.h"
#include <churn/option.h>

/* A copy of a list or map. NULL: memory ran out. */
const churn_node *tree_new(const struct node *node);
/* May be NULL. */
void tree_free(const churn_node *tree);

#endif
