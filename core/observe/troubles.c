#include "observe/troubles.h"

#include "base/json_build.h"
#include <churn/time.h>
#include <stdio.h>
#include <string.h>

#define DIGITS "0123456789"

/* ---- one cause ---- */

static const char *text_of(struct json_object *trouble, const char *name)
{
    struct json_object *value;
    return json_object_object_get_ex(trouble, name, &value) ? json_object_get_string(value) : "";
}

/* Two workers count their own records and seconds. */
static bool same_but_for_numbers(const char *a, const char *b)
{
    for (;;) {
        size_t a_digits = strspn(a, DIGITS), b_digits = strspn(b, DIGITS);
        a += a_digits;
        b += b_digits;
        if ((a_digits > 0) != (b_digits > 0) || *a != *b) {
            return false;
        }
        if (*a == '\0') {
            return true;
        }
        a++;
        b++;
    }
}

static struct json_object *find(struct json_object *list, const struct stall_report *report)
{
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *trouble = json_object_array_get_idx(list, i);
        if (strcmp(text_of(trouble, "plugin"), report->plugin) == 0 &&
            strcmp(text_of(trouble, "what"), report->what) == 0 &&
            same_but_for_numbers(text_of(trouble, "message"), report->message)) {
            return trouble;
        }
    }
    return NULL;
}

/* ---- its workers ---- */

static struct json_object *workers_of(const struct json_object *trouble)
{
    struct json_object *workers = NULL;
    (void)json_object_object_get_ex(trouble, "workers", &workers);
    return json_object_is_type(workers, json_type_array) ? workers : NULL;
}

static int64_t worker_at(struct json_object *workers, size_t i)
{
    return json_object_get_int64(json_object_array_get_idx(workers, i));
}

static int compare(const void *a, const void *b)
{
    int64_t left = json_object_get_int64(*(struct json_object *const *)a);
    int64_t right = json_object_get_int64(*(struct json_object *const *)b);
    return (left > right) - (left < right);
}

static void add_worker(struct json_object *trouble, unsigned worker)
{
    struct json_object *workers = workers_of(trouble);
    (void)json_object_array_add(workers, json_object_new_int64(worker));
    json_object_array_sort(workers, compare);
    json_add(trouble, "worker", json_object_new_int64(worker_at(workers, 0)));
}

static void add_since(struct json_object *trouble, int64_t since_ms)
{
    char since[CHURN_TIME_SIZE];
    const char *known = text_of(trouble, "since");
    churn_time_format(since_ms, since);
    if (known[0] == '\0' || strcmp(since, known) < 0) {
        json_add_text(trouble, "since", since);
    }
}

static struct json_object *add_new(struct json_object *list, const struct stall_report *report)
{
    struct json_object *trouble = json_object_new_object();
    json_add(trouble, "worker", json_object_new_int64(0));
    json_add(trouble, "workers", json_object_new_array());
    json_add_text(trouble, "plugin", report->plugin);
    json_add_text(trouble, "what", report->what);
    json_add_text(trouble, "message", report->message);
    (void)json_object_array_add(list, trouble);
    return trouble;
}

void troubles_add(void *list, const struct stall_report *report)
{
    struct json_object *trouble = find(list, report);
    trouble = trouble != NULL ? trouble : add_new(list, report);
    if (report->worker != TROUBLES_OF_RUN) {
        add_worker(trouble, report->worker);
    }
    add_since(trouble, report->since_ms);
}

void troubles_who(const struct json_object *trouble, char text[TROUBLES_WHO_SIZE])
{
    struct json_object *workers = workers_of(trouble);
    size_t count = workers != NULL ? json_object_array_length(workers) : 0, len = 0;
    text[0] = '\0';
    for (size_t i = 0, last; i < count && len < TROUBLES_WHO_SIZE; i = last + 1) {
        int64_t from = worker_at(workers, i);
        for (last = i; last + 1 < count && worker_at(workers, last + 1) == worker_at(workers, last) + 1; last++) {
        }
        len += (size_t)snprintf(text + len, TROUBLES_WHO_SIZE - len, "%s%lld",
                                i > 0       ? ", "
                                : count > 1 ? "workers "
                                            : "worker ",
                                (long long)from);
        if (last > i && len < TROUBLES_WHO_SIZE) {
            len += (size_t)snprintf(text + len, TROUBLES_WHO_SIZE - len, "-%lld", (long long)worker_at(workers, last));
        }
    }
}
