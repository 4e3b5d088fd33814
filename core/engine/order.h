/* What a worker is ordered to do, and the state that it shows. */
#ifndef ORDER_H
#define ORDER_H

enum worker_state {
    WORKER_RUNNING,
    WORKER_AT_END,   /* the input has ended and everything of it is acknowledged; it goes on if the input does */
    WORKER_FINISHED, /* stopped in good order */
    WORKER_FAILED    /* stopped; the log says why */
};

enum worker_order {
    WORKER_GO_ON,
    WORKER_FINISH,        /* every worker is at its end: let the sinks finish what they can, then stop */
    WORKER_FINISH_AT_END, /* the same as soon as this one is at its end, for whoever has no other */
    WORKER_STOP           /* finish what was read, within the pipeline's shutdown_timeout, then stop */
};

#endif
