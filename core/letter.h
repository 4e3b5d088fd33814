/* A dead letter as it was written, to be put back: from a record's headers, or from a line of JSON (an envelope). */
#ifndef LETTER_H
#define LETTER_H

#include <churn/record.h>
#include <stdbool.h>
#include <stddef.h>

struct json_object;

/* Its texts are borrowed from the record, or owned by the letter. */
struct letter {
    churn_str topic; /* position of the record that it was */
    int64_t offset;
    int32_t partition;
    uint32_t kind;     /* CHURN_RECORD_…: the output that a sink refused; 0: not said */
    uint32_t severity; /* of a refused alert */
    churn_str sink;    /* which sink refused it; ptr NULL: not said */
    bool replayed;     /* the record had been read once before */
    churn_str reason, detail;
    churn_str key, value; /* as received; ptr NULL: none */

    struct json_object *envelope; /* owned */
    char *decoded[2];             /* owned: key and value that were written in base64 */
};

/* Reads the headers of `record`, or its value as an envelope. False with a message when it is no dead letter. Free in
 * either case. */
bool letter_read(struct letter *letter, const churn_record *record, bool envelope, char *message, size_t size);
void letter_free(struct letter *letter);

/* malloc'ed bytes, or NULL when `text` is no base64. */
char *letter_decode_base64(churn_str text, uint32_t *ret_len);

#endif
