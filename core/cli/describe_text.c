/* Manuals for a terminal. */
#include "cli/describe.h"

#include "base/printable.h"
#include "event/severity.h"
#include <inttypes.h>
#include <stdio.h>

static void print_option(const churn_option *row)
{
    char range[96];
    (void)printf("\n  %s (%s%s%s%s", row->name, option_type_name(row->type),
                 (row->flags & CHURN_OPTION_REQUIRED) != 0 ? ", required" : "",
                 (row->flags & CHURN_OPTION_SECRET) != 0 ? ", secret" : "",
                 (row->flags & CHURN_OPTION_DEPRECATED) != 0 ? ", deprecated" : "");
    if (has_default(row)) {
        (void)printf(", default %s", row->default_text);
    }
    (void)printf(")\n      %s\n", row->help);
    for (uint32_t i = 0; row->choices != NULL && row->choices[i] != NULL; i++) {
        (void)printf("%s%s", i == 0 ? "      one of: " : ", ", row->choices[i]);
    }
    if (row->choices != NULL) {
        (void)putchar('\n');
    }
    if (describe_range(row, range, sizeof range)) {
        (void)printf("      %s\n", range);
    }
}

static void print_field(const churn_field *field)
{
    (void)printf("  %-18s %-6s %-9s %s", field->name, describe_field_type(field),
                 (field->flags & CHURN_FIELD_REQUIRED) != 0 ? "required" : "", field->help != NULL ? field->help : "");
    if (field->type == CHURN_FIELD_INT && field->min != INT64_MIN) {
        (void)printf(field->max == INT64_MAX ? "; at least %" PRId64 : "; %" PRId64 " to %" PRId64, field->min,
                     field->max);
    }
    for (uint32_t i = 0; field->choices != NULL && field->choices[i] != NULL; i++) {
        (void)printf("%s%s", i == 0 ? "; one of: " : ", ", field->choices[i]);
    }
    (void)printf("%s\n", (field->flags & CHURN_FIELD_PII) != 0 ? " (personal data)" : "");
}

static void print_event_type(const struct event_type *type)
{
    char room[32];
    (void)printf("\ndata\n");
    for (uint32_t i = 0; i < type->table.field_count; i++) {
        print_field(event_type_field(type, i));
    }
    (void)printf("\nprofile\n");
    for (uint32_t i = 0; i < type->table.effect_count; i++) {
        const churn_effect *effect = event_type_effect(type, i);
        const char *operand = describe_operand(effect, room, sizeof room);
        if (operand != NULL) {
            (void)printf("  %-26s %-6s %s\n", effect->field, registry_merge_name(effect->merge), operand);
        }
    }
    for (uint32_t i = 0; i < type->table.derived_count; i++) {
        const churn_derived *derived = event_type_derived(type, i);
        (void)printf("  %-26s = %s / %s, %u decimals\n", derived->field, derived->numerator, describe_divisor(derived),
                     derived->decimals);
    }
    (void)printf("\npredicts: %s\nalert: %s", type->table.predicts != 0 ? "yes" : "no",
                 severity_name(type->table.severity));
    for (uint32_t i = 0; i < type->table.severity_rule_count; i++) {
        const churn_severity_rule *rule = event_type_rule(type, i);
        (void)printf("; %s when %s is %s", severity_name(rule->severity), rule->field, rule->equals);
    }
    (void)putchar('\n');
}

void describe_text_table(const struct option_table *table)
{
    (void)printf("section %s\n%s\n", table->section, table->help);
    for (uint32_t i = 0; i < table->count; i++) {
        print_option(&table->rows[i]);
    }
}

void describe_text_plugin(const struct described *described)
{
    const churn_plugin *plugin = &described->loaded->plugin;
    printable_line(stdout, "%s %s %s", role_name(plugin->kind), plugin->name, plugin->version);
    printable_line(stdout, "%s", plugin->summary);
    for (uint32_t i = 0; i < plugin->option_count; i++) {
        print_option(plugin_option(plugin, i));
    }
    if (described->type != NULL) {
        print_event_type(described->type);
    }
}
