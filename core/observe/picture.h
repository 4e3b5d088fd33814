/* The pipeline as a picture: source, workers, store and sinks, with what flows between them. */
#ifndef PICTURE_H
#define PICTURE_H

#include "observe/view.h"

/* Appends it as SVG. */
void picture_append(const struct view *view);

#endif
