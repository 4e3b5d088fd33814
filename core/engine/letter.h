/* A dead letter as it was written, to be put back: from a record's headers, or from a line of JSON (an envelope). */
#ifndef LETTER_H
#define LETTER_H

#include <churn/record.h>
#include <stdbool.h>
#include <stddef.h>

struct json_object;
struct seal_ring;

/* Its texts are borrowed from the record, or owned by the letter. */
struct letter {
    churn_str topic; /* position of the record that it was; ptr NULL: none caused it, and it has an id of its own */
    int64_t offset;
    int32_t partition;
    churn_str id;
    uint32_t kind;      /* CHURN_RECORD_…: the output that a sink refused; 0: not said */
    uint32_t severity;  /* of a refused alert */
    churn_str sink;     /* which sink refused it; ptr NULL: not said */
    bool replayed;      /* the record had been read once before */
    int64_t written_ms; /* when it was written; 0: not said */
    int64_t record_ms;  /* the time of the record that it was; 0: not said */
    churn_str reason, detail;
    churn_str key, value;  /* as received; ptr NULL: none */
    churn_header *headers; /* as received; owned */
    uint32_t header_count;
    churn_str hash; /* of a value that was too large to keep; ptr NULL: it was kept */

    struct json_object *envelope; /* owned */
    char **decoded;               /* owned: what was written in base64 */
    uint32_t decoded_count;
};

enum letter_kind {
    LETTER_GOOD,
    LETTER_INCOMPLETE, /* a dead letter that lacks something; the message says what */
    LETTER_NONE        /* something else that somebody wrote there */
};

/* Reads the headers of `record`, or its value as an envelope, and opens with `ring` (NULL: no keys) a value that is
 * encrypted. Free in each case. */
enum letter_kind letter_read(struct letter *letter, const churn_record *record, bool envelope,
                             const struct seal_ring *ring, char *message, size_t size);
void letter_free(struct letter *letter);
/* Whether the alert, trigger or event that a sink refused says that it is of the event with this id. */
bool letter_is_of_event(const struct letter *letter, churn_str event_id);

/* malloc'ed bytes, or NULL when `text` is no base64. */
char *letter_decode_base64(churn_str text, uint32_t *ret_len);

#endif
