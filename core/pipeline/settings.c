#include "pipeline/settings.h"

#include <stddef.h>

static const char *const log_formats[] = {"text", "json", NULL};
static const char *const sandbox_modes[] = {"off", "warn", "on", NULL};
static const char *const unknown_policies[] = {"dead_letter", "ignore", NULL};
static const char *const reject_policies[] = {"dead_letter", "drop", "stop", NULL};
const char *const settings_protect_actions[] = {"clear", "mask", "hash", "encrypt", NULL};
static const char *const letter_policies[] = {"clear", "encrypt", NULL};
static const char *const sink_actions[] = {"auto", "clear", "mask", "hash", "encrypt", NULL};
static const char *const inputs[] = {"auto", "events", "triggers", "alerts", "dead_letters", NULL};

static const churn_option pipeline_options[] = {
    {.name = "name",
     .type = CHURN_OPTION_STRING,
     .offset = offsetof(struct pipeline_settings, name),
     .help = "name of the pipeline in logs and group names; default: the file's base name"},
    {.name = "workers",
     .type = CHURN_OPTION_STRING,
     .default_text = "1",
     .offset = offsetof(struct pipeline_settings, workers_text),
     .help = "threads, each a member of the consumer group; auto: one for each processor that the process may use"},
    {.name = "shutdown_timeout",
     .type = CHURN_OPTION_DURATION,
     .default_text = "30s",
     .min = 100,
     .max = INT64_MAX,
     .offset = offsetof(struct pipeline_settings, shutdown_timeout_ms),
     .help = "how long a stop may take to finish what was read, before sinks and source are closed; what is unfinished "
             "then is read again at the next start"},
    {.name = "plugin_timeout",
     .type = CHURN_OPTION_DURATION,
     .default_text = "60s",
     .min = 0,
     .max = 240000, /* a member that Kafka has not heard of for 5 minutes loses its partitions */
     .offset = offsetof(struct pipeline_settings, plugin_timeout_ms),
     .help = "how long a plugin may take for an event before the process ends to get out of it; 0s: for ever"},
    {.name = "crash_limit",
     .type = CHURN_OPTION_INT,
     .default_text = "3",
     .min = 1,
     .max = 100,
     .offset = offsetof(struct pipeline_settings, crash_limit),
     .help = "runs that may end in a plugin at one event before it goes to the dead letters"},
    {.name = "state_dir",
     .type = CHURN_OPTION_STRING,
     .offset = offsetof(struct pipeline_settings, state_dir),
     .help =
         "folder for the journal of crashes, and the socket of `churnd tap`; default: $STATE_DIRECTORY, $XDG_STATE_HOME/churnd or "
         "~/.local/state/churnd"},
    {.name = "plugin_path",
     .type = CHURN_OPTION_LIST,
     .offset = offsetof(struct pipeline_settings, plugin_path),
     .help = "further folders to look for plugins in"},
    {.name = "core_dumps",
     .type = CHURN_OPTION_BOOL,
     .default_text = "false",
     .offset = offsetof(struct pipeline_settings, core_dumps),
     .help = "true: a process that holds secrets may leave a core dump, and its user's debuggers may look into it"},
    {.name = "sandbox",
     .type = CHURN_OPTION_ENUM,
     .default_text = "warn",
     .choices = sandbox_modes,
     .offset = offsetof(struct pipeline_settings, sandbox),
     .help =
         "whether a run is bound to the files, connections and system calls that its pipeline needs, by Landlock and "
         "seccomp; warn: as far as the kernel can, and not where a plugin does not declare what it needs"},
    {.name = "user",
     .type = CHURN_OPTION_STRING,
     .offset = offsetof(struct pipeline_settings, user),
     .help = "user, by name or number, whom a run that root started becomes before it begins; default: none"},
};

static const churn_option log_options[] = {
    {.name = "level",
     .type = CHURN_OPTION_STRING,
     .default_text = "INFO",
     .offset = offsetof(struct log_settings, level),
     .help = "ERROR, WARN, INFO or DEBUG"},
    {.name = "format",
     .type = CHURN_OPTION_ENUM,
     .default_text = "text",
     .choices = log_formats,
     .offset = offsetof(struct log_settings, format),
     .help = "text for people, json for machines"},
};

static const churn_option health_options[] = {
    {.name = "listen",
     .type = CHURN_OPTION_STRING,
     .offset = offsetof(struct health_settings, listen),
     .help = "address that answers over HTTP, such as 127.0.0.1:8080: a page for browsers at /, and /healthz, "
             "/readyz and /metrics; '' or left out: none"},
    {.name = "token",
     .type = CHURN_OPTION_STRING,
     .flags = CHURN_OPTION_SECRET,
     .default_text = "",
     .offset = offsetof(struct health_settings, token),
     .help = "who shows it, as the password of HTTP Basic or as a Bearer token, is shown alerts and single customers; "
             "empty: nobody is"},
    {.name = "cert_file",
     .type = CHURN_OPTION_STRING,
     .default_text = "",
     .offset = offsetof(struct health_settings, cert_file),
     .help =
         "certificate in PEM, with those that it is signed by behind it: the address then answers over HTTPS alone; "
         "needed for a token beyond loopback"},
    {.name = "key_file",
     .type = CHURN_OPTION_STRING,
     .default_text = "",
     .offset = offsetof(struct health_settings, key_file),
     .help = "the certificate's key in PEM, without a passphrase"},
};

static const churn_option tap_options[] = {
    {.name = "enabled",
     .type = CHURN_OPTION_BOOL,
     .default_text = "true",
     .offset = offsetof(struct tap_settings, enabled),
     .help = "whether `churnd tap` can look at the records of a run"},
    {.name = "socket",
     .type = CHURN_OPTION_STRING,
     .offset = offsetof(struct tap_settings, socket),
     .help = "the Unix socket for that, of at most 107 bytes; it is the user's who runs the pipeline alone; default: "
             "NAME.tap in state_dir"},
};

static const churn_option audit_options[] = {
    {.name = "path",
     .type = CHURN_OPTION_STRING,
     .offset = offsetof(struct audit_settings, path),
     .help =
         "file to which each start, stop, reload, replay, redrive, rebuild and look at customers' data is written, a "
         "JSON object a line, with PATH.head beside it; '' or left out: none. What cannot be written there is not "
         "shown either"},
    {.name = "key",
     .type = CHURN_OPTION_STRING,
     .flags = CHURN_OPTION_SECRET,
     .offset = offsetof(struct audit_settings, key),
     .help = "32 bytes in hexadecimal digits or base64, by which lines are chained and customers are hashed; as from "
             "`openssl rand -hex 32`"},
};

static const churn_option forget_options[] = {
    {.name = "key",
     .type = CHURN_OPTION_STRING,
     .flags = CHURN_OPTION_SECRET,
     .offset = offsetof(struct forget_settings, key),
     .help = "32 bytes in hexadecimal digits or base64, by which forgotten customers are hashed; as from `openssl rand "
             "-hex 32`. Every pipeline that shares the profiles needs the same, for ever: with another one nobody is "
             "forgotten any more"},
    {.name = "topic",
     .type = CHURN_OPTION_STRING,
     .default_text = "churn-forgotten",
     .offset = offsetof(struct forget_settings, topic),
     .help = "the compacted topic, in the source's Kafka, that keeps the tombstones beside the store: `churnd forget` "
             "makes and writes it, and whoever passes over events reads it first. Pipelines that share it forget the "
             "same customers, so another one is for pipelines of other profiles"},
};

static const churn_option protect_options[] = {
    {.name = "keys",
     .type = CHURN_OPTION_MAP,
     .flags = CHURN_OPTION_SECRET,
     .offset = offsetof(struct protect_settings, keys),
     .help = "keys to encrypt with, each with its id: ID: ${NAME}; 32 bytes in hexadecimal digits or base64 (`openssl "
             "rand -hex 32`). The first one, the newest, encrypts; all decrypt"},
    {.name = "customer_keys",
     .type = CHURN_OPTION_BOOL,
     .default_text = "false",
     .offset = offsetof(struct protect_settings, customer_keys),
     .help = "encrypt what sinks are given of a customer with a key of that customer's own, derived from those and a "
             "salt in the store that `churnd forget` erases: then nobody can read it any more"},
    {.name = "hash_key",
     .type = CHURN_OPTION_STRING,
     .flags = CHURN_OPTION_SECRET,
     .offset = offsetof(struct protect_settings, hash_key),
     .help = "key of what is hashed, written as those; the same text has the same hash wherever this key is, so that "
             "joins work"},
    {.name = "events",
     .type = CHURN_OPTION_ENUM,
     .default_text = "encrypt",
     .choices = settings_protect_actions,
     .offset = offsetof(struct protect_settings, places[0]),
     .help =
         "fields in events that sinks are given; clear or encrypt, for what is no plain text could not be read as an event again"},
    {.name = "alerts",
     .type = CHURN_OPTION_ENUM,
     .default_text = "encrypt",
     .choices = settings_protect_actions,
     .offset = offsetof(struct protect_settings, places[1]),
     .help = "fields in alerts; in their message they are masked"},
    {.name = "predictions",
     .type = CHURN_OPTION_ENUM,
     .default_text = "clear",
     .choices = settings_protect_actions,
     .offset = offsetof(struct protect_settings, places[2]),
     .help = "profile fields in requests to the prediction API; numbers are masked or clear"},
    {.name = "store",
     .type = CHURN_OPTION_ENUM,
     .default_text = "encrypt",
     .choices = settings_protect_actions,
     .offset = offsetof(struct protect_settings, places[3]),
     .help = "texts of profiles in the store; numbers are kept in clear, for they add up"},
    {.name = "tap",
     .type = CHURN_OPTION_ENUM,
     .default_text = "mask",
     .choices = settings_protect_actions,
     .offset = offsetof(struct protect_settings, places[4]),
     .help = "fields in what `churnd tap` shows and is still in clear; what is no event is not shown at all"},
    {.name = "page",
     .type = CHURN_OPTION_ENUM,
     .default_text = "mask",
     .choices = settings_protect_actions,
     .offset = offsetof(struct protect_settings, places[5]),
     .help = "fields on the page and in /customers/ID; numbers are masked or clear"},
    {.name = "dead_letters",
     .type = CHURN_OPTION_ENUM,
     .default_text = "encrypt",
     .choices = letter_policies,
     .offset = offsetof(struct protect_settings, dead_letters),
     .help = "the whole value of a dead letter, for nobody can tell where personal data is in what broke a rule"},
};

static const churn_option event_options[] = {
    {.name = "types",
     .type = CHURN_OPTION_LIST,
     .offset = offsetof(struct event_settings, types),
     .help = "event types to load; default: all that are installed"},
    {.name = "unknown",
     .type = CHURN_OPTION_ENUM,
     .default_text = "dead_letter",
     .choices = unknown_policies,
     .offset = offsetof(struct event_settings, ignore_unknown),
     .help = "what becomes of events of other types"},
    {.name = "max_ahead",
     .type = CHURN_OPTION_DURATION,
     .default_text = "24h",
     .min = 0,
     .max = INT64_C(36500) * 86400000,
     .offset = offsetof(struct event_settings, max_ahead_ms),
     .help = "how much later an event's timestamp may be than its record's own; beyond, it is a dead letter "
             "(timestamp_ahead). Not asked where a record has none, as in a file; 0s: no bound"},
};

static const churn_option store_options[] = {
    {.name = "key_prefix",
     .type = CHURN_OPTION_STRING,
     .default_text = PIPELINE_KEY_PREFIX,
     .offset = offsetof(struct store_settings, key_prefix),
     .help = "what stands before the customer_id in a key; not empty, and neither the beginning of another prefix that "
             "the pipeline uses (churnd:, the cache_prefix of predictions) nor begun by one"},
    {.name = "cache_size",
     .type = CHURN_OPTION_SIZE,
     .default_text = "64MiB",
     .min = 0,
     .max = INT64_MAX,
     .offset = offsetof(struct store_settings, cache_bytes),
     .help = "memory for known profiles, over all workers"},
    {.name = "window_events",
     .type = CHURN_OPTION_INT,
     .default_text = "28000",
     .min = 1,
     .max = 1000000,
     .offset = offsetof(struct store_settings, window_events),
     .help = "most events folded into one write"},
    {.name = "window_bytes",
     .type = CHURN_OPTION_SIZE,
     .default_text = "16MiB",
     .min = 4096,
     .max = INT64_MAX,
     .offset = offsetof(struct store_settings, window_bytes),
     .help = "most memory for the events of one write"},
    {.name = "window_age",
     .type = CHURN_OPTION_DURATION,
     .default_text = "50ms",
     .min = 0,
     .max = 60000,
     .offset = offsetof(struct store_settings, window_age_ms),
     .help = "longest wait for more events while catching up; an idle source never waits"},
    {.name = "ttl",
     .type = CHURN_OPTION_DURATION,
     .default_text = "0s",
     .min = 0,
     .max = INT64_MAX,
     .offset = offsetof(struct store_settings, ttl_ms),
     .help =
         "profiles expire this long after their last event; 0s: never. Longer than the topic's retention, or a replay "
         "resurrects a part of them"},
};

static const churn_option section_options[] = {
    {.name = "name",
     .type = CHURN_OPTION_STRING,
     .offset = offsetof(struct section_settings, name),
     .help = "what it is called in messages, the summary and dead letters; default: the plugin's name"},
    {.name = "when",
     .type = CHURN_OPTION_STRING,
     .offset = offsetof(struct section_settings, when),
     .help = "which events concern it: an expression in CEL, such as data.amount >= 100; default: all"},
};

static const churn_option sink_options[] = {
    {.name = "input",
     .type = CHURN_OPTION_ENUM,
     .default_text = "auto",
     .choices = inputs,
     .offset = offsetof(struct sink_settings, input),
     .help = "which records it is given; auto: what it is made for"},
    {.name = "on_reject",
     .type = CHURN_OPTION_ENUM,
     .default_text = "dead_letter",
     .choices = reject_policies,
     .offset = offsetof(struct sink_settings, on_reject),
     .help = "what becomes of a record that it refuses for good: a dead letter, nothing, or the pipeline stops"},
    {.name = "give_up_after",
     .type = CHURN_OPTION_DURATION,
     .default_text = "0s",
     .min = 0,
     .max = INT64_MAX,
     .offset = offsetof(struct sink_settings, give_up_after_ms),
     .help = "a record that it has not taken or answered for so long is dropped; 0s: never, the source waits"},
    {.name = "protect",
     .type = CHURN_OPTION_ENUM,
     .default_text = "auto",
     .choices = sink_actions,
     .offset = offsetof(struct sink_settings, protect),
     .help = "what becomes of personal data in what it is given, or asks for a prediction with; auto: as `protect:` "
             "says"},
};

static const char *const severities[] = {"none", "info", "warning", "critical", NULL};

static const churn_option override_options[] = {
    {.name = "predict",
     .type = CHURN_OPTION_BOOL,
     .offset = offsetof(struct override_settings, predict),
     .help = "whether events of the type ask for a prediction; default: as the type says"},
    {.name = "predict_when",
     .type = CHURN_OPTION_STRING,
     .offset = offsetof(struct override_settings, predict_when),
     .help = "which of its events do so: an expression in CEL; default: all"},
    {.name = "alert",
     .type = CHURN_OPTION_ENUM,
     .choices = severities,
     .offset = offsetof(struct override_settings, alert),
     .help = "the alert that they raise; default: as the type says"},
    {.name = "alert_when",
     .type = CHURN_OPTION_STRING,
     .offset = offsetof(struct override_settings, alert_when),
     .help = "which of its events do so: an expression in CEL; default: all"},
};

#define TABLE(section_, rows_, help_)                                                                                  \
    {.section = (section_), .rows = (rows_), .count = sizeof(rows_) / sizeof((rows_)[0]), .help = (help_)}

static const struct option_table tables[] = {
    [SETTINGS_PIPELINE] = TABLE("pipeline", pipeline_options, "At the top of the file."),
    [SETTINGS_LOG] = TABLE("log", log_options, "How log lines are written."),
    [SETTINGS_HEALTH] = TABLE("health", health_options, "Answers to whoever watches over the process."),
    [SETTINGS_TAP] = TABLE("tap", tap_options, "Live records of a run, for `churnd tap`."),
    [SETTINGS_AUDIT] = TABLE("audit", audit_options, "Who did what and when, for `churnd audit`."),
    [SETTINGS_FORGET] = TABLE("forget", forget_options, "Whom `churnd forget` has erased, so that he stays so."),
    [SETTINGS_PROTECT] = TABLE("protect", protect_options,
                               "What becomes of personal data, the fields that event types mark as such (`churnd "
                               "describe TYPE`); `fields` says otherwise for single ones."),
    [SETTINGS_EVENTS] =
        TABLE("events", event_options, "Which events are taken; `override` changes what event types say."),
    [SETTINGS_OVERRIDE] =
        TABLE("override", override_options, "Below `events: override:`, under the name of an event type."),
    [SETTINGS_STORE] = TABLE("store", store_options, "Beside the options of any store."),
    [SETTINGS_PROCESSOR] = TABLE("processors", section_options, "Beside the options of any processor."),
    [SETTINGS_SECTION] = TABLE("sinks", section_options, "Beside the options of any sink: which records are its own."),
    [SETTINGS_SINK] =
        TABLE("sinks", sink_options, "Beside the options of any sink: what it is given, and what it refuses."),
};

const struct option_table *settings_tables(size_t *ret_count)
{
    *ret_count = sizeof tables / sizeof tables[0];
    return tables;
}

struct option_target settings_target(enum settings settings, void *base)
{
    const struct option_table *table = &tables[settings];
    return (struct option_target){
        .rows = table->rows, .count = table->count, .stride = sizeof(churn_option), .base = base};
}

const char *settings_input_name(uint32_t kind)
{
    for (unsigned i = 1; inputs[i] != NULL; i++) {
        if (kind == 1u << (i - 1)) {
            return inputs[i];
        }
    }
    return "nothing";
}
