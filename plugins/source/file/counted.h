/* What was counted of an input: told again by a fingerprint of its first bytes. */
#ifndef SOURCE_FILE_COUNTED_H
#define SOURCE_FILE_COUNTED_H

#include "source.h"

struct prefix prefix_of(const struct file_source *s, int fd, int64_t end);

bool is_same(const struct prefix *a, const struct prefix *b);

int32_t fail_other(const struct file_source *s, const char *what, int64_t end, churn_error *err);

extern const char shorter[];
extern const char another[];

int32_t file_fingerprint(void *self, const char *topic, int32_t partition, int64_t offset,
                         char text[CHURN_FINGERPRINT_SIZE], churn_error *err);

int32_t file_resume(void *self, const char *topic, int32_t partition, const char *fingerprint, int64_t *offset,
                    churn_error *err);

/* Of what cannot be read twice: does it begin with what was counted, as far as it has come? */
int32_t check_pipe(struct file_source *s, churn_error *err);

#endif
