/* Conditions: from a text to a program whose every name and type was checked against the event types. */
#include "event/condition.h"

#include "event/condition_names.h"
#include <churn/time.h>
#include <ctype.h>
#include <stdlib.h>

#define MAX_DIGITS 18 /* before the point */

/* ---- pieces of text ---- */

static void skip_space(struct parser *p)
{
    p->at += strspn(p->at, " \t\r\n");
}

static bool is_name_byte(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* The length of the name that stands here; 0: none. */
static size_t name_length(const char *at)
{
    size_t len = 0;
    while (is_name_byte(at[len]) && (len > 0 || !isdigit((unsigned char)at[0]))) {
        len++;
    }
    return len;
}

/* Passes over a mark, if it is next. */
static bool accept(struct parser *p, const char *mark)
{
    size_t len = strlen(mark);
    skip_space(p);
    if (strncmp(p->at, mark, len) != 0 || (is_name_byte(mark[0]) && is_name_byte(p->at[len]))) {
        return false;
    }
    p->at += len;
    return true;
}

static bool expect(struct parser *p, const char *mark, const char *why)
{
    if (accept(p, mark)) {
        return true;
    }
    (void)parser_fail(p, p->at, "'%s' is missing %s", mark, why);
    return false;
}

/* Takes the name that stands here; false when it is none or too long to be one. */
static bool take_name(struct parser *p, char name[PARSER_MAX_NAME + 1])
{
    size_t len;
    skip_space(p);
    len = name_length(p->at);
    if (len == 0 || len > PARSER_MAX_NAME) {
        return false;
    }
    memcpy(name, p->at, len);
    name[len] = '\0';
    p->at += len;
    return true;
}

/* ---- terms ---- */

static int add_operation(struct parser *p, const char *at, enum operation operation, enum value_type type, int left,
                         int right)
{
    if (left == PARSER_FAILED || right == PARSER_FAILED) {
        return PARSER_FAILED;
    }
    return parser_add_term(
        p, at, (struct term){.operation = operation, .type = type, .left = (uint16_t)left, .right = (uint16_t)right});
}

static int add_constant(struct parser *p, const char *at, enum value_type type, int128 number)
{
    return parser_add_term(p, at, (struct term){.operation = TERM_CONSTANT, .type = type, .number = number});
}

static enum value_type type_of(const struct parser *p, int term)
{
    return p->condition->terms[term].type;
}

/* ---- literals ---- */

/* Whole numbers and decimals, in units of 1/10,000. */
static int parse_number(struct parser *p)
{
    const char *start = p->at, *digits = start + (*start == '-');
    size_t whole = strspn(digits, "0123456789"), decimals = 0;
    const char *end = digits + whole;
    int128 units;
    if (*end == '.' && isdigit((unsigned char)end[1])) {
        decimals = strspn(end + 1, "0123456789");
        end += 1 + decimals;
    }
    if (is_name_byte(*end) || *end == '.') {
        return parser_fail(p, start, "this is no number; write digits, such as 5 or 99.99");
    }
    if (whole > MAX_DIGITS) {
        return parser_fail(p, start, "a number has at most %d digits before the point", MAX_DIGITS);
    }
    if (decimals > 4 || !decimal_parse_units(start, (size_t)(end - start), &units)) {
        return parser_fail(p, start, "a number has at most four decimals, as money has");
    }
    p->at = end;
    return add_constant(p, start, VALUE_NUMBER, units);
}

/* What stands behind a backslash; 0: no such escape. */
static char unescape(char c)
{
    static const char names[] = "\\\"'nrt", bytes[] = "\\\"'\n\r\t";
    const char *found = c != '\0' ? strchr(names, c) : NULL;
    return found != NULL ? bytes[found - names] : '\0';
}

/* A text in quotes, kept with the program. */
static bool take_text(struct parser *p, churn_str *ret)
{
    const char *start = p->at;
    char quote = *p->at++, *out = p->condition->texts + p->texts_used;
    uint32_t len = 0;
    while (*p->at != quote) {
        char c = *p->at;
        if (c == '\0' || c == '\n') {
            (void)parser_fail(p, start, "the text has no closing %c", quote);
            return false;
        }
        if (c == '\\') {
            c = unescape(*++p->at);
            if (c == '\0') {
                (void)parser_fail(p, p->at - 1, "there is no such escape; there are \\\\ \\\" \\' \\n \\r \\t");
                return false;
            }
        }
        out[len++] = c;
        p->at++;
    }
    p->at++;
    p->texts_used += len;
    *ret = (churn_str){.ptr = out, .len = len};
    return true;
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'';
}

static int parse_text(struct parser *p)
{
    const char *start = p->at;
    struct term term = {.operation = TERM_CONSTANT, .type = VALUE_TEXT};
    return take_text(p, &term.text) ? parser_add_term(p, start, term) : PARSER_FAILED;
}

/* timestamp("2026-01-01T00:00:00Z"), from behind the name on. */
static int parse_time(struct parser *p, const char *start)
{
    churn_str text;
    int64_t ms;
    if (!expect(p, "(", "behind 'timestamp'")) {
        return PARSER_FAILED;
    }
    skip_space(p);
    if (!is_quote(*p->at)) {
        return parser_fail(p, p->at, "a time in quotes belongs here, such as timestamp(\"2026-01-01T00:00:00Z\")");
    }
    const char *at = p->at;
    if (!take_text(p, &text)) {
        return PARSER_FAILED;
    }
    if (!churn_time_parse(text.ptr, text.len, &ms)) {
        return parser_fail(p, at, "this is no RFC 3339 time that exists, such as 2026-01-01T00:00:00Z");
    }
    return expect(p, ")", "behind the time") ? add_constant(p, start, VALUE_TIME, ms) : PARSER_FAILED;
}

/* A number with a unit, in seconds. */
static bool read_duration(churn_str text, int128 *ret_units)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    int64_t number = 0;
    uint32_t at = 0;
    for (; at < text.len && at < 12 && isdigit((unsigned char)text.ptr[at]); at++) {
        number = number * 10 + (text.ptr[at] - '0');
    }
    for (size_t i = 0; at > 0 && i < sizeof units / sizeof units[0]; i++) {
        if (churn_equal((churn_str){.ptr = text.ptr + at, .len = text.len - at}, churn_text(units[i].name))) {
            *ret_units = (int128)number * units[i].ms * MONEY_SCALE / 1000;
            return true;
        }
    }
    return false;
}

/* duration("1h"), from behind the name on: what it is in seconds. */
static int parse_duration(struct parser *p, const char *start)
{
    churn_str text;
    int128 units;
    const char *at;
    if (!expect(p, "(", "behind 'duration'")) {
        return PARSER_FAILED;
    }
    skip_space(p);
    at = p->at;
    if (!is_quote(*at) || !take_text(p, &text)) {
        return parser_fail(p, at, "a duration in quotes belongs here, such as duration(\"24h\")");
    }
    if (!read_duration(text, &units)) {
        return parser_fail(p, at, "this is no duration, such as 90s, 15m, 24h or 7d");
    }
    return expect(p, ")", "behind the duration") ? add_constant(p, start, VALUE_NUMBER, units) : PARSER_FAILED;
}

static bool starts_number(const char *at)
{
    return isdigit((unsigned char)at[*at == '-']);
}

/* A literal where one stands; *ret_found tells. */
static int parse_literal(struct parser *p, bool *ret_found)
{
    const char *start;
    skip_space(p);
    start = p->at;
    *ret_found = true;
    if (is_quote(*start)) {
        return parse_text(p);
    }
    if (starts_number(start)) {
        return parse_number(p);
    }
    if (accept(p, "true")) {
        return add_constant(p, start, VALUE_BOOL, 1);
    }
    if (accept(p, "false")) {
        return add_constant(p, start, VALUE_BOOL, 0);
    }
    if (accept(p, "timestamp")) {
        skip_space(p);
        if (*p->at == '(') {
            return parse_time(p, start);
        }
        p->at = start; /* the event's own */
    }
    if (p->scope->has_profile && accept(p, "duration")) {
        return parse_duration(p, start);
    }
    *ret_found = false;
    return PARSER_FAILED;
}

/* ---- names ---- */

/* data.NAME, from behind `data` on. */
static int parse_field(struct parser *p, const char *start, enum operation operation)
{
    char name[PARSER_MAX_NAME + 1];
    if (!expect(p, ".", "behind 'data', as in data.amount")) {
        return PARSER_FAILED;
    }
    return take_name(p, name) ? parser_add_field(p, start, name, operation)
                              : parser_fail(p, p->at, "the name of a field is missing behind 'data.'");
}

/* profile.NAME, from behind `profile` on. */
static int parse_profile(struct parser *p, const char *start, enum operation operation)
{
    char name[PARSER_MAX_NAME + 1];
    if (!expect(p, ".", "behind 'profile', as in profile.order_count")) {
        return PARSER_FAILED;
    }
    return take_name(p, name) ? parser_add_profile(p, start, name, operation)
                              : parser_fail(p, p->at, "the name of a field is missing behind 'profile.'");
}

static int parse_has(struct parser *p, const char *start)
{
    int term;
    if (!expect(p, "(", "behind 'has'")) {
        return PARSER_FAILED;
    }
    if (p->scope->has_profile && accept(p, "profile")) {
        term = parse_profile(p, start, TERM_HAS_PROFILE);
    } else if (accept(p, "data")) {
        term = parse_field(p, start, TERM_HAS);
    } else {
        return parser_fail(p, p->at, "has() asks for a field of the data, as in has(data.amount)");
    }
    return term == PARSER_FAILED || expect(p, ")", "behind the field") ? term : PARSER_FAILED;
}

static int parse_whole(struct parser *p);

static int parse_size(struct parser *p, const char *start)
{
    int term;
    if (!expect(p, "(", "behind 'size'")) {
        return PARSER_FAILED;
    }
    term = parse_whole(p);
    if (term == PARSER_FAILED || !expect(p, ")", "behind the text")) {
        return PARSER_FAILED;
    }
    if (type_of(p, term) != VALUE_TEXT) {
        return parser_fail(p, parser_place(p, term), "size() is of a text; this is %s",
                           value_type_name(type_of(p, term)));
    }
    return add_operation(p, start, TERM_SIZE, VALUE_NUMBER, term, 0);
}

static int parse_name(struct parser *p)
{
    const char *start = p->at;
    char name[PARSER_MAX_NAME + 1];
    if (!take_name(p, name)) {
        return parser_fail(p, p->at, "a name, a value or '(' is missing");
    }
    if (strcmp(name, "data") == 0) {
        return parse_field(p, start, TERM_FIELD);
    }
    if (strcmp(name, "profile") == 0 && p->scope->has_profile) {
        return parse_profile(p, start, TERM_PROFILE);
    }
    if (strcmp(name, "has") == 0) {
        return parse_has(p, start);
    }
    return strcmp(name, "size") == 0 ? parse_size(p, start) : parser_add_name(p, start, name);
}

/* ---- operators, from the tightest on ---- */

/* One level down with `parse_inner`, where there is one left. */
static int go_deeper(struct parser *p, int (*parse_inner)(struct parser *p))
{
    int term;
    if (p->depth == CONDITION_MAX_DEPTH) {
        return parser_fail(p, p->at, "it is nested more than %d levels deep", CONDITION_MAX_DEPTH);
    }
    p->depth++;
    term = parse_inner(p);
    p->depth--;
    return term;
}

static int parse_group(struct parser *p)
{
    int term = parse_whole(p);
    return term == PARSER_FAILED || expect(p, ")", "to close '('") ? term : PARSER_FAILED;
}

static int parse_primary(struct parser *p)
{
    bool literal;
    int term = parse_literal(p, &literal);
    if (literal) {
        return term;
    }
    if (accept(p, "(")) {
        return parse_group(p);
    }
    if (*p->at == '[') {
        return parser_fail(p, p->at, "a list belongs behind 'in'");
    }
    return parse_name(p);
}

static bool find_method(struct parser *p, enum operation *ret)
{
    static const char *const names[] = {"startsWith", "endsWith", "contains"};
    const char *start = p->at;
    char name[PARSER_MAX_NAME + 1] = "";
    (void)take_name(p, name);
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            *ret = (enum operation)(TERM_STARTS_WITH + i);
            return true;
        }
    }
    (void)parser_fail(p, start, "there is no function '%s'; there are startsWith, endsWith and contains", name);
    return false;
}

static int parse_method(struct parser *p, int text, const char *dot)
{
    enum operation operation;
    int part;
    if (!find_method(p, &operation) || !expect(p, "(", "behind the function's name")) {
        return PARSER_FAILED;
    }
    part = parse_whole(p);
    if (part == PARSER_FAILED || !expect(p, ")", "behind the function's text")) {
        return PARSER_FAILED;
    }
    if (type_of(p, text) != VALUE_TEXT || type_of(p, part) != VALUE_TEXT) {
        int wrong = type_of(p, text) != VALUE_TEXT ? text : part;
        return parser_fail(p, parser_place(p, wrong), "a text belongs here; this is %s",
                           value_type_name(type_of(p, wrong)));
    }
    return add_operation(p, dot, operation, VALUE_BOOL, text, part);
}

static int parse_member(struct parser *p)
{
    int term = parse_primary(p);
    while (term != PARSER_FAILED && accept(p, ".")) {
        skip_space(p);
        term = parse_method(p, term, p->at);
    }
    return term;
}

static bool is_bool(struct parser *p, int term, const char *operator_name)
{
    if (term == PARSER_FAILED || type_of(p, term) == VALUE_BOOL) {
        return term != PARSER_FAILED;
    }
    (void)parser_fail(p, parser_place(p, term), "'%s' takes what is true or false; this is %s", operator_name,
                      value_type_name(type_of(p, term)));
    return false;
}

static int parse_unary(struct parser *p)
{
    const char *start;
    int term;
    skip_space(p);
    start = p->at;
    if (*start != '!' || start[1] == '=') {
        return parse_member(p);
    }
    p->at++;
    term = go_deeper(p, parse_unary);
    return is_bool(p, term, "!") ? add_operation(p, start, TERM_NOT, VALUE_BOOL, term, 0) : PARSER_FAILED;
}

/* ---- comparisons ---- */

/* Whether `left` and `right` are of one type; false after a message. */
static bool are_alike(struct parser *p, int left, int right)
{
    enum value_type a = type_of(p, left), b = type_of(p, right);
    const char *hint = "";
    if (a == b) {
        return true;
    }
    if ((a == VALUE_TIME && b == VALUE_TEXT) || (a == VALUE_TEXT && b == VALUE_TIME)) {
        hint = "; write a time as timestamp(\"2026-01-01T00:00:00Z\")";
    }
    (void)parser_fail(p, parser_place(p, right), "%s cannot be compared with %s%s", value_type_name(a),
                      value_type_name(b), hint);
    return false;
}

static int parse_list(struct parser *p, const char *at, int left)
{
    struct term in = {.operation = TERM_IN, .type = VALUE_BOOL, .left = (uint16_t)left};
    if (!expect(p, "[", "behind 'in', as in [\"a\", \"b\"]")) {
        return PARSER_FAILED;
    }
    do {
        bool literal;
        int item = parse_literal(p, &literal);
        if (!literal) {
            return parser_fail(p, p->at,
                               "a value belongs into the list: a text, a number, true, false or timestamp(\"…\")");
        }
        if (item == PARSER_FAILED || !are_alike(p, left, item) || !parser_can_equal(p, left, item)) {
            return PARSER_FAILED;
        }
        in.right = in.count == 0 ? (uint16_t)item : in.right;
        in.count++;
    } while (accept(p, ","));
    return expect(p, "]", "behind the list") ? parser_add_term(p, at, in) : PARSER_FAILED;
}

static bool has_order(struct parser *p, const char *at, int term)
{
    if (type_of(p, term) == VALUE_BOOL || p->condition->terms[term].operation == TERM_SEVERITY) {
        (void)parser_fail(p, at, "%s has no order; compare with == or !=, or use 'in'",
                          type_of(p, term) == VALUE_BOOL ? value_type_name(VALUE_BOOL) : "severity");
        return false;
    }
    return true;
}

static int parse_comparison(struct parser *p, const char *at, enum operation operation, int left)
{
    int right = parse_unary(p);
    bool order = operation >= TERM_LESS;
    if (right == PARSER_FAILED || !are_alike(p, left, right) ||
        (order && (!has_order(p, at, left) || !has_order(p, at, right))) ||
        (!order && (!parser_can_equal(p, left, right) || !parser_can_equal(p, right, left)))) {
        return PARSER_FAILED;
    }
    return add_operation(p, at, operation, VALUE_BOOL, left, right);
}

/* The comparison that stands here; the longer marks come first. */
static bool accept_comparison(struct parser *p, enum operation *ret)
{
    static const struct {
        const char *mark;
        enum operation operation;
    } rows[] = {{"==", TERM_EQUAL}, {"!=", TERM_NOT_EQUAL}, {"<=", TERM_LESS_EQUAL}, {">=", TERM_GREATER_EQUAL},
                {"<", TERM_LESS},   {">", TERM_GREATER},    {"in", TERM_IN}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (accept(p, rows[i].mark)) {
            *ret = rows[i].operation;
            return true;
        }
    }
    return false;
}

static int parse_relation(struct parser *p)
{
    int left = parse_unary(p);
    while (left != PARSER_FAILED) {
        enum operation operation;
        const char *at;
        skip_space(p);
        at = p->at;
        if (!accept_comparison(p, &operation)) {
            break;
        }
        left = operation == TERM_IN ? parse_list(p, at, left) : parse_comparison(p, at, operation, left);
    }
    return left;
}

/* Operands joined by one kind of `&&` or `||`. */
static int parse_logic(struct parser *p, const char *mark, enum operation operation, int (*operand)(struct parser *p))
{
    int left = operand(p);
    while (left != PARSER_FAILED) {
        const char *at;
        int right;
        skip_space(p);
        at = p->at;
        if (!accept(p, mark)) {
            break;
        }
        right = is_bool(p, left, mark) ? operand(p) : PARSER_FAILED;
        left = is_bool(p, right, mark) ? add_operation(p, at, operation, VALUE_BOOL, left, right) : PARSER_FAILED;
    }
    return left;
}

static int parse_and(struct parser *p)
{
    return parse_logic(p, "&&", TERM_AND, parse_relation);
}

static int parse_or(struct parser *p)
{
    return parse_logic(p, "||", TERM_OR, parse_and);
}

static int parse_whole(struct parser *p)
{
    return go_deeper(p, parse_or);
}

/* ---- the whole ---- */

/* What other languages write, and this one too. */
static const char *hint_for(const char *at)
{
    static const char *const pairs[][2] = {{"and", "&&"}, {"or", "||"}, {"&", "&&"}, {"|", "||"}, {"=", "=="}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        size_t len = strlen(pairs[i][0]);
        if (strncmp(at, pairs[i][0], len) == 0 && !(is_name_byte(*at) && is_name_byte(at[len]))) {
            return pairs[i][1];
        }
    }
    return NULL;
}

static bool check_end(struct parser *p, int whole)
{
    const char *hint;
    skip_space(p);
    hint = hint_for(p->at);
    if (hint != NULL) {
        (void)parser_fail(p, p->at, "this is no operator (did you mean '%s'?)", hint);
    } else if (*p->at != '\0' && strchr("+-*/%?:", *p->at) != NULL) {
        (void)parser_fail(p, p->at, "there is no operator '%c'", *p->at);
    } else if (*p->at != '\0') {
        (void)parser_fail(p, p->at, "the expression ends before this");
    } else if (type_of(p, whole) != VALUE_BOOL) {
        (void)parser_fail(p, parser_place(p, whole), "the whole must be true or false; it is %s",
                          value_type_name(type_of(p, whole)));
    }
    return !p->failed;
}

static bool parse(struct parser *p)
{
    size_t len = strlen(p->text);
    int whole;
    if (len > CONDITION_MAX_TEXT) {
        (void)parser_fail(p, p->text, "it is longer than %d bytes", CONDITION_MAX_TEXT);
        return false;
    }
    p->condition->texts = malloc(len + 1);
    if (p->condition->texts == NULL) {
        (void)parser_out_of_memory(p);
        return false;
    }
    whole = parse_whole(p);
    return whole != PARSER_FAILED && check_end(p, whole);
}

struct condition *condition_compile(const char *text, const struct condition_scope *scope, char *message, size_t size)
{
    struct condition *condition = calloc(1, sizeof *condition);
    struct parser p = {
        .condition = condition, .scope = scope, .text = text, .at = text, .message = message, .size = size};
    if (condition == NULL) {
        (void)parser_out_of_memory(&p);
        return NULL;
    }
    condition->types = scope->catalog->types;
    if (!parse(&p)) {
        condition_free(condition);
        return NULL;
    }
    return condition;
}
