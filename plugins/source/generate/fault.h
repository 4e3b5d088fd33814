/* Events that are broken on purpose. */
#ifndef GENERATE_FAULT_H
#define GENERATE_FAULT_H

#include "plan.h"

#define FAULT_ROOM 512 /* bytes that a fault may add to an event */

/* The members of an event that can be at fault; those of `data` are numbered on from FIRST_FIELD. */
enum { EVENT_ID, EVENT_TYPE, CUSTOMER_ID, TIMESTAMP, DATA, FIRST_FIELD, NOTHING = -1 };

/* What is wrong with one event: a member that is left out (ptr NULL) or has another value, or more than that. */
struct fault {
    int32_t target;
    churn_str value;  /* of the member */
    churn_str before; /* the event */
    churn_str after;
    churn_str whole; /* ptr not NULL: in place of the event */
    uint32_t cut;    /* 1: the event ends somewhere in its middle */
    uint32_t reserved;
};

/* One of all faults that an event of the type can have; `scratch` may hold its value. */
struct fault pick_fault(const struct type_plan *plan, char scratch[FAULT_ROOM], uint64_t *random);

#endif
