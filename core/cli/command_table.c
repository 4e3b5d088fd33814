#include "cli/command_table.h"

#include "base/clock.h"
#include "base/decimal.h"
#include "base/printable.h"
#include "config/option.h"
#include <churn/time.h>
#include <limits.h>
#include <string.h>

static bool take_config(struct arguments *a, const char *value)
{
    a->config = value;
    return true;
}

static bool take_until_end(struct arguments *a, const char *value)
{
    (void)value;
    a->until_end = true;
    return true;
}

static bool take_quiet(struct arguments *a, const char *value)
{
    (void)value;
    a->quiet = true;
    return true;
}

static bool take_all(struct arguments *a, const char *value)
{
    (void)value;
    a->all = true;
    return true;
}

static bool take_unverified(struct arguments *a, const char *value)
{
    (void)value;
    a->unverified = true;
    return true;
}

static bool take_replay_from(struct arguments *a, const char *value)
{
    if (replay_parse(&a->replay, value, clock_wall_ms())) {
        return true;
    }
    printable_line(stderr,
                   "churnd: --replay-from: '%s' is neither `beginning` nor an offset nor a time such as "
                   "2026-01-01T00:00:00Z, 2026-01-01, today, yesterday or 24h (ago)",
                   value);
    return false;
}

static bool take_time(const char *option, const char *value, bool *ret_has, int64_t *ret_ms)
{
    struct replay at;
    *ret_has = replay_parse(&at, value, clock_wall_ms()) && at.from == REPLAY_FROM_TIME && at.value >= CHURN_TIME_MIN;
    *ret_ms = *ret_has ? at.value : 0;
    if (!*ret_has) {
        printable_line(stderr,
                       "churnd: --%s: '%s' is no time such as 2026-01-01T00:00:00Z, 2026-01-01, today, yesterday or "
                       "24h (ago)",
                       option, value);
    }
    return *ret_has;
}

static bool take_at_time(struct arguments *a, const char *value)
{
    return take_time("at", value, &a->has_at, &a->at_ms);
}

/* All letters would be passed over for good. */
static bool take_since(struct arguments *a, const char *value)
{
    if (!take_time("since", value, &a->has_since, &a->since_ms)) {
        return false;
    }
    if (a->since_ms > clock_wall_ms()) {
        printable_line(stderr, "churnd: --since: '%s' is yet to come", value);
        return false;
    }
    return true;
}

static bool take_until(struct arguments *a, const char *value)
{
    return take_time("until", value, &a->has_until, &a->until_ms);
}

static bool take_replay_outputs(struct arguments *a, const char *value)
{
    (void)value;
    a->replay.outputs = true;
    return true;
}

static bool take_log_level(struct arguments *a, const char *value)
{
    a->log_level = value;
    return true;
}

static bool take_log_format(struct arguments *a, const char *value)
{
    a->log_format = value;
    return true;
}

static bool take_env_file(struct arguments *a, const char *value)
{
    a->env_file = value;
    return true;
}

static bool take_plugin_path(struct arguments *a, const char *value)
{
    a->plugin_path[a->plugin_path_count++] = value;
    return true;
}

static bool take_option(struct arguments *a, const char *value)
{
    a->plugin_options[a->plugin_option_count++] = value;
    return true;
}

static bool take_json_schema(struct arguments *a, const char *value)
{
    (void)value;
    a->json_schema = true;
    return true;
}

static bool take_connect(struct arguments *a, const char *value)
{
    (void)value;
    a->connect = true;
    return true;
}

static bool take_acl(struct arguments *a, const char *value)
{
    (void)value;
    a->acl = true;
    return true;
}

static bool take_deny_warnings(struct arguments *a, const char *value)
{
    (void)value;
    a->deny_warnings = true;
    return true;
}

static bool take_ready(struct arguments *a, const char *value)
{
    (void)value;
    a->ready = true;
    return true;
}

static bool take_max_lag(struct arguments *a, const char *value)
{
    a->has_max_lag = option_parse_duration(value, &a->max_lag_ms);
    if (!a->has_max_lag) {
        printable_line(stderr, "churnd: --max-lag: '%s' is no duration such as 500ms, 10s or 5m", value);
    }
    return a->has_max_lag;
}

static bool take_into(struct arguments *a, const char *value)
{
    a->into = value;
    return true;
}

static bool take_against(struct arguments *a, const char *value)
{
    a->against = value;
    return true;
}

static bool take_dir(struct arguments *a, const char *value)
{
    a->dir = value;
    return true;
}

static bool take_filter(struct arguments *a, const char *value)
{
    a->filter = value;
    return true;
}

static bool take_junit(struct arguments *a, const char *value)
{
    a->junit = value;
    return true;
}

static bool take_at(struct arguments *a, const char *value)
{
    a->at = value;
    return true;
}

static bool take_when(struct arguments *a, const char *value)
{
    a->when = value;
    return true;
}

static bool take_customer(struct arguments *a, const char *value)
{
    a->customer = value;
    return true;
}

static bool take_socket(struct arguments *a, const char *value)
{
    a->socket = value;
    return true;
}

static bool take_url(struct arguments *a, const char *value)
{
    a->url = value;
    return true;
}

static bool take_cacert(struct arguments *a, const char *value)
{
    a->cacert = value;
    return true;
}

static bool take_from(struct arguments *a, const char *value)
{
    a->from = value;
    return true;
}

static bool take_head(struct arguments *a, const char *value)
{
    a->head = value;
    return true;
}

static bool take_ids_file(struct arguments *a, const char *value)
{
    a->ids_file = value;
    return true;
}

static bool take_receipt(struct arguments *a, const char *value)
{
    a->receipt = value;
    return true;
}

static bool take_export(struct arguments *a, const char *value)
{
    (void)value;
    a->export_all = true;
    return true;
}

static bool take_once(struct arguments *a, const char *value)
{
    (void)value;
    a->once = true;
    return true;
}

static bool take_limit(struct arguments *a, const char *value)
{
    if (decimal_parse_int64(value, strlen(value), &a->limit) && a->limit > 0) {
        return true;
    }
    printable_line(stderr, "churnd: --limit: '%s' is no number from 1 on", value);
    return false;
}

static bool take_rates(struct arguments *a, const char *value)
{
    a->rates = value;
    return true;
}

static bool take_step(struct arguments *a, const char *value)
{
    a->step = value;
    return true;
}

static bool take_customers(struct arguments *a, const char *value)
{
    a->customers = value;
    return true;
}

static bool take_types(struct arguments *a, const char *value)
{
    a->types = value;
    return true;
}

static bool take_topic(struct arguments *a, const char *value)
{
    a->topic = value;
    return true;
}

static bool take_plot(struct arguments *a, const char *value)
{
    a->plot = value;
    return true;
}

static bool take_among_others(struct arguments *a, const char *value)
{
    (void)value;
    a->among_others = true;
    return true;
}

static bool take_clean(struct arguments *a, const char *value)
{
    (void)value;
    a->clean = true;
    return true;
}

static bool take_format(struct arguments *a, const char *value)
{
    a->format = value;
    a->json = strcmp(value, "json") == 0;
    return true;
}

static bool take_version(struct arguments *a, const char *value)
{
    (void)value;
    a->show_version = true;
    return true;
}

static bool take_help(struct arguments *a, const char *value)
{
    (void)value;
    a->show_help = true;
    return true;
}

static const struct command commands[] = {
    {.name = "run",
     .needs_config = true,
     .help = "run a pipeline until SIGTERM, SIGINT or the end of its input; `run` may be left out",
     .run = command_run},
    {.name = "check",
     .needs_config = true,
     .formats = "text json",
     .help = "report every mistake that run would refuse",
     .run = command_check},
    {.name = "graph",
     .needs_config = true,
     .formats = "mermaid dot",
     .help = "draw the pipeline, for Mermaid or Graphviz",
     .run = command_graph},
    {.name = "test",
     .operands = "[TESTS.yaml ...]",
     .most_operands = UINT_MAX,
     .needs_config = true,
     .formats = "text json",
     .help = "run the tests that the pipeline and these files declare; needs no server",
     .run = command_test},
    {.name = "profile",
     .operands = "CUSTOMER",
     .least_operands = 1,
     .most_operands = 1,
     .needs_config = true,
     .formats = "text json",
     .help = "show a customer's profile from the pipeline's store",
     .run = command_profile},
    {.name = "decrypt",
     .needs_config = true,
     .help = "write standard input with what `protect:` has encrypted in clear: values, lines of JSON",
     .run = command_decrypt},
    {.name = "health",
     .help = "ask a run whether it lives: -c PIPELINE.yaml, by its `health: listen`, or --url; exit 1: it does not",
     .run = command_health},
    {.name = "top",
     .formats = "text json",
     .help = "show a run's figures, rates and troubles on the terminal, or in lines where there is\n"
             "none: -c PIPELINE.yaml, or --url",
     .run = command_top},
    {.name = "tap",
     .formats = "text json",
     .help = "show live records of the pipeline's run on this machine: -c PIPELINE.yaml, or --socket",
     .run = command_tap},
    {.name = "explain",
     .operands = "CUSTOMER [FIELD]",
     .least_operands = 1,
     .most_operands = 2,
     .needs_config = true,
     .formats = "text json",
     .help = "show what each event of a customer did to the profile, or to a field of it,\n"
             "and whether that makes what the store has",
     .run = command_explain},
    {.name = "redrive",
     .needs_config = true,
     .help = "put the dead letters back through the pipeline, after a fix",
     .run = command_redrive},
    {.name = "rebuild",
     .needs_config = true,
     .help = "make the profiles anew, from the source's beginning, under another key prefix",
     .run = command_rebuild},
    {.name = "verify",
     .needs_config = true,
     .formats = "text json",
     .help = "compare all profiles with those that were rebuilt",
     .run = command_verify},
    {.name = "audit",
     .operands = "[verify [OLDER...]|head]",
     .most_operands = UINT_MAX,
     .needs_config = true,
     .formats = "text json",
     .help = "show who did what and when; verify: whether no line was changed, removed, moved or put\n"
             "in; head: the newest line's number and hash",
     .run = command_audit},
    {.name = "forget",
     .operands = "[CUSTOMER...]",
     .most_operands = UINT_MAX,
     .needs_config = true,
     .help = "erase customers from the store and from files of sinks, and have all that was written of\n"
             "them until now passed over; prints a receipt",
     .run = command_forget},
    {.name = "where",
     .operands = "[CUSTOMER...]",
     .most_operands = UINT_MAX,
     .needs_config = true,
     .formats = "text json",
     .help = "list every place that holds anything of customers",
     .run = command_where},
    {.name = "load",
     .needs_config = true,
     .formats = "text json",
     .help = "load test: events at rates that rise into the topic of a pipeline that runs",
     .run = command_load},
    {.name = "plugins", .formats = "text json", .help = "list the plugins that are installed", .run = command_plugins},
    {.name = "plugin-check",
     .operands = "FILE.so...",
     .least_operands = 1,
     .most_operands = UINT_MAX,
     .formats = "text json",
     .help = "judge plugin files as their author needs it: what is wrong, what to do",
     .run = command_plugin_check},
    {.name = "describe",
     .operands = "[PLUGIN]",
     .most_operands = 1,
     .formats = "text json markdown",
     .help = "the manual of a plugin or a section of the pipeline, or of all",
     .run = command_describe},
    {.name = "completion",
     .operands = "bash|zsh|fish",
     .least_operands = 1,
     .most_operands = 1,
     .help = "a script that completes churnd's command line in a shell",
     .run = command_completion},
    {.name = "schema", .help = "the JSON Schema of pipeline files, for editors", .run = command_schema},
    {.name = "new-plugin",
     .operands = "KIND NAME",
     .least_operands = 2,
     .most_operands = 2,
     .help = "write a plugin to begin with, its test and its Makefile; KIND is event-type, processor, sink or source",
     .run = command_new_plugin},
};

static const struct command_option options[] = {
    {.name = "config",
     .letter = 'c',
     .value = "FILE",
     .help = "the pipeline (also: environment variable CHURND_CONFIG)",
     .take = take_config},
    {.name = "until-end",
     .commands = "run",
     .help = "stop at the end of the input, or of the partitions as they stood at the start",
     .take = take_until_end},
    {.name = "quiet",
     .letter = 'q',
     .commands = "run redrive rebuild verify explain load",
     .help = "do not show how far it is; errors, warnings and results stay",
     .take = take_quiet},
    {.name = "replay-from",
     .value = "WHERE",
     .commands = "run",
     .help = "read again from an earlier place: `beginning`, an offset, or a time\n"
             "(2026-01-01T00:00:00Z, 2026-01-01, today, yesterday, 24h ago: 24h);\n"
             "nothing counts twice, and what was sent before is not sent again",
     .take = take_replay_from},
    {.name = "replay-outputs",
     .commands = "run",
     .help = "… but send alerts, predictions and dead letters of it again",
     .take = take_replay_outputs},
    {.name = "all",
     .commands = "redrive",
     .help = "also dead letters that an earlier redrive has read",
     .take = take_all},
    {.name = "unverified",
     .commands = "redrive",
     .help = "also dead letters whose records cannot be read again, to be compared with them",
     .take = take_unverified},
    {.name = "since",
     .value = "TIME",
     .commands = "redrive",
     .help = "only dead letters written at TIME or later (as for --replay-from); older ones are\n"
             "passed over for good, as those of a store that was lost have to be",
     .take = take_since},
    {.name = "until",
     .value = "TIME",
     .commands = "redrive",
     .help = "only dead letters written before TIME; a later redrive reads the others",
     .take = take_until},
    {.name = "until",
     .value = "TIME",
     .commands = "forget",
     .help = "also pass over events of a time before TIME that come later",
     .take = take_until},
    {.name = "file",
     .value = "FILE",
     .commands = "forget where",
     .help = "customers, one id a line",
     .take = take_ids_file},
    {.name = "receipt",
     .value = "FILE",
     .commands = "forget",
     .help = "write the receipt to FILE, which must not exist yet, instead of to standard output",
     .take = take_receipt},
    {.name = "export", .commands = "where", .help = "write out what is held there too, as JSON", .take = take_export},
    {.name = "into",
     .value = "PREFIX",
     .commands = "rebuild",
     .required = true,
     .help = "what the new keys begin with",
     .take = take_into},
    {.name = "against",
     .value = "PREFIX",
     .commands = "verify",
     .required = true,
     .help = "what the other keys begin with",
     .take = take_against},
    {.name = "option",
     .value = "NAME=VALUE",
     .commands = "plugin-check",
     .help = "an option of the plugin, for the instance that is made; may be repeated",
     .take = take_option},
    {.name = "connect",
     .commands = "check",
     .help = "also try what the pipeline names: brokers, topics, Redis, URLs; changes nothing there",
     .take = take_connect},
    {.name = "acl",
     .commands = "check",
     .help = "print the least rights that Kafka and Redis have to give, as the commands that give them",
     .take = take_acl},
    {.name = "deny-warnings", .commands = "check", .help = "warnings are mistakes too", .take = take_deny_warnings},
    {.name = "ready",
     .commands = "health",
     .help = "whether events flow, too: what is read is counted and let go of",
     .take = take_ready},
    {.name = "max-lag",
     .value = "TIME",
     .commands = "health",
     .help = "whether it has caught up, too: it is ready, and no event waits for longer",
     .take = take_max_lag},
    {.name = "json-schema",
     .commands = "describe",
     .help = "the JSON Schema of an event type's events, or of a plugin's options",
     .take = take_json_schema},
    {.name = "dir",
     .value = "DIR",
     .commands = "new-plugin",
     .help = "make its folder in DIR instead of here",
     .take = take_dir},
    {.name = "filter",
     .value = "TEXT",
     .commands = "test",
     .help = "only the tests whose names contain TEXT",
     .take = take_filter},
    {.name = "junit",
     .value = "FILE",
     .commands = "test",
     .help = "write a report in JUnit's XML too",
     .take = take_junit},
    {.name = "at",
     .value = "POINT",
     .commands = "tap",
     .choices = "source events alerts dead_letters predictions",
     .help = "where records are looked at: source (as they were read), events (as\n"
             "processors left them; default), alerts, dead_letters, predictions",
     .take = take_at},
    {.name = "at",
     .value = "TIME",
     .commands = "explain",
     .help = "show the events and the profile as of TIME (as for --replay-from)",
     .take = take_at_time},
    {.name = "when",
     .value = "CONDITION",
     .commands = "tap",
     .help = "only those for which it is true, such as 'data.order_value >= 100'",
     .take = take_when},
    {.name = "customer", .value = "ID", .commands = "tap audit", .help = "only this customer's", .take = take_customer},
    {.name = "limit",
     .value = "N",
     .commands = "tap verify",
     .help = "tap: end after N records; verify: name N customers that differ",
     .take = take_limit},
    {.name = "socket",
     .value = "FILE",
     .commands = "tap",
     .help = "where the run listens, when -c does not tell",
     .take = take_socket},
    {.name = "head",
     .value = "NUMBER[:HASH]",
     .commands = "audit",
     .help = "of verify: a head that was noted elsewhere, and must be among the lines",
     .take = take_head},
    {.name = "from",
     .value = "NUMBER[:HASH]",
     .commands = "audit",
     .help = "of verify: the head with which older files ended that are kept elsewhere",
     .take = take_from},
    {.name = "rates",
     .value = "LIST",
     .commands = "load",
     .help = "events a second of each step, rising (1000,2000,5000,10000,20000,50000,100000)",
     .take = take_rates},
    {.name = "step", .value = "DURATION", .commands = "load", .help = "how long a step lasts (10s)", .take = take_step},
    {.name = "customers",
     .value = "COUNT",
     .commands = "load",
     .help = "how many customers share the events (10000)",
     .take = take_customers},
    {.name = "types",
     .value = "LIST",
     .commands = "load",
     .help = "the event types to write (all)",
     .take = take_types},
    {.name = "topic",
     .value = "TOPIC",
     .commands = "load",
     .help = "which of the source's topics is written to (its first)",
     .take = take_topic},
    {.name = "plot", .value = "FILE.svg", .commands = "load", .help = "draw the latencies, too", .take = take_plot},
    {.name = "among-others",
     .commands = "load",
     .help = "also into a topic that has records of others",
     .take = take_among_others},
    {.name = "clean",
     .commands = "load",
     .help = "run no test; take the profiles that load tests left out of the store",
     .take = take_clean},
    {.name = "once", .commands = "top", .help = "print the figures once, and end", .take = take_once},
    {.name = "url",
     .value = "URL",
     .commands = "top health",
     .help = "where the run listens, such as http://127.0.0.1:8080, when -c does not tell",
     .take = take_url},
    {.name = "cacert",
     .value = "FILE",
     .commands = "top health",
     .help = "the certificate that vouches for the one of an https URL",
     .take = take_cacert},
    {.name = "format",
     .value = "FORMAT",
     .help = "how it is printed; the first of the command's formats by itself",
     .take = take_format},
    {.name = "log-level",
     .value = "LEVEL",
     .choices = "ERROR WARN INFO DEBUG",
     .help = "whatever the pipeline says",
     .take = take_log_level},
    {.name = "log-format",
     .value = "FORMAT",
     .choices = "text json",
     .help = "whatever the pipeline says",
     .take = take_log_format},
    {.name = "env-file",
     .value = "FILE",
     .help = "read NAME=VALUE lines first (default: .env, where it exists)",
     .take = take_env_file},
    {.name = "plugin-path",
     .value = "DIR",
     .help = "look for plugins in DIR first; may be repeated (also: CHURN_PLUGIN_PATH)",
     .take = take_plugin_path},
    {.name = "version", .letter = 'V', .help = "show the version", .take = take_version},
    {.name = "help", .letter = 'h', .help = "show this", .take = take_help},
};

_Static_assert(sizeof options / sizeof options[0] <= COMMAND_MAX_OPTIONS, "room for each option");

const struct command_table *command_table(void)
{
    static const struct command_table table = {.commands = commands,
                                               .command_count = sizeof commands / sizeof commands[0],
                                               .options = options,
                                               .option_count = sizeof options / sizeof options[0]};
    return &table;
}
