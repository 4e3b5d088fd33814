/* Whether the entry of a plugin, its option table and its calls are what the ABI asks for. Each judgement returns NULL,
 * or the name of the fault ("abi_version") with a message of one line. */
#ifndef JUDGE_H
#define JUDGE_H

#include <churn/plugin.h>
#include <stddef.h>
#include <stdint.h>

/* The words that are frozen for ever, in all majors. */
const char *judge_words(const churn_plugin *words, const char *path, char *message, size_t size);
/* Judges an entry without calling anything in it; `file_name` is the file's name without ".so". */
const char *judge_entry(const churn_plugin *entry, const char *path, const char *file_name, churn_plugin *ret_copy,
                        char *message, size_t size);
/* A row of the option table alone; the message does not name the file. */
const char *judge_option(const churn_plugin *plugin, uint32_t number, char *message, size_t size);
/* The size and the calls of what `ops` points to. */
const char *judge_ops(const churn_plugin *plugin, const char *path, char *message, size_t size);

/* Bytes that the value of an option takes in the instance. */
size_t judge_option_size(uint32_t type);

#endif
