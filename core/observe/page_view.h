/* The page in the browser as HTML: the same with and without a script, which only fetches it again. */
#ifndef PAGE_VIEW_H
#define PAGE_VIEW_H

#include "observe/lookup.h"
#include "observe/recent_alerts.h"
#include "observe/view.h"

/* What of the page is customers' own, and for whom. */
struct page_guest {
    bool token;                           /* the pipeline has one */
    bool granted;                         /* it was shown */
    struct recent_alerts *alerts;         /* to whom it is granted */
    const char *customer;                 /* who is looked for; NULL: nobody */
    const struct lookup_question *answer; /* about that customer; NULL: it was not asked */
};

/* Appends the whole page. */
void page_view_append(const struct view *view, const struct page_guest *guest);

#endif
