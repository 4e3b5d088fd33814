/* Large numbers for people. */
#ifndef GROUPED_H
#define GROUPED_H

#include <stdint.h>

#define GROUPED_SIZE 32

/* 1234567 as 1,234,567; a negative number as 0. Returns `out`. */
const char *grouped(int64_t n, char out[GROUPED_SIZE]);

#endif
