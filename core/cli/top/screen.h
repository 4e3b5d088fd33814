/* The rows of `churnd top` on a terminal, by ncurses. */
#ifndef TOP_SCREEN_H
#define TOP_SCREEN_H

#include "cli/top/model.h"

struct top_screen;

enum top_key { TOP_KEY_NONE, TOP_KEY_QUIT, TOP_KEY_PAUSE, TOP_KEY_FASTER, TOP_KEY_SLOWER, TOP_KEY_REDRAW };

/* Takes the terminal that standard input and output are. NULL, with a message, when it cannot. */
struct top_screen *top_screen_open(char *message, size_t size);
/* Gives it back as it was. May be NULL. */
void top_screen_close(struct top_screen *screen);

/* What is said beside the rows. */
struct top_status {
    const char *url;
    const char *problem; /* why there are no new figures; NULL: there are */
    int64_t interval_ms;
    bool paused;
};

void top_screen_draw(struct top_screen *screen, const struct top_model *model, const struct top_status *status);
/* The next key that was pressed; REDRAW: the size has changed, or another part of the rows is to be shown. */
enum top_key top_screen_key(struct top_screen *screen);

#endif
