/* Manuals in Markdown: docs/reference.md is made of them. */
#include "cli/describe.h"

#include "event/severity.h"
#include <inttypes.h>
#include <stdio.h>

void describe_markdown_begin(void)
{
    (void)puts(
        "# Reference\n\n"
        "Every option of a pipeline's sections and plugins, and every event type. This file is what\n"
        "`churnd describe --format markdown` prints; `make docs` writes it again. How the sections go together is in\n"
        "churnd-pipeline(5).");
}

/* Within a table's cell. What stands between backticks is left as it is, but for what would end the cell. */
static void put_text(const char *text)
{
    bool code = false;
    for (; *text != '\0'; text++) {
        code = code != (*text == '`');
        if (*text == '|' || (!code && strchr("*\\", *text) != NULL)) {
            (void)putchar('\\');
        }
        if (*text == '<' && !code) {
            (void)fputs("&lt;", stdout);
        } else {
            (void)putchar(*text == '\n' ? ' ' : *text);
        }
    }
}

static void put_choices(const char *const *choices)
{
    for (uint32_t i = 0; choices != NULL && choices[i] != NULL; i++) {
        (void)printf("%s`%s`", i == 0 ? " (one of " : ", ", choices[i]);
    }
    (void)fputs(choices != NULL ? ")" : "", stdout);
}

static void put_option(const churn_option *row)
{
    char range[96];
    (void)printf("| `%s` | %s | ", row->name, option_type_name(row->type));
    if ((row->flags & CHURN_OPTION_REQUIRED) != 0) {
        (void)fputs("required", stdout);
    } else if (has_default(row)) {
        (void)printf("`%s`", row->default_text);
    }
    (void)fputs(" | ", stdout);
    put_text(row->help);
    put_choices(row->choices);
    if (describe_range(row, range, sizeof range)) {
        (void)printf(" (%s)", range);
    }
    (void)printf("%s%s |\n", (row->flags & CHURN_OPTION_SECRET) != 0 ? " Never shown." : "",
                 (row->flags & CHURN_OPTION_DEPRECATED) != 0 ? " Deprecated." : "");
}

static void begin_options(void)
{
    (void)puts("\n| option | type | default | |\n|---|---|---|---|");
}

static void put_field(const churn_field *field)
{
    (void)printf("| `%s` | %s | %s | ", field->name, describe_field_type(field),
                 (field->flags & CHURN_FIELD_REQUIRED) != 0 ? "required" : "");
    put_text(field->help != NULL ? field->help : "");
    if (field->type == CHURN_FIELD_INT && field->min != INT64_MIN) {
        (void)printf(field->max == INT64_MAX ? " (at least %" PRId64 ")" : " (%" PRId64 " to %" PRId64 ")", field->min,
                     field->max);
    }
    put_choices(field->choices);
    (void)printf("%s |\n", (field->flags & CHURN_FIELD_PII) != 0 ? " Personal data." : "");
}

static void put_effects(const struct event_type *type)
{
    char room[32];
    if (type->table.effect_count + type->table.derived_count > 0) {
        (void)puts("\n| profile field | how | of |\n|---|---|---|");
    }
    for (uint32_t i = 0; i < type->table.effect_count; i++) {
        const churn_effect *effect = event_type_effect(type, i);
        const char *operand = describe_operand(effect, room, sizeof room);
        if (operand != NULL) {
            (void)printf("| `%s` | %s | ", effect->field, registry_merge_name(effect->merge));
            put_text(operand);
            (void)puts(" |");
        }
    }
    for (uint32_t i = 0; i < type->table.derived_count; i++) {
        const churn_derived *derived = event_type_derived(type, i);
        (void)printf("| `%s` | ratio, %u decimals | %s / %s |\n", derived->field, derived->decimals, derived->numerator,
                     describe_divisor(derived));
    }
}

static void put_event_type(const struct event_type *type)
{
    if (type->table.field_count > 0) {
        (void)puts("\n| data | type | | |\n|---|---|---|---|");
    }
    for (uint32_t i = 0; i < type->table.field_count; i++) {
        put_field(event_type_field(type, i));
    }
    put_effects(type);
    (void)printf("\nPredicts: %s. Alert: %s", type->table.predicts != 0 ? "yes" : "no",
                 severity_name(type->table.severity));
    for (uint32_t i = 0; i < type->table.severity_rule_count; i++) {
        const churn_severity_rule *rule = event_type_rule(type, i);
        (void)printf("; %s when `%s` is `%s`", severity_name(rule->severity), rule->field, rule->equals);
    }
    (void)puts(".");
}

void describe_markdown_table(const struct option_table *table)
{
    (void)printf("\n## Section %s\n\n%s\n", table->section, table->help);
    begin_options();
    for (uint32_t i = 0; i < table->count; i++) {
        put_option(&table->rows[i]);
    }
}

void describe_markdown_plugin(const struct described *described)
{
    const churn_plugin *plugin = &described->loaded->plugin;
    const char *role = role_name(plugin->kind);
    (void)printf("\n## %c%s %s\n\n", role[0] - 'a' + 'A', role + 1, plugin->name);
    put_text(plugin->summary);
    (void)putchar('\n');
    if (plugin->option_count > 0) {
        begin_options();
    }
    for (uint32_t i = 0; i < plugin->option_count; i++) {
        put_option(plugin_option(plugin, i));
    }
    if (described->type != NULL) {
        put_event_type(described->type);
    }
}
