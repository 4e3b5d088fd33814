/* The run in a browser: the page at `/`, the newest alerts at /alerts and single customers at /customers/ID, these two
 * for who shows the token. */
#ifndef PAGE_H
#define PAGE_H

#include "observe/health.h"
#include "observe/recent_alerts.h"
#include "pipeline/pipeline.h"

struct page;

/* What the page shows and others know. */
struct page_sources {
    struct health *health;
    void (*figures)(void *ctx, struct text *out); /* appends what /metrics says; on the listener's thread */
    void *figures_ctx;
    struct log *log;
    struct audit *audit; /* NULL: reads are not audited */
    bool loopback;       /* only this machine reaches the listener */
};

/* NULL when memory ran out. [main] */
struct page *page_new(const struct page_sources *sources);
/* Adds its routes. It must outlive the listener. [main] */
void page_serve(struct page *page, struct listener *listener);
/* Before a pipeline's workers start: who may be shown what is customers' own from now on. [main] */
void page_prepare(struct page *page, struct pipeline *pipeline);
/* They have started: it is shown from now on. [main] */
void page_attach(struct page *page, struct pipeline *pipeline);
/* Its store is not used any more, and then it may end. [main] */
void page_detach(struct page *page);
/* Lets nobody wait for too long; called every now and then. [main] */
void page_tick(struct page *page);
/* Before the listener ends: nobody waits for an answer any more. [main] */
void page_stop(struct page *page);
/* May be NULL. [main] */
void page_free(struct page *page);

#endif
