/* The host's side of `transform`: writes down what a processor does to its event. */
#ifndef TESTS_FAKE_EDIT_H
#define TESTS_FAKE_EDIT_H

#include <churn/processor.h>

#define FAKE_EDIT_ALERTS 8

struct fake_edit {
    churn_edit edit;    /* pass &fake.edit to a processor's transform */
    char changes[1024]; /* "name=text; other=5; -removed; " in the order of the calls */
    uint32_t alert_count;
    struct {
        uint32_t severity;
        char name[65];
        char message[256];
    } alerts[FAKE_EDIT_ALERTS];
    int32_t result; /* what every call answers, CHURN_OK at first; nothing is written down for any other */
};

/* For one call of transform. */
void fake_edit_init(struct fake_edit *fake);

#endif
