/* The explanation for people: a line for each event, and what they made. */
#include "cli/explain_text.h"

#include "base/printable.h"
#include "cli/explain_change.h"
#include "cli/explain_compare.h"
#include "cli/explain_profile.h"
#include "profile/profile_render.h"
#include <churn/time.h>
#include <inttypes.h>
#include <stdlib.h>

/* What the lines are written with. */
struct printer {
    struct explain *e;
    struct text line;
    struct profile *state; /* so far */
    const char *separator; /* before the next change */
    bool would;            /* changes are of an event that is not counted */
    uint64_t unconcerned;  /* events that have nothing to do with the field */
};

static void say(struct text *out)
{
    printable_line(stdout, "%.*s", (int)out->len, out->len > 0 ? out->bytes : "");
    out->len = 0;
}

static void append_str(struct text *out, churn_str text)
{
    text_append(out, text.ptr, text.len);
}

static void append_place(struct text *out, const struct explain *e, const struct explained *one)
{
    append_str(out, parts_name(&e->worker->parts.items[one->part]));
    text_printf(out, "@%" PRId64, one->offset);
}

/* ---- an event ---- */

static void add_change(void *ctx, const struct change *change)
{
    struct printer *printer = ctx;
    struct text *out = &printer->line;
    text_append_string(out, printer->separator);
    append_str(out, change->name);
    text_append_string(out, " ");
    if (printer->would) {
        text_append_string(out, change->by[0] != '\0' ? change->by : "");
        append_str(out, change->by[0] != '\0' ? (churn_str){0} : change->after);
    } else {
        if (change->before.ptr != NULL) {
            append_str(out, change->before);
            text_append_string(out, " ");
        }
        text_append_string(out, "→ ");
        append_str(out, change->after);
        if (change->by[0] != '\0' && change->before.ptr != NULL) {
            text_printf(out, " (%s)", change->by);
        }
    }
    printer->separator = ", ";
}

static bool append_changes(struct printer *printer, const struct explained *one)
{
    int32_t count;
    printer->would = !explained_is_counted(one);
    printer->separator = printer->would ? " (" : "";
    count = printer->would ? explain_change_would(printer->e, one, add_change, printer)
                           : explain_change_apply(printer->e, printer->state, one, add_change, printer);
    if (printer->would && count > 0) {
        text_append_string(&printer->line, ")");
    } else if (count == 0 && !printer->would) {
        text_append_string(&printer->line, "changes nothing");
    }
    return count >= 0;
}

static bool append_event(struct printer *printer, const struct explained *one)
{
    struct text *out = &printer->line;
    if (one->standing == STANDS_UNREAD) {
        text_append_string(out, "not counted yet");
    } else if (one->standing == STANDS_PASSED) {
        text_append_string(out, "not counted, though the pipeline has read past it");
    }
    return append_changes(printer, one);
}

static bool append_fate(struct printer *printer, const struct explained *one)
{
    struct text *out = &printer->line;
    switch (one->fate) {
    case FATE_EVENT:
        return append_event(printer, one);
    case FATE_LEFT_OUT:
        text_printf(out, "left out by the processor %s", one->processor->label);
        return one->delta == NULL || append_changes(printer, one);
    case FATE_IGNORED:
        text_append_string(out, "ignored, for its type is unknown");
        return true;
    default:
        text_printf(out, "dead letter, %s: %s", reject_reason_name(one->reason), one->detail);
        return true;
    }
}

static void append_notes(struct printer *printer, const struct explained *one)
{
    struct text *out = &printer->line;
    if (one->fate == FATE_EVENT && one->standing == STANDS_LATE) {
        text_append_string(out, "; noted beside the mark: read once more, or put back from the dead letters");
    }
    if (one->behind) {
        text_append_string(out, "; late: events of a later time came before it");
    }
    if (one->repeats != NULL) {
        text_append_string(out, "; the event_id is that of ");
        append_place(out, printer->e, one->repeats);
    }
}

static bool print_one(struct printer *printer, const struct explained *one)
{
    struct text *out = &printer->line;
    char time[CHURN_TIME_SIZE] = "-";
    if (one->timed) {
        churn_time_format(one->time_ms, time);
    }
    text_printf(out, "%s ", time);
    append_place(out, printer->e, one);
    text_printf(out, " %s %s: ", one->type[0] != '\0' ? one->type : "-",
                one->event_id[0] != '\0' ? one->event_id : "-");
    if (!append_fate(printer, one)) {
        return false;
    }
    append_notes(printer, one);
    if (!explain_change_concerns(printer->e, one)) {
        printer->unconcerned++;
        out->len = 0;
        return true;
    }
    say(out);
    return !out->failed;
}

/* ---- values ---- */

static void append_value(struct text *out, churn_str name, const churn_str *value)
{
    append_str(out, name);
    if (value == NULL) {
        text_append_string(out, " is absent");
    } else {
        text_append_string(out, " = ");
        append_str(out, *value);
    }
}

/* The values of `state`, of all that is asked for, each in a line that begins with `before`. */
static void print_state(struct printer *printer, const struct profile *state, const char *before)
{
    const struct registry *registry = printer->e->registry;
    struct text value = {0};
    for (uint32_t i = 0; i < registry->field_count; i++) {
        if (explain_change_asks_for(printer->e, i) && bit_get(state->fields.present, i)) {
            value.len = 0;
            profile_append_field(&value, &state->fields, registry, i);
            text_append_string(&printer->line, before);
            append_value(&printer->line, registry->fields[i].name,
                         &(churn_str){.ptr = value.bytes, .len = (uint32_t)value.len});
            say(&printer->line);
        }
    }
    printer->line.failed = printer->line.failed || value.failed;
    for (uint32_t i = 0; i < registry->derived_count; i++) {
        value.len = 0;
        if ((printer->e->derived < 0 ? printer->e->field < 0 : (uint32_t)printer->e->derived == i) &&
            profile_append_derived(&value, &state->fields, &registry->derived[i])) {
            text_append_string(&printer->line, before);
            append_value(&printer->line, registry->derived[i].name,
                         &(churn_str){.ptr = value.bytes, .len = (uint32_t)value.len});
            say(&printer->line);
        }
    }
    text_free(&value);
}

static void print_earlier(struct printer *printer)
{
    char before[96];
    if (printer->e->kept.earlier_count > 0) {
        (void)snprintf(before, sizeof before, "… after %" PRIu64 " earlier events: ", printer->e->kept.earlier_count);
        print_state(printer, printer->e->kept.earlier, before);
    }
}

static void print_at(struct printer *printer)
{
    char time[CHURN_TIME_SIZE], before[64];
    if (printer->e->has_at) {
        churn_time_format(printer->e->at_ms, time);
        (void)snprintf(before, sizeof before, "at %s: ", time);
        print_state(printer, printer->state, before);
        text_printf(&printer->line, "%" PRIu64 " later event%s", printer->e->later, printer->e->later == 1 ? "" : "s");
        say(&printer->line);
    }
}

/* ---- the end ---- */

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static void print_partitions(struct printer *printer)
{
    const struct explain *e = printer->e;
    char gap[512];
    if (e->forgotten > 0) {
        text_printf(&printer->line, "%" PRIu64 " record%s of before the customer was forgotten %s passed over",
                    e->forgotten, plural(e->forgotten), e->forgotten == 1 ? "is" : "are");
        say(&printer->line);
    }
    for (uint32_t i = 0; i < e->part_room && i < e->worker->parts.count; i++) {
        const char *why = explain_compare_gap(e, i, gap, sizeof gap);
        uint64_t unreadable = e->parts[i].wanted ? e->parts[i].unreadable : 0;
        if (why != NULL) {
            printable_line(stdout, "%s", why);
        }
        if (unreadable > 0) {
            append_str(&printer->line, parts_name(&e->worker->parts.items[i]));
            text_printf(&printer->line, ": %" PRIu64 " record%s cannot be read, and nobody can tell whose they are",
                        unreadable, plural(unreadable));
            say(&printer->line);
        }
    }
}

/* Fields that differ each have a line; one that was asked for has one in any case, the last. */
static void print_field(void *ctx, churn_str name, const churn_str *here, const churn_str *stored)
{
    struct printer *printer = ctx;
    bool same = here != NULL && stored != NULL && churn_equal(*here, *stored);
    if (same && explain_change_name(printer->e).ptr == NULL) {
        return;
    }
    append_value(&printer->line, name, here);
    if (printer->e->pipeline->store.loaded == NULL) {
        text_append_string(&printer->line, "; the pipeline has no store to compare with");
    } else if (same) {
        text_append_string(&printer->line, ": the same in the store");
    } else if (stored == NULL) {
        text_append_string(&printer->line, ": absent in the store");
    } else {
        text_append_string(&printer->line, ": the store has ");
        append_str(&printer->line, *stored);
    }
    say(&printer->line);
}

static void print_whole(struct printer *printer, const struct comparison *c)
{
    churn_str name = explain_change_name(printer->e);
    if (name.ptr != NULL && c->fields == 0) {
        append_str(&printer->line, name);
        text_append_string(&printer->line, " is absent: the same in the store");
    } else if (name.ptr == NULL && printer->e->pipeline->store.loaded == NULL) {
        text_printf(&printer->line, "%u fields; the pipeline has no store to compare with", c->fields);
    } else if (name.ptr == NULL && c->differing == 0) {
        text_printf(&printer->line, "all %u fields: the same in the store", c->fields);
    } else if (name.ptr == NULL) {
        text_printf(&printer->line, "%u of %u fields differ from the store", c->differing, c->fields);
    } else {
        return;
    }
    say(&printer->line);
}

/* The profile has counted more events than there are. */
static void explain_more(const struct comparison *c, uint64_t n)
{
    if (c->another) {
        printable_line(stderr,
                       "churnd: the profile says that it has counted %" PRIu64 " event%s more than can be read: the "
                       "topics are not what was counted, as is said above",
                       n, plural(n));
    } else if (c->gap) {
        printable_line(stderr,
                       "churnd: the first %" PRIu64 " event%s that the profile has counted %s no longer there, so the "
                       "sum cannot be proved",
                       n, plural(n), n == 1 ? "is" : "are");
    } else {
        printable_line(stderr,
                       "churnd: the profile says that it has counted %" PRIu64
                       " event%s more than can be read: records "
                       "were deleted or compacted away, event types or processors are stricter than when they were "
                       "counted, or somebody has changed the profile",
                       n, plural(n));
    }
}

/* … or fewer. */
static void explain_fewer(const struct comparison *c, uint64_t n)
{
    printable_line(stderr,
                   "churnd: the profile says that it has counted %" PRIu64 " event%s fewer: they were dead letters "
                   "when the pipeline read them (`churnd redrive` counts them), or the profile was deleted, expired or "
                   "was lost by the store since, and began anew, or somebody has changed it%s",
                   n, plural(n), c->gap ? "; besides, records that it has counted are gone, as is said above" : "");
}

/* Why the store has something else, as far as that can be told. */
static void explain_difference(const struct comparison *c)
{
    uint64_t n = (uint64_t)(c->missing > 0 ? c->missing : -c->missing);
    if (c->passed > 0) {
        printable_line(stderr,
                       "churnd: the pipeline has read %" PRIu64
                       " event%s that the profile has not counted: dead letters "
                       "when they were read (`churnd redrive` counts them); or the store has an older copy of the "
                       "profile than of how far the pipeline has come, as of a backup that was restored in part, or "
                       "while churnd ran (--replay-from beginning counts them)",
                       c->passed, plural(c->passed));
    }
    if (c->differing == 0) {
        return;
    }
    if (c->missing > 0) {
        explain_more(c, n);
    } else if (c->missing < 0) {
        explain_fewer(c, n);
    } else if (c->gap) {
        printable_line(stderr, "churnd: as many events are counted as can be read, and they are not the same ones, for "
                               "some that were counted are gone, as is said above: the profile was lost by the store "
                               "or deleted, and began anew, or somebody has changed it");
    } else {
        printable_line(stderr, "churnd: no event is missing: somebody else has changed the profile, or event types or "
                               "processors were others when it was counted. `churnd rebuild` makes the profiles anew, "
                               "under another prefix");
    }
}

/* The store knows how far the pipeline has come in a partition of the customer's. */
static bool has_checkpoint(const struct explain *e)
{
    for (uint32_t i = 0; i < e->part_room && i < e->worker->parts.count; i++) {
        if (e->parts[i].read > 0) {
            return true;
        }
    }
    return false;
}

/* There is no profile to compare with. */
static int explain_absence(struct explain *e)
{
    uint64_t passed = explain_compare_passed(e);
    if (e->kept.count == 0 && e->kept.earlier_count + e->later == 0) {
        printable_line(stderr, "churnd: there is neither a profile nor an event of customer '%s'", e->customer.ptr);
    } else if (!explain_profile_read(e) || e->stored.text.count > 0) {
        printable_line(stderr, "churnd: the profile of customer '%s' was written only now; ask again", e->customer.ptr);
    } else if (passed > 0) {
        printable_line(
            stderr,
            "churnd: there is no profile of customer '%s' in the store, though the pipeline has read %" PRIu64
            " event%s: either they were dead letters when they were read (`churnd redrive`), or it expired (`ttl`), was "
            "deleted or got lost",
            e->customer.ptr, passed, plural(passed));
    } else if (!has_checkpoint(e)) {
        printable_line(stderr,
                       "churnd: there is no profile of customer '%s' in the store, nor a checkpoint of the topics: it "
                       "lost its data, is another one than the pipeline has written to, or the pipeline has not run "
                       "yet. A run reads the topics again by itself",
                       e->customer.ptr);
    } else {
        printable_line(stderr,
                       "churnd: there is no profile of customer '%s' in the store: the pipeline has counted none of "
                       "these events yet, or the store was restored from a backup that is older than they are",
                       e->customer.ptr);
    }
    return 1;
}

static int print_end(struct printer *printer)
{
    struct explain *e = printer->e;
    struct comparison c;
    churn_str name = explain_change_name(e);
    if (printer->unconcerned > 0) {
        text_printf(&printer->line, "%" PRIu64 " further event%s do%s not concern ", printer->unconcerned,
                    plural(printer->unconcerned), printer->unconcerned == 1 ? "es" : "");
        append_str(&printer->line, name);
        say(&printer->line);
    }
    print_at(printer);
    print_partitions(printer);
    if (e->stored.damage[0] != '\0') {
        printable_line(stderr, "churnd: the profile is damaged: %s. " STORED_PROFILE_MEANS STORED_PROFILE_REPAIR,
                       e->stored.damage);
    }
    if (e->pipeline->store.loaded != NULL && e->stored.text.count == 0) {
        return e->stored.damage[0] != '\0' ? 1 : explain_absence(e);
    }
    if (!explain_compare(e, &c, print_field, printer)) {
        return -1;
    }
    print_whole(printer, &c);
    if (e->pipeline->store.loaded != NULL && !c.same) {
        explain_difference(&c);
    }
    return e->pipeline->store.loaded != NULL && (!c.same || e->stored.damage[0] != '\0');
}

int explain_text_print(struct explain *e)
{
    struct printer printer = {.e = e, .state = e->kept.earlier};
    bool ok = true;
    int status;
    print_earlier(&printer);
    for (size_t i = 0; i < e->kept.count && ok; i++) {
        ok = print_one(&printer, e->kept.items[i]);
    }
    status = ok ? print_end(&printer) : -1;
    status = printer.line.failed ? -1 : status;
    text_free(&printer.line);
    return status;
}
