#include "fault.h"

#include "put.h"
#include "random.h"
#include <string.h>

#define DEEP 70 /* arrays within arrays: more than an event may have */

static const struct fault whole_faults[] = {
    {.target = NOTHING, .whole = TEXT("")},
    {.target = NOTHING, .whole = TEXT("this is not JSON")},
    {.target = NOTHING, .whole = TEXT("{\"event_id\":}")},
    {.target = NOTHING, .whole = TEXT("{'event_id':'1'}")},
    {.target = NOTHING, .whole = TEXT("[]")},
    {.target = NOTHING, .whole = TEXT("\"event\"")},
    {.target = NOTHING, .whole = TEXT("null")},
    {.target = NOTHING, .cut = 1},
    {.target = NOTHING, .before = TEXT("\xef\xbb\xbf")},
    {.target = NOTHING, .after = TEXT(" {}")},
    {.target = NOTHING, .after = TEXT(",")},
    {.target = EVENT_ID},
    {.target = EVENT_ID, .value = TEXT("null")},
    {.target = EVENT_ID, .value = TEXT("17")},
    {.target = EVENT_ID, .value = TEXT("\"\"")},
    {.target = EVENT_ID, .value = TEXT("\"\xff\xfe\"")},
    {.target = EVENT_ID, .value = TEXT("\"\xc0\xaf\"")},
    {.target = EVENT_ID, .value = TEXT("\"\\ud83d\"")},
    {.target = EVENT_ID, .value = TEXT("\"a\0b\"")},
    {.target = EVENT_ID, .value = TEXT("\"a\tb\"")},
    {.target = EVENT_TYPE},
    {.target = EVENT_TYPE, .value = TEXT("null")},
    {.target = EVENT_TYPE, .value = TEXT("\"carrier_pigeon_sent\"")},
    {.target = CUSTOMER_ID},
    {.target = CUSTOMER_ID, .value = TEXT("null")},
    {.target = CUSTOMER_ID, .value = TEXT("true")},
    {.target = CUSTOMER_ID, .value = TEXT("\"\"")},
    {.target = CUSTOMER_ID, .value = TEXT("\"\\u0007\"")},
    {.target = TIMESTAMP},
    {.target = TIMESTAMP, .value = TEXT("1767225600")},
    {.target = TIMESTAMP, .value = TEXT("\"2026-02-30T10:00:00Z\"")},
    {.target = TIMESTAMP, .value = TEXT("\"2026-01-01T24:00:00Z\"")},
    {.target = TIMESTAMP, .value = TEXT("\"2026-01-01T10:00:00\"")},
    {.target = TIMESTAMP, .value = TEXT("\"yesterday\"")},
    {.target = DATA},
    {.target = DATA, .value = TEXT("null")},
    {.target = DATA, .value = TEXT("[]")},
    {.target = DATA, .value = TEXT("\"text\"")},
};
#define WHOLE_FAULTS (sizeof whole_faults / sizeof whole_faults[0])
#define FIELD_FAULTS 14 /* in how many cases beside those a field of `data` is at fault */
#define ALL_FAULTS (WHOLE_FAULTS + 1 + FIELD_FAULTS)

static const churn_str not_text[] = {TEXT("null"), TEXT("17"), TEXT("{}")};
static const churn_str not_int[] = {TEXT("null"), TEXT("\"7\""), TEXT("1.5"), TEXT("1e2"), TEXT("9223372036854775808")};
static const churn_str not_money[] = {TEXT("null"), TEXT("\"9.99\""), TEXT("-0.01"), TEXT("1000000000000")};
static const churn_str not_bool[] = {TEXT("null"), TEXT("\"yes\""), TEXT("1")};
static const churn_str not_time[] = {TEXT("null"), TEXT("1767225600"), TEXT("\"2026-02-30T10:00:00Z\"")};

/* By the number of CHURN_FIELD_…. */
static const struct {
    const churn_str *values;
    uint32_t count;
} wrong_values[] = {
    [CHURN_FIELD_STRING] = {not_text, sizeof not_text / sizeof not_text[0]},
    [CHURN_FIELD_INT] = {not_int, sizeof not_int / sizeof not_int[0]},
    [CHURN_FIELD_MONEY] = {not_money, sizeof not_money / sizeof not_money[0]},
    [CHURN_FIELD_BOOL] = {not_bool, sizeof not_bool / sizeof not_bool[0]},
    [CHURN_FIELD_TIME] = {not_time, sizeof not_time / sizeof not_time[0]},
};

/* A value just outside of what the field allows; ptr NULL when it allows all. `scratch` holds a number. */
static churn_str out_of_range(const churn_field *field, char scratch[NUMBER_ROOM])
{
    churn_str value = {.ptr = scratch};
    if (field->type == CHURN_FIELD_STRING && field->choices != NULL) {
        return (churn_str)TEXT("\"none of the choices\"");
    }
    if (field->type == CHURN_FIELD_INT && field->min > INT64_MIN) {
        value.len = (uint32_t)(put_signed(scratch, field->min - 1) - scratch);
        return value;
    }
    if (field->type == CHURN_FIELD_INT && field->max < INT64_MAX) {
        value.len = (uint32_t)(put_signed(scratch, field->max + 1) - scratch);
        return value;
    }
    return (churn_str){0};
}

static struct fault field_fault(const struct type_plan *plan, char scratch[NUMBER_ROOM], uint64_t *random)
{
    uint32_t index = (uint32_t)random_below(random, plan->field_count);
    const churn_field *field = plan->fields[index].field;
    struct fault fault = {.target = FIRST_FIELD + (int32_t)index};
    uint64_t way = random_below(random, 3);
    if (way == 0 && (field->flags & CHURN_FIELD_REQUIRED) != 0) {
        return fault; /* left out */
    }
    if (way == 1) {
        fault.value = out_of_range(field, scratch);
    }
    if (fault.value.ptr == NULL) {
        fault.value = wrong_values[field->type].values[random_below(random, wrong_values[field->type].count)];
    }
    return fault;
}

/* An event_id with a member after it that goes too deep. */
static struct fault deep_fault(char *deep)
{
    char *at = PUT(deep, "\"deep\",\"extra\":");
    memset(at, '[', DEEP);
    memset(at + DEEP, ']', DEEP);
    return (struct fault){.target = EVENT_ID, .value = {.ptr = deep, .len = (uint32_t)(at + (size_t)2 * DEEP - deep)}};
}

struct fault pick_fault(const struct type_plan *plan, char scratch[FAULT_ROOM], uint64_t *random)
{
    uint64_t pick = random_below(random, plan->field_count > 0 ? ALL_FAULTS : WHOLE_FAULTS + 1);
    if (pick < WHOLE_FAULTS) {
        return whole_faults[pick];
    }
    return pick == WHOLE_FAULTS ? deep_fault(scratch) : field_fault(plan, scratch, random);
}
