/** @file
 * A record: what sources hand to the host and the host hands to sinks.
 */
#ifndef CHURN_RECORD_H
#define CHURN_RECORD_H

#include <churn/result.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a record is. A sink accepts some of them (a bit mask) and a pipeline's `input:` chooses among those. */
enum {
    CHURN_RECORD_EVENT = 1,   /**< key: customer_id (or as received), value: the event as received, or as
                                   processors changed it */
    CHURN_RECORD_TRIGGER = 2, /**< key: customer_id, value: {"request_id","customer_id","trigger":{event_id,event_type,
                                   timestamp}}; its event is already in the stored profile. request_id is the source
                                   position of its record, TOPIC/PARTITION/OFFSET */
    CHURN_RECORD_ALERT = 4,   /**< key: customer_id, value: the alert's JSON object */
    CHURN_RECORD_DEAD_LETTER = 8, /**< key and value as received (value.ptr NULL: a tombstone); headers: churn.reason,
                                      churn.detail, churn.topic, churn.partition, churn.offset, as text; and churn.kind
                                      (event, trigger, alert) and churn.sink (its name) where it is a record that a
                                      sink refused, churn.replayed (true) where the record had been read once before.
                                      Since ABI 1.3 the record's own headers follow, those called churn.* as
                                      churn.original.churn.*; a value that is not kept has churn.size (bytes) and
                                      churn.xxh128 (XXH3, 128 bits, in hex); an alert or trigger that no record caused
                                      has churn.id in place of topic, partition and offset;
                                      churn.written_at is when the letter was written, in RFC 3339, and
                                      churn.timestamp the record's own time, likewise, of one that is timestamp_ahead */
    /* since ABI 1.3 */
    CHURN_RECORD_UNREADABLE = 16 /**< from a source only: a record that is at this position and cannot be read for good;
                                      value: why, for a person. It becomes a dead letter unreadable_record without key
                                      and value */
};

/** A named piece of metadata that travels beside the value, as a Kafka header does. */
typedef struct churn_header {
    const char *name; /**< NUL-terminated */
    churn_str value;
} churn_header;

/** Everything is borrowed: from a source until its next poll, by a sink until its write returns. */
typedef struct churn_record {
    uint32_t size;
    uint32_t kind; /**< CHURN_RECORD_…; from a source CHURN_RECORD_EVENT, or CHURN_RECORD_UNREADABLE */
    churn_str key; /**< ptr NULL: none */
    churn_str value;
    int64_t timestamp_ms; /**< of the record (events: event time; dead letters: as received), 0: unknown */
    const char *topic;    /**< source position: NUL-terminated, stable for the life of the source instance */
    int64_t offset;       /**< source position; within a partition it only grows */
    int32_t partition;
    uint32_t header_count;
    const churn_header *headers;
    uint64_t id;       /**< to a sink: given back in churn_done. From a source: its own, for its `headers` (ABI 1.3) */
    uint32_t severity; /**< ALERT: CHURN_SEVERITY_… */
    uint32_t reserved;
} churn_record;

/** What a source knows of a position that it announces. */
enum {
    CHURN_POSITION_RESUMED = 1, /**< the offset is the one committed last: somebody has read this partition before */
    CHURN_POSITION_WHOLE = 2    /**< whoever committed it began at the partition's beginning, and passed over nothing */
};

/** A place in a source: the next offset that has not been dealt with yet (as Kafka commits it). */
typedef struct churn_position {
    const char *topic; /**< NUL-terminated */
    int64_t offset;
    int32_t partition;
    uint32_t flags; /**< CHURN_POSITION_…, in `assigned`; else 0 (ABI 1.1; 0 before) */
} churn_position;

#ifdef __cplusplus
}
#endif
#endif
