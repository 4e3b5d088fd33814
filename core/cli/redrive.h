/* A run over a pipeline's dead letters in place of its source: `churnd redrive`. */
#ifndef REDRIVE_H
#define REDRIVE_H

#include "engine/redrive_scope.h"

struct pipeline;

/* Puts the dead letters in the place of the pipeline's source. False when a mistake was reported. */
bool redrive_edit(struct pipeline *pipeline, void *redrive);
void redrive_free(struct redrive *redrive);

#endif
