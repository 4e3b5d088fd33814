#include "cli/top/lines.h"

#include "base/clock.h"
#include "base/json_build.h"
#include "base/printable.h"
#include <churn/time.h>
#include <math.h>

void top_lines_print(const struct top_model *model)
{
    char time[CHURN_TIME_SIZE];
    const char *group = "";
    churn_time_format(clock_wall_ms(), time);
    printable_line(stdout, "%s %s: %s", time, *model->pipeline != '\0' ? model->pipeline : "churnd", model->state);
    if (model->troubles.len > 0) {
        (void)fwrite(model->troubles.bytes, 1, model->troubles.len, stdout);
    }
    for (uint32_t i = 0; i < model->count; i++) {
        const struct top_row *row = &model->rows[i];
        if (strcmp(group, row->group) != 0) {
            (void)printf("%s\n", group = row->group);
        }
        printable_print(stdout, "  %-40s %14s", row->name, row->value);
        if (!isnan(row->rate)) {
            (void)printf(" %12.1f/s", row->rate);
        }
        (void)putchar('\n');
    }
    (void)putchar('\n');
}

/* The group's object, made at the first call. */
static struct json_object *group_of(struct json_object *all, const char *group)
{
    struct json_object *object;
    if (!json_object_object_get_ex(all, group, &object)) {
        object = json_object_new_object();
        json_add(all, group, object);
    }
    return object;
}

/* A whole number as such, so that it equals the one that the run said. */
static struct json_object *number_of(double number)
{
    if (!isfinite(number)) {
        return NULL;
    }
    return number == floor(number) && fabs(number) < 9e15 ? json_object_new_int64((int64_t)number)
                                                          : json_object_new_double(number);
}

static struct json_object *troubles_of(const struct text *text)
{
    struct json_object *list = json_object_new_array();
    const char *at = text->len > 0 ? text->bytes : "", *end = at + text->len, *line_end;
    while (at < end && (line_end = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        (void)json_object_array_add(list, json_object_new_string_len(at, (int)(line_end - at)));
        at = line_end + 1;
    }
    return list;
}

bool top_lines_print_json(const struct top_model *model)
{
    struct json_object *all = json_object_new_object(), *figures = json_object_new_object();
    char time[CHURN_TIME_SIZE];
    const char *text;
    churn_time_format(clock_wall_ms(), time);
    json_add_text(all, "time", time);
    json_add_text(all, "pipeline", model->pipeline);
    json_add_text(all, "status", model->state);
    json_add(all, "troubles", troubles_of(&model->troubles));
    for (uint32_t i = 0; i < model->count; i++) {
        const struct top_row *row = &model->rows[i];
        struct json_object *object = json_object_new_object();
        json_add(object, "value", number_of(row->number));
        if (row->above) {
            json_add(object, "above", json_object_new_boolean(true));
        }
        if (!isnan(row->rate)) {
            json_add(object, "rate", json_object_new_double(row->rate));
        }
        json_add(group_of(figures, row->group), row->name, object);
    }
    json_add(all, "figures", figures);
    text = json_object_to_json_string_ext(all, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    (void)printf("%s\n", text != NULL ? text : "");
    (void)json_object_put(all);
    return text != NULL;
}
