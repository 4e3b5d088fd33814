/* Conditions on events. What needs a field that the event lacks is unknown, and stays so unless the other operand of
 * an `&&` or `||` decides. */
#include "event/condition_terms.h"

#include "event/severity.h"
#include <churn/time.h>
#include <stdlib.h>

struct value {
    bool known;
    churn_str text;
    int128 number;
};

/* What is evaluated, and on what. */
struct subject {
    const struct condition *condition;
    const struct event_type *type;
    const churn_event *event;
    uint32_t severity;
    const struct condition_moment *moment; /* in place of the event; NULL: that */
};

static const struct value unknown = {.known = false};

static struct value of_bool(bool yes)
{
    return (struct value){.known = true, .number = yes};
}

static struct value of_text(churn_str text)
{
    return (struct value){.known = true, .text = text};
}

static bool is(const struct value *value, bool yes)
{
    return value->known && (value->number != 0) == yes;
}

/* The event's value of a term that names a field, or NULL. */
static const churn_value *find_value(const struct subject *subject, const struct term *term, int32_t *ret_row)
{
    int32_t row = *ret_row = term->rows[subject->type - subject->condition->types];
    bool there = subject->event != NULL && row >= 0 && (uint32_t)row < subject->event->value_count &&
                 subject->event->values[row].present;
    return there ? &subject->event->values[row] : NULL;
}

static struct value field_value(const struct subject *subject, const struct term *term)
{
    int32_t row;
    const churn_value *value = find_value(subject, term, &row);
    if (value == NULL) {
        return unknown;
    }
    bool whole = event_type_field(subject->type, (uint32_t)row)->type == CHURN_FIELD_INT;
    return (struct value){
        .known = true, .text = value->text, .number = (int128)value->number * (whole ? MONEY_SCALE : 1)};
}

static const churn_pair *find_pair(const struct condition_moment *moment, churn_str name)
{
    for (uint32_t i = 0; i < moment->count; i++) {
        if (churn_equal(moment->fields[i].name, name)) {
            return &moment->fields[i];
        }
    }
    return NULL;
}

static struct value profile_value(const struct subject *subject, const struct term *term)
{
    const churn_pair *pair = find_pair(subject->moment, term->text);
    struct value value = {.known = pair != NULL};
    int64_t ms = 0;
    if (pair == NULL) {
        return unknown;
    }
    switch (term->type) {
    case VALUE_NUMBER:
        value.known = decimal_parse_units(pair->value.ptr, pair->value.len, &value.number);
        break;
    case VALUE_TIME:
        value.known = churn_time_parse(pair->value.ptr, pair->value.len, &ms) != 0;
        value.number = ms;
        break;
    default:
        value.text = pair->value;
    }
    return value;
}

/* Rounded to four decimals, as all numbers of conditions are. */
static struct value score_value(const struct subject *subject)
{
    char copy[64];
    churn_str score = subject->moment->score;
    if (score.len == 0 || score.len >= sizeof copy) {
        return unknown;
    }
    memcpy(copy, score.ptr, score.len);
    copy[score.len] = '\0';
    return (struct value){.known = true, .number = (int128)(strtod(copy, NULL) * MONEY_SCALE + 0.5)};
}

static struct value age_value(const struct subject *subject)
{
    const struct condition_moment *moment = subject->moment;
    return moment->score.len == 0
               ? unknown
               : (struct value){.known = true, .number = (int128)moment->score_age_ms * MONEY_SCALE / 1000};
}

/* What the trigger of a prediction says of its event; false: it is none of those. */
static bool trigger_value(const struct condition_moment *moment, enum operation operation, struct value *ret)
{
    switch (operation) {
    case TERM_EVENT_TYPE:
        *ret = of_text(moment->event_type);
        return true;
    case TERM_CUSTOMER_ID:
        *ret = of_text(moment->customer_id);
        return true;
    case TERM_EVENT_ID:
        *ret = of_text(moment->event_id);
        return true;
    case TERM_TIMESTAMP:
        *ret = (struct value){.known = true, .number = moment->timestamp_ms};
        return true;
    default:
        return false;
    }
}

static int compare_texts(churn_str a, churn_str b)
{
    uint32_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare(const struct value *a, const struct value *b, enum value_type type)
{
    return type == VALUE_TEXT ? compare_texts(a->text, b->text) : (a->number > b->number) - (a->number < b->number);
}

static bool holds(enum operation operation, int order)
{
    switch (operation) {
    case TERM_EQUAL:
        return order == 0;
    case TERM_NOT_EQUAL:
        return order != 0;
    case TERM_LESS:
        return order < 0;
    case TERM_LESS_EQUAL:
        return order <= 0;
    case TERM_GREATER:
        return order > 0;
    default:
        return order >= 0;
    }
}

static bool text_test(enum operation operation, churn_str text, churn_str part)
{
    if (part.len == 0 || part.len > text.len) {
        return part.len == 0;
    }
    switch (operation) {
    case TERM_STARTS_WITH:
        return memcmp(text.ptr, part.ptr, part.len) == 0;
    case TERM_ENDS_WITH:
        return memcmp(text.ptr + text.len - part.len, part.ptr, part.len) == 0;
    default:
        return memmem(text.ptr, text.len, part.ptr, part.len) != NULL;
    }
}

static bool is_in_list(const struct subject *subject, const struct term *term, const struct value *value)
{
    for (uint16_t i = 0; i < term->count; i++) {
        const struct term *item = &subject->condition->terms[term->right + i];
        struct value constant = {.known = true, .text = item->text, .number = item->number};
        if (compare(value, &constant, item->type) == 0) {
            return true;
        }
    }
    return false;
}

/* Characters, of UTF-8. */
static int128 text_size(churn_str text)
{
    int128 count = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        count += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    }
    return count;
}

static struct value evaluate(const struct subject *subject, uint16_t index);

/* `deciding` settles it whatever the other operand is, also one that is unknown. */
static struct value evaluate_logic(const struct subject *subject, const struct term *term, bool deciding)
{
    struct value left = evaluate(subject, term->left), right;
    if (is(&left, deciding)) {
        return left;
    }
    right = evaluate(subject, term->right);
    return is(&right, deciding) || left.known ? right : unknown;
}

static struct value evaluate_pair(const struct subject *subject, const struct term *term)
{
    const struct term *terms = subject->condition->terms;
    struct value left = evaluate(subject, term->left), right = evaluate(subject, term->right);
    if (!left.known || !right.known) {
        return unknown;
    }
    if (term->operation >= TERM_STARTS_WITH) {
        return of_bool(text_test(term->operation, left.text, right.text));
    }
    return of_bool(holds(term->operation, compare(&left, &right, terms[term->left].type)));
}

static struct value evaluate_one(const struct subject *subject, const struct term *term)
{
    struct value value = evaluate(subject, term->left);
    if (!value.known) {
        return unknown;
    }
    switch (term->operation) {
    case TERM_NOT:
        return of_bool(value.number == 0);
    case TERM_IN:
        return of_bool(is_in_list(subject, term, &value));
    default:
        return (struct value){.known = true, .number = text_size(value.text) * MONEY_SCALE};
    }
}

static struct value evaluate(const struct subject *subject, uint16_t index)
{
    const struct term *term = &subject->condition->terms[index];
    struct value of_trigger;
    const char *name;
    int32_t row;
    if (subject->moment != NULL && trigger_value(subject->moment, term->operation, &of_trigger)) {
        return of_trigger;
    }
    switch (term->operation) {
    case TERM_CONSTANT:
        return (struct value){.known = true, .text = term->text, .number = term->number};
    case TERM_EVENT_TYPE:
        return of_text(subject->type->name);
    case TERM_CUSTOMER_ID:
        return of_text(subject->event->customer_id);
    case TERM_EVENT_ID:
        return of_text(subject->event->event_id);
    case TERM_TIMESTAMP:
        return (struct value){.known = true, .number = subject->event->timestamp_ms};
    case TERM_SEVERITY:
        name = severity_name(subject->severity);
        return of_text(churn_text(name));
    case TERM_FIELD:
        return field_value(subject, term);
    case TERM_HAS:
        return of_bool(find_value(subject, term, &row) != NULL);
    case TERM_PROFILE:
        return profile_value(subject, term);
    case TERM_HAS_PROFILE:
        return of_bool(find_pair(subject->moment, term->text) != NULL);
    case TERM_SCORE:
        return score_value(subject);
    case TERM_SCORE_AGE:
        return age_value(subject);
    case TERM_AND:
        return evaluate_logic(subject, term, false);
    case TERM_OR:
        return evaluate_logic(subject, term, true);
    case TERM_NOT:
    case TERM_IN:
    case TERM_SIZE:
        return evaluate_one(subject, term);
    default:
        return evaluate_pair(subject, term);
    }
}

bool condition_matches(const struct condition *condition, const struct event_type *type, const churn_event *event,
                       uint32_t severity)
{
    struct subject subject = {.condition = condition, .type = type, .event = event, .severity = severity};
    struct value whole = evaluate(&subject, (uint16_t)(condition->term_count - 1));
    return is(&whole, true);
}

bool condition_holds(const struct condition *condition, const struct condition_moment *moment)
{
    struct subject subject = {
        .condition = condition, .type = condition->types, .severity = moment->severity, .moment = moment};
    struct value whole = evaluate(&subject, (uint16_t)(condition->term_count - 1));
    return is(&whole, true);
}

static bool asks(const struct condition *condition, enum operation first, enum operation last)
{
    for (uint16_t i = 0; i < condition->term_count; i++) {
        if (condition->terms[i].operation >= first && condition->terms[i].operation <= last) {
            return true;
        }
    }
    return false;
}

bool condition_asks_profile(const struct condition *condition)
{
    return asks(condition, TERM_PROFILE, TERM_SCORE_AGE);
}

bool condition_asks_score(const struct condition *condition)
{
    return asks(condition, TERM_SCORE, TERM_SCORE_AGE);
}
