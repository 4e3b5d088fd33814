/* What `churnd top` shows: rows of a run's figures with their rates, whatever they are shown on. */
#ifndef TOP_MODEL_H
#define TOP_MODEL_H

#include "observe/figures.h"

struct json_object;

/* One look at a run. Starts zeroed. */
struct top_look {
    struct text metrics, ready; /* what it answered to /metrics and /readyz */
    struct figures figures;     /* of `metrics` */
    int64_t at_ms;              /* by the monotonic clock */
};

/* Reads what came. False when memory ran out. */
bool top_look_read(struct top_look *look);
void top_look_free(struct top_look *look);

#define TOP_NAME_SIZE 96
#define TOP_NUMBER_SIZE 32
#define TOP_VALUE_SIZE (2 + TOP_NUMBER_SIZE) /* it may be above that number: "> 24 h" */

struct top_row {
    const char *group; /* constant */
    char name[TOP_NAME_SIZE];
    char value[TOP_VALUE_SIZE]; /* for people */
    double number;
    bool above;  /* all that is known is that it is more than that */
    double rate; /* a second; NAN: it has none, or it is not known yet */
};

struct top_model {
    struct top_row *rows;
    uint32_t count, room;
    bool failed; /* memory ran out */
    bool ready;
    char state[TOP_VALUE_SIZE];   /* what /readyz says: ready, not ok, stopping */
    char pipeline[TOP_NAME_SIZE]; /* "": it does not say */
    struct text troubles;         /* why it is not ready, a line each */
};

/* Makes the rows of a look. `before`: an earlier one, for rates; NULL: none. Free in either case. */
void top_model_make(struct top_model *model, const struct top_look *now, const struct top_look *before);
void top_model_free(struct top_model *model);

#endif
