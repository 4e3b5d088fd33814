/* The steps of a load test, and what is made of what was measured in one. Knows no clock and no server. */
#ifndef LADDER_H
#define LADDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LADDER_STEPS 64
#define LADDER_MOST_RATE 10000000

enum verdict {
    VERDICT_KEEPS_UP,
    VERDICT_LAG_GROWS,  /* the pipeline counts less than is produced */
    VERDICT_NOT_REACHED /* less was produced than the rate says: Kafka, or this machine, did not take more */
};

/* The lag in the middle third and in the last third of a step, of which the averages are taken: profiles are written in
 * windows, so a single look tells little. */
struct lag_thirds {
    double sum[2];
    uint32_t count[2];
};

struct step {
    int64_t rate;     /* events a second, as asked for */
    double seconds;   /* how long it was produced */
    int64_t produced; /* events */
    uint32_t *latencies_ms;
    size_t count, room;
    uint32_t unseen; /* of those latencies: their events were not seen, and that long was waited for them */
    bool failed;     /* memory ran out */
    struct lag_thirds lag;
    enum verdict verdict;
};

/* "1000,2000,5000": rates that rise. How many there are; 0 with a message. */
size_t ladder_parse(const char *text, int64_t rates[LADDER_STEPS], char *message, size_t size);

void step_add_latency(struct step *step, int64_t ms);
/* `lag` as it is `part` of the step's length after its begin, 0 to 1. */
void step_add_lag(struct step *step, double part, int64_t lag);

/* Sorts the latencies, and judges. All are added. */
void step_end(struct step *step);
void step_free(struct step *step);

/* Of an ended step. The least latency that `percent` of the events had at most; -1: none was measured. */
int64_t step_percentile(const struct step *step, double percent);
double step_produced_per_second(const struct step *step);
/* Events, at the step's end. */
double step_lag(const struct step *step);
/* Events a second by which it grew. */
double step_lag_growth(const struct step *step);

#endif
