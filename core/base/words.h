/* Lists of words in one text. */
#ifndef WORDS_H
#define WORDS_H

#include <stdbool.h>

/* Whether `word` is one of the words of `list`, which spaces part. */
bool words_have(const char *list, const char *word);

#endif
