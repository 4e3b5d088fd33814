/* How far long work is: on a terminal one line that is drawn again in its place, elsewhere a line of the log every ten
 * seconds. Main thread only.
 *
 *     struct progress_line line;
 *     progress_line_begin(&line, log, "verify", "profiles", arguments->quiet);
 *     for (…) {
 *         progress_line_show(&line, done, total, NULL);
 *     }
 *     progress_line_end(&line);
 */
#ifndef PROGRESS_LINE_H
#define PROGRESS_LINE_H

#include "base/log.h"

#define PROGRESS_TOTAL_UNKNOWN (-1)
#define PROGRESS_TEXT_SIZE 256

enum progress_mode {
    PROGRESS_QUIET,
    PROGRESS_TERMINAL,
    PROGRESS_LOG /* nobody could draw on standard error: it is no terminal, or TERM=dumb or NO_COLOR asks for no
                    control sequences */
};

/* How fast it goes, smoothed over some seconds; it begins with the first thing done. */
struct progress_rate {
    bool moves;       /* something was done */
    int64_t since_ms; /* that it moves; 0: nothing was noted */
    int64_t last_ms;
    int64_t last_done;
    double per_second; /* 0: not known, or it stands still */
};

struct progress_line {
    struct log *log;
    const char *what, *unit;
    enum progress_mode mode;
    int64_t shown_ms;
    struct progress_rate rate;
};

/* Nothing is done yet. `what` names the work ("rebuild"), `unit` what is counted ("profiles"); both must live as long
 * as the line. */
void progress_line_begin(struct progress_line *line, struct log *log, const char *what, const char *unit, bool quiet);
/* Shows it where a moment has passed since it was shown last, so it may be called as often as something is done; before
 * figures that cost something are asked for, progress_line_due tells whether that is so. `total` may change, or be
 * PROGRESS_TOTAL_UNKNOWN; `note` is said besides, NULL: nothing. */
bool progress_line_due(const struct progress_line *line);
void progress_line_show(struct progress_line *line, int64_t done, int64_t total, const char *note);
/* Takes the line off the terminal until it is shown again: for whoever is about to write to standard output, which may
 * be the same terminal. */
void progress_line_clear(struct progress_line *line);
/* Takes it off for good. */
void progress_line_end(struct progress_line *line);

/* ---- the parts of it, which know no clock and no terminal ---- */

void progress_rate_note(struct progress_rate *rate, int64_t now_ms, int64_t done);

struct progress_view {
    const char *what, *unit; /* unit NULL: no figures, no rate */
    int64_t done;
    int64_t total;     /* < 0: not known */
    double per_second; /* <= 0: not known */
    const char *note;  /* NULL: none */
};

/* "verify [=====>     ] 45 % · 1,234 of 2,741 profiles · 120/s · 12 s left": as much of it as has room in `columns`. 0
 * columns: all but the bar. */
void progress_line_text(const struct progress_view *view, unsigned columns, char out[PROGRESS_TEXT_SIZE]);

#endif
