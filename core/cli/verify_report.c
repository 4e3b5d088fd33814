/* What `churnd verify` says: lines for people, JSON for programs. */
#include "cli/verify_report.h"

#include "base/printable.h"
#include <inttypes.h>
#include <stdio.h>

static const char *const side_names[SIDES] = {"here", "there"};

/* ---- for people ---- */

static void print_value(const churn_str *value, const char *side)
{
    if (value == NULL) {
        (void)printf("missing %s", side);
    } else if (value->len == 0) {
        (void)printf("empty %s", side);
    } else {
        printable_put(*value);
        (void)printf(" %s", side);
    }
}

static void print_field(void *ctx, churn_str name, const churn_str *here, const churn_str *there)
{
    const struct difference *difference = ctx;
    printable_put(difference->id);
    (void)printf(": ");
    printable_put(name);
    (void)printf(": ");
    print_value(here, side_names[HERE]);
    (void)printf(", ");
    print_value(there, side_names[THERE]);
    (void)putchar('\n');
}

static void print_gap(const struct difference *difference, const struct reached *reached)
{
    static const char *const advice[] = {
        [GAP_NONE] = "",
        [GAP_HERE_FURTHER] = "the pipeline has gone on; run the rebuild again",
        [GAP_THERE_FURTHER] = "the pipeline has not read that far yet; verify again when it has",
        [GAP_REAL] = "both sides have read further than that, so the older one has lost events",
    };
    int64_t here = verify_mark(&difference->profiles[HERE], reached);
    int64_t there = verify_mark(&difference->profiles[THERE], reached);
    enum gap gap = verify_gap(reached, here, there);
    bool whole = difference->profiles[HERE].count > 0 && difference->profiles[THERE].count > 0;
    if (gap != GAP_NONE && (gap != GAP_REAL || whole)) {
        printable_put(difference->id);
        printable_line(stdout, ": %s: %" PRId64 " here, %" PRId64 " there: %s", reached->source, here, there,
                       advice[gap]);
    }
}

static void print_difference(const struct verify *v, struct difference *difference)
{
    struct copy *here = &difference->profiles[HERE], *there = &difference->profiles[THERE];
    for (uint32_t i = 0; i < v->reached_count; i++) {
        print_gap(difference, &v->reached[i]);
    }
    if (here->count == 0 || there->count == 0) {
        int absent = here->count == 0 ? HERE : THERE;
        printable_put(difference->id);
        printable_line(stdout, ": missing %s: there is a profile under '%s' and none under '%s'", side_names[absent],
                       v->prefixes[!absent].ptr, v->prefixes[absent].ptr);
    } else {
        (void)verify_fields(here, there, print_field, difference);
    }
}

/* Where the user did not say how many are to be named. Returns how many were. */
static uint64_t print_first(const struct verify *v, struct differences *differences)
{
    bool both = differences->first.explained && differences->unexplained.found;
    if (differences->first.found) {
        print_difference(v, &differences->first);
    }
    if (both) {
        (void)printf("the first that differs for another reason:\n");
        print_difference(v, &differences->unexplained);
    }
    return differences->first.found ? 1u + both : 0;
}

void verify_print_text(const struct verify *v, struct differences *differences)
{
    uint64_t differing = v->different + v->missing[HERE] + v->missing[THERE];
    uint64_t named = v->limit > 0 ? v->named : print_first(v, differences);
    if (named < differing) {
        (void)printf("%" PRIu64 " more differ%s; --limit %" PRIu64 " names all\n", differing - named,
                     differing - named == 1 ? "s" : "", differing);
    }
    printable_line(stdout,
                   "%" PRIu64 " profiles compared, '%s' here, '%s' there: %" PRIu64 " equal, %" PRIu64
                   " different, %" PRIu64 " missing here, %" PRIu64 " missing there",
                   v->compared, v->prefixes[HERE].ptr, v->prefixes[THERE].ptr, v->equal, v->different, v->missing[HERE],
                   v->missing[THERE]);
    if (v->explained > 0) {
        (void)printf("%" PRIu64 " of those that differ do so only where one side has read further\n", v->explained);
    }
}

/* ---- for programs ---- */

struct json {
    struct text *out;
    const char *separator; /* before the next element */
};

static void append_value(struct text *out, const char *name, const churn_str *value)
{
    text_printf(out, ",\"%s\":", name);
    if (value == NULL) {
        text_append_string(out, "null");
    } else {
        text_append_json(out, value->ptr, value->len);
    }
}

static void append_field(void *ctx, churn_str name, const churn_str *here, const churn_str *there)
{
    struct json *json = ctx;
    text_printf(json->out, "%s{\"name\":", json->separator);
    text_append_json(json->out, name.ptr, name.len);
    append_value(json->out, side_names[HERE], here);
    append_value(json->out, side_names[THERE], there);
    text_append_string(json->out, "}");
    json->separator = ",";
}

static void append_gaps(struct text *out, const struct verify *v, const struct difference *difference)
{
    static const char *const causes[] = {"", "here_has_read_further", "there_has_read_further", "events_lost"};
    const char *separator = "";
    for (uint32_t i = 0; i < v->reached_count; i++) {
        const struct reached *reached = &v->reached[i];
        int64_t here = verify_mark(&difference->profiles[HERE], reached);
        int64_t there = verify_mark(&difference->profiles[THERE], reached);
        enum gap gap = verify_gap(reached, here, there);
        if (gap != GAP_NONE) {
            text_printf(out, "%s{\"source\":", separator);
            text_append_json(out, reached->source, reached->len);
            text_printf(out, ",\"here\":%" PRId64 ",\"there\":%" PRId64 ",\"cause\":\"%s\"}", here, there, causes[gap]);
            separator = ",";
        }
    }
}

static void append_differing(struct text *out, const struct verify *v, struct difference *difference)
{
    struct copy *here = &difference->profiles[HERE], *there = &difference->profiles[THERE];
    struct json json = {.out = out, .separator = ""};
    text_append_string(out, "{\"customer_id\":");
    text_append_json(out, difference->id.ptr, difference->id.len);
    text_printf(out, ",\"missing\":%s,\"fields\":[",
                here->count == 0    ? "\"here\""
                : there->count == 0 ? "\"there\""
                                    : "null");
    (void)verify_fields(here, there, append_field, &json);
    text_append_string(out, "],\"read\":[");
    append_gaps(out, v, difference);
    text_append_string(out, "]}");
}

static void append_difference(struct text *out, const struct verify *v, const char *name, struct difference *difference)
{
    text_printf(out, ",\"%s\":", name);
    if (difference->found) {
        append_differing(out, v, difference);
    } else {
        text_append_string(out, "null");
    }
}

void verify_name(struct verify *v, struct difference *difference)
{
    if (v->json) {
        text_append_string(&v->list, v->list.len > 0 ? "," : "");
        append_differing(&v->list, v, difference);
        v->failed = v->failed || v->list.failed;
    } else {
        progress_line_clear(&v->line); /* it may be the same terminal */
        print_difference(v, difference);
    }
}

bool verify_print_json(const struct verify *v, struct differences *differences)
{
    struct text out = {0};
    bool ok;
    text_append_string(&out, "{\"here\":");
    text_append_json(&out, v->prefixes[HERE].ptr, v->prefixes[HERE].len);
    text_append_string(&out, ",\"there\":");
    text_append_json(&out, v->prefixes[THERE].ptr, v->prefixes[THERE].len);
    text_printf(&out,
                ",\"compared\":%" PRIu64 ",\"equal\":%" PRIu64 ",\"different\":%" PRIu64 ",\"missing_here\":%" PRIu64
                ",\"missing_there\":%" PRIu64 ",\"only_read_further\":%" PRIu64,
                v->compared, v->equal, v->different, v->missing[HERE], v->missing[THERE], v->explained);
    append_difference(&out, v, "first", &differences->first);
    append_difference(&out, v, "first_for_another_reason", &differences->unexplained);
    if (v->limit > 0) {
        text_append_string(&out, ",\"differences\":[");
        text_append(&out, v->list.bytes, v->list.len);
        text_append_string(&out, "]");
    }
    text_append_string(&out, "}");
    ok = !out.failed;
    if (ok) {
        (void)printf("%.*s\n", (int)out.len, out.bytes);
    }
    text_free(&out);
    return ok;
}
