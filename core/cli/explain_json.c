/* The explanation for programs: one object, written as it is made. */
#include "cli/explain_json.h"

#include "base/printable.h"
#include "cli/explain_change.h"
#include "cli/explain_compare.h"
#include <churn/time.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct writer {
    struct explain *e;
    struct text out;
    struct profile *state;
    const char *separator;
    bool would;
};

static void flush(struct text *out)
{
    (void)fwrite(out->bytes, 1, out->len, stdout);
    out->len = 0;
}

static void append_string(struct text *out, const char *name, churn_str value)
{
    text_printf(out, "\"%s\":", name);
    if (value.ptr == NULL) {
        text_append_string(out, "null");
    } else {
        text_append_json(out, value.ptr, value.len);
    }
}

static void append_time(struct text *out, const char *name, bool known, int64_t ms)
{
    char time[CHURN_TIME_SIZE];
    churn_time_format(ms, time);
    append_string(out, name, known ? churn_text(time) : (churn_str){0});
}

/* Null for an empty text. */
static churn_str or_null(const char *text)
{
    return text != NULL && text[0] != '\0' ? churn_text(text) : (churn_str){0};
}

/* ---- events ---- */

static const char *name_of(const struct explained *one)
{
    static const char *const standings[] = {
        [STANDS_COUNTED] = "counted",
        [STANDS_LATE] = "counted_late",
        [STANDS_PASSED] = "passed_over",
        [STANDS_UNREAD] = "not_counted_yet",
    };
    static const char *const fates[] = {
        [FATE_LEFT_OUT] = "left_out", [FATE_DEAD_LETTER] = "dead_letter", [FATE_IGNORED] = "ignored"};
    return one->fate == FATE_EVENT ? standings[one->standing] : fates[one->fate];
}

static void add_change(void *ctx, const struct change *change)
{
    struct writer *writer = ctx;
    struct text *out = &writer->out;
    text_append_string(out, writer->separator);
    writer->separator = ",";
    text_append_string(out, "{");
    append_string(out, "field", change->name);
    if (!writer->would) {
        text_append_string(out, ",");
        append_string(out, "from", change->before);
        text_append_string(out, ",");
        append_string(out, "to", change->after);
    } else if (change->by[0] == '\0') {
        text_append_string(out, ",");
        append_string(out, "to", change->after);
    }
    if (change->by[0] != '\0') {
        text_append_string(out, ",");
        append_string(out, "by", churn_text(change->by[0] == '+' ? change->by + 1 : change->by));
    }
    text_append_string(out, "}");
}

static void append_position(struct text *out, const struct explain *e, const struct explained *one)
{
    const struct part *place = &e->worker->parts.items[one->part];
    append_string(out, "topic", churn_text(place->topic));
    text_printf(out, ",\"partition\":%d,\"offset\":%" PRId64, place->partition, one->offset);
}

/* Of those that are not counted, what they would change, without from and to. */
static bool append_one(struct writer *writer, const struct explained *one)
{
    struct text *out = &writer->out;
    int32_t count = 0;
    text_append_string(out, "{");
    append_time(out, "time", one->timed, one->time_ms);
    text_append_string(out, ",");
    append_position(out, writer->e, one);
    text_append_string(out, ",");
    append_string(out, "event_type", or_null(one->type));
    text_append_string(out, ",");
    append_string(out, "event_id", or_null(one->event_id));
    text_printf(out, ",\"what\":\"%s\",\"read\":%s,\"late\":%s", name_of(one),
                one->standing != STANDS_UNREAD ? "true" : "false", one->behind ? "true" : "false");
    if (one->fate == FATE_LEFT_OUT) {
        text_append_string(out, ",");
        append_string(out, "processor", churn_text(one->processor->label));
    }
    if (one->fate == FATE_DEAD_LETTER) {
        text_printf(out, ",\"reason\":\"%s\",", reject_reason_name(one->reason));
        append_string(out, "detail", churn_text(one->detail));
    }
    if (one->repeats != NULL) {
        text_append_string(out, ",\"repeats\":{");
        append_position(out, writer->e, one->repeats);
        text_append_string(out, "}");
    }
    text_append_string(out, ",\"changes\":[");
    writer->separator = "";
    writer->would = !explained_is_counted(one);
    if (one->delta != NULL) {
        count = writer->would ? explain_change_would(writer->e, one, add_change, writer)
                              : explain_change_apply(writer->e, writer->state, one, add_change, writer);
    }
    text_append_string(out, "]}");
    return count >= 0;
}

static bool append_events(struct writer *writer)
{
    const struct kept *kept = &writer->e->kept;
    const char *separator = "";
    bool ok = true;
    for (size_t i = 0; i < kept->count && ok; i++) {
        size_t begin = writer->out.len;
        text_append_string(&writer->out, separator);
        ok = append_one(writer, kept->items[i]) && !writer->out.failed;
        if (!explain_change_concerns(writer->e, kept->items[i])) {
            writer->out.len = begin;
            continue;
        }
        separator = ",";
        flush(&writer->out);
    }
    return ok;
}

/* ---- what they made ---- */

static void append_field(void *ctx, churn_str name, const churn_str *here, const churn_str *stored)
{
    struct writer *writer = ctx;
    struct text *out = &writer->out;
    text_append_string(out, writer->separator);
    writer->separator = ",";
    text_append_string(out, "{");
    append_string(out, "name", name);
    text_append_string(out, ",");
    append_string(out, "value", here != NULL ? *here : (churn_str){0});
    text_append_string(out, ",");
    append_string(out, "stored", stored != NULL ? *stored : (churn_str){0});
    text_printf(out, ",\"same\":%s}", here != NULL && stored != NULL && churn_equal(*here, *stored) ? "true" : "false");
}

static void append_partitions(struct text *out, const struct explain *e)
{
    const char *separator = "";
    char buffer[512];
    for (uint32_t i = 0; i < e->part_room && i < e->worker->parts.count; i++) {
        const struct explain_part *p = &e->parts[i];
        const struct part *place = &e->worker->parts.items[i];
        const char *gap = explain_compare_gap(e, i, buffer, sizeof buffer);
        if (!p->wanted && gap == NULL) {
            continue;
        }
        text_printf(out, "%s{", separator);
        append_string(out, "topic", churn_text(place->topic));
        text_printf(out, ",\"partition\":%d,\"mark\":%" PRId64 ",\"records\":%" PRIu64 ",\"unreadable\":%" PRIu64 ",",
                    place->partition, e->stored.profile != NULL ? profile_mark(e->stored.profile, i) : 0, p->records,
                    p->unreadable);
        append_string(out, "gap", or_null(gap));
        text_append_string(out, "}");
        separator = ",";
    }
}

static int append_end(struct writer *writer)
{
    struct explain *e = writer->e;
    struct text *out = &writer->out;
    struct comparison c;
    bool stored = e->pipeline->store.loaded != NULL && e->stored.text.count > 0;
    text_printf(out, "],\"later\":%" PRIu64 ",\"forgotten\":%" PRIu64 ",\"partitions\":[", e->later, e->forgotten);
    append_partitions(out, e);
    text_append_string(out, "],\"fields\":[");
    writer->separator = "";
    if (!explain_compare(e, &c, append_field, writer)) {
        return -1;
    }
    text_printf(out, "],\"stored\":%s,\"missing_events\":%" PRId64 ",", stored ? "true" : "false", (int64_t)c.missing);
    append_string(out, "damage", or_null(e->stored.damage));
    text_printf(out, ",\"same\":%s}\n",
                e->pipeline->store.loaded == NULL ? "null"
                : stored && c.same                ? "true"
                                                  : "false");
    return e->pipeline->store.loaded != NULL && !(stored && c.same && e->stored.damage[0] == '\0');
}

int explain_json_print(struct explain *e)
{
    struct writer writer = {.e = e, .state = e->kept.earlier};
    struct text *out = &writer.out;
    int status = -1;
    text_append_string(out, "{");
    append_string(out, "customer_id", e->customer);
    text_append_string(out, ",");
    append_string(out, "field", explain_change_name(e));
    text_append_string(out, ",");
    append_time(out, "at", e->has_at, e->at_ms);
    text_printf(out, ",\"earlier\":%" PRIu64 ",\"events\":[", e->kept.earlier_count);
    if (append_events(&writer)) {
        status = append_end(&writer);
    }
    status = out->failed ? -1 : status;
    if (status >= 0) {
        flush(out);
    }
    text_free(out);
    return status;
}
