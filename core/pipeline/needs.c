#include "pipeline/needs.h"

#include "base/file_place.h"
#include "base/refuse.h"
#include "base/syscall_filter.h"
#include "config/reference.h"
#include "pipeline/tap_socket.h"
#include "pipeline/targets.h"
#include "plugin/journal_file.h"
#include <arpa/inet.h>
#include <libgen.h>
#include <stdlib.h>

/* What the libraries of any pipeline read: names, certificates, clocks, further libraries, and what the kernel says of
 * the process and the machine. Not /etc as a whole. */
static const char *const system_reads[] = {"/etc/hosts",
                                           "/etc/resolv.conf",
                                           "/etc/nsswitch.conf",
                                           "/etc/host.conf",
                                           "/etc/gai.conf",
                                           "/etc/services",
                                           "/etc/protocols",
                                           "/etc/localtime",
                                           "/etc/timezone",
                                           "/etc/passwd",
                                           "/etc/group",
                                           "/etc/ld.so.cache",
                                           "/etc/ld.so.conf",
                                           "/etc/ld.so.conf.d",
                                           "/etc/ssl/certs",
                                           "/etc/ssl/openssl.cnf",
                                           "/etc/ca-certificates",
                                           "/etc/pki/tls",
                                           "/etc/krb5.conf",
                                           "/etc/sasl2",
                                           "/lib",
                                           "/lib64",
                                           "/usr/lib",
                                           "/usr/lib64",
                                           "/usr/local/lib",
                                           "/usr/share/zoneinfo",
                                           "/usr/share/ca-certificates",
                                           "/usr/local/share/ca-certificates",
                                           "/usr/share/terminfo",
                                           "/run/systemd/resolve",
                                           "/proc/self",
                                           "/proc/sys/vm/overcommit_memory",
                                           "/proc/sys/kernel/random",
                                           "/proc/stat",
                                           "/proc/meminfo",
                                           "/proc/cpuinfo",
                                           "/sys/devices/system/cpu",
                                           "/sys/kernel/mm/transparent_hugepage",
                                           "/dev/urandom",
                                           "/dev/random",
                                           "/dev/zero"};
static const char *const system_writes[] = {"/dev/null", "/dev/full"};

/* ---- paths ---- */

/* Takes `path`. */
static void add_path(struct needs *needs, char *path, bool written)
{
    struct landlock_path *grown;
    for (unsigned i = 0; path != NULL && i < needs->path_count; i++) {
        if (strcmp(needs->paths[i].path, path) == 0) {
            needs->paths[i].written = needs->paths[i].written || written;
            free(path);
            return;
        }
    }
    grown = path != NULL ? realloc(needs->paths, (needs->path_count + 1) * sizeof *grown) : NULL;
    if (grown == NULL) {
        needs->failed = true;
        free(path);
        return;
    }
    needs->paths = grown;
    grown[needs->path_count++] = (struct landlock_path){.path = path, .written = written};
}

/* A folder that holds more than a pipeline's own: of one file in it that file alone is given. */
static bool is_shared(const char *folder)
{
    static const char *const shared[] = {"/",     "/etc", "/dev", "/proc", "/root",
                                         "/home", "/var", "/usr", "/run",  "/srv"};
    for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++) {
        if (strcmp(folder, shared[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* The nearest folder above the path that exists, without links. */
static char *folder_above(const char *path)
{
    char *name = strdup(path), *found = NULL;
    for (char *at = name; name != NULL && found == NULL; at = name) {
        char *up = strdup(dirname(at));
        free(name);
        name = up;
        found = name != NULL ? realpath(name, NULL) : NULL;
        if (name != NULL && found == NULL && (strcmp(name, "/") == 0 || strcmp(name, ".") == 0)) {
            break;
        }
    }
    free(name);
    return found;
}

/* A file may be put in the place of another, and one that is written is made beside others, so its folder is given; a
 * folder is given with all that is in it. */
static void need_path(struct needs *needs, const char *path, bool written)
{
    char *real, *folder;
    struct stat about;
    if (path == NULL || *path == '\0' || strcmp(path, "-") == 0 || file_place_is_standard(path)) {
        return; /* what was open at the start stays so */
    }
    real = realpath(path, NULL);
    if (real != NULL && stat(real, &about) == 0 && !S_ISREG(about.st_mode)) { /* a device or pipe is not replaced */
        add_path(needs, real, written);
        return;
    }
    folder = folder_above(path); /* of a link, where a new one would lie */
    if (folder != NULL && (written || !is_shared(folder))) {
        add_path(needs, folder, written);
    } else {
        free(folder);
    }
    if (real != NULL) {
        folder = folder_above(real);
        if (folder != NULL && (written || !is_shared(folder))) {
            add_path(needs, folder, written);
            free(real);
        } else {
            free(folder);
            add_path(needs, real, written);
        }
    }
}

/* Takes `path`. */
static void add_believed(struct needs *needs, const char *shown, char *path)
{
    struct believed *grown =
        path != NULL ? realloc(needs->believed, (needs->believed_count + 1) * sizeof *grown) : NULL;
    char *copy = grown != NULL ? strdup(shown) : NULL;
    needs->believed = grown != NULL ? grown : needs->believed;
    if (copy == NULL) {
        needs->failed = true;
        free(path);
        return;
    }
    grown[needs->believed_count++] = (struct believed){.shown = copy, .path = path};
}

/* What is read, and believed: the file, and the folder where a link to it or, as long as there is none, it would lie.
 */
static void need_believed(struct needs *needs, const char *path)
{
    char *real, *folder;
    struct stat about;
    need_path(needs, path, false);
    if (path == NULL || *path == '\0' || strcmp(path, "-") == 0 || file_place_is_standard(path)) {
        return;
    }
    real = realpath(path, NULL);
    if (real != NULL) {
        add_believed(needs, path, real);
    }
    if (real == NULL || (lstat(path, &about) == 0 && S_ISLNK(about.st_mode))) {
        folder = folder_above(path);
        if (folder != NULL) {
            add_believed(needs, path, folder);
        }
    }
}

static void need_paths(struct needs *needs, const char *const *paths, bool written)
{
    for (; paths != NULL && *paths != NULL; paths++) {
        need_path(needs, *paths, written);
    }
}

static void need_system(struct needs *needs)
{
    for (size_t i = 0; i < sizeof system_reads / sizeof system_reads[0]; i++) {
        add_path(needs, strdup(system_reads[i]), false);
    }
    for (size_t i = 0; i < sizeof system_writes / sizeof system_writes[0]; i++) {
        add_path(needs, strdup(system_writes[i]), true);
    }
}

/* ---- what the file names ---- */

/* The files of `${file:PATH}` and of credentials, which are read again at a reload. */
static void need_references(struct needs *needs, const char *written)
{
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    struct reference ref;
    for (const char *at = written; at != NULL && (at = strstr(at, "${")) != NULL; at += 2) {
        if (reference_parse(at + 2, &ref) && ref.kind == REFERENCE_FILE) {
            char *path = strndup(ref.name, ref.name_len);
            need_believed(needs, path);
            needs->failed = needs->failed || path == NULL;
            free(path);
        } else if (credentials != NULL) {
            need_path(needs, credentials, false);
        }
    }
}

static void need_nodes(struct needs *needs, const struct node *node)
{
    if (node->kind == NODE_SCALAR) {
        need_references(needs, node->written);
    }
    for (unsigned i = 0; node->kind != NODE_SCALAR && i < node->count; i++) {
        need_nodes(needs, &node->items[i]);
    }
}

static uint16_t port_of(const char *address)
{
    const char *colon = strrchr(address, ':');
    char *end = NULL;
    long port = colon != NULL ? strtol(colon + 1, &end, 10) : 0;
    bool whole = end != NULL && end != colon + 1 && (*end == '\0' || *end == '/');
    if (whole && port > 0 && port <= UINT16_MAX) {
        return (uint16_t)port;
    }
    return strncmp(address, "https://", 8) == 0 ? 443 : strncmp(address, "http://", 7) == 0 ? 80 : 0;
}

/* Whether the host of "HOST:PORT" or a URL is a name, which others must be asked for. */
static bool has_name(const char *address)
{
    const char *host = strstr(address, "://");
    char text[INET6_ADDRSTRLEN];
    unsigned char bytes[sizeof(struct in6_addr)];
    size_t len;
    host = host != NULL ? host + 3 : address;
    if (*host == '[') {
        return false;
    }
    len = strcspn(host, ":/");
    (void)snprintf(text, sizeof text, "%.*s", (int)len, host);
    return len >= sizeof text || inet_pton(AF_INET, text, bytes) != 1;
}

static void need_port(struct needs *needs, uint16_t port)
{
    uint16_t *grown = realloc(needs->ports, (needs->port_count + 1) * sizeof *grown);
    if (grown == NULL) {
        needs->failed = true;
        return;
    }
    needs->ports = grown;
    grown[needs->port_count++] = port;
}

static void need_files(struct needs *needs, const struct pipeline *pipeline, struct pipeline_files files)
{
    const struct health_settings *health = &pipeline->health_settings;
    const struct loader *loader = pipeline->loader;
    char path[PATH_MAX];
    bool shared;
    need_believed(needs, files.pipeline);
    need_believed(needs, files.env != NULL ? files.env : ".env");
    for (unsigned i = 0; i < loader->dir_count; i++) {
        need_believed(needs, loader->dirs[i]);
    }
    if (journal_folder_name(pipeline->settings.state_dir, path, &shared)) {
        need_path(needs, path, true);
    }
    if (pipeline->tap_settings.enabled && tap_socket_path(pipeline, path)) {
        need_path(needs, path, true);
        needs->local = true;
    }
    needs->local = needs->local || getenv("NOTIFY_SOCKET") != NULL; /* of systemd */
    need_path(needs, pipeline->audit_settings.path, true);
    need_believed(needs, health->cert_file);
    need_believed(needs, health->key_file);
    need_nodes(needs, &pipeline->config.root);
    if (health->listen != NULL) {
        needs->listened = port_of(health->listen);
    }
}

/* ---- what plugins declare ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static void need_value(struct needs *needs, const struct node *node, bool written)
{
    if (node->kind == NODE_SCALAR) {
        need_path(needs, node->text, written);
    }
    for (unsigned i = 0; node->kind != NODE_SCALAR && i < node->count; i++) {
        if (node->items[i].kind == NODE_SCALAR &&
            (node->kind == NODE_LIST || ends_with(node->keys[i].text, "location"))) {
            need_path(needs, node->items[i].text, written);
        }
    }
}

static const char *default_of(const churn_plugin *plugin, const char *name)
{
    for (uint32_t i = 0; i < plugin->option_count; i++) {
        const churn_option *row =
            (const churn_option *)(const void *)((const char *)plugin->options + (size_t)i * plugin->option_stride);
        if (strcmp(row->name, name) == 0) {
            return row->default_text;
        }
    }
    return NULL;
}

static void need_options(struct needs *needs, const struct section *section, const char *const *names, bool written)
{
    for (; names != NULL && *names != NULL; names++) {
        const struct node *node = config_get(section->node, *names);
        if (config_is_absent(node)) {
            need_path(needs, default_of(&section->loaded->plugin, *names), written);
        } else {
            need_value(needs, node, written);
        }
    }
}

static void need_calls(struct needs *needs, const char *const *names)
{
    for (; names != NULL && *names != NULL; names++) {
        const char **grown = realloc(needs->syscalls, (needs->syscall_count + 2) * sizeof *grown);
        if (grown == NULL) {
            needs->failed = true;
            return;
        }
        needs->syscalls = grown;
        grown[needs->syscall_count++] = *names;
        grown[needs->syscall_count] = NULL;
    }
}

static bool discovers(const struct section *section, const churn_needs *declared)
{
    const char *const *names = declared->discover_options;
    bool found = (declared->flags & CHURN_NEEDS_DISCOVER) != 0;
    for (; names != NULL && *names != NULL && !found; names++) {
        const struct node *node = config_get(section->node, *names);
        found = !config_is_absent(node) && !(node->kind == NODE_SCALAR && *node->text == '\0');
    }
    return found;
}

/* The addresses that the section's plugin named as its targets. */
static void need_targets(struct needs *needs, const struct pipeline *pipeline, const struct section *section)
{
    for (unsigned i = 0; i < pipeline->targets.count; i++) {
        const struct target *target = &pipeline->targets.items[i];
        uint16_t port;
        if (target->section != section || strcmp(target->kind, CHURN_TARGET_FILE) == 0 ||
            strcmp(target->kind, CHURN_TARGET_FOLDER) == 0 || strcmp(target->kind, CHURN_TARGET_KEYS) == 0) {
            continue;
        }
        if (*target->name == '/') { /* a socket that has a path */
            needs->local = true;
            continue;
        }
        needs->connects = true;
        port = strcmp(target->kind, CHURN_TARGET_TOPIC) == 0 ? 0 : port_of(target->name);
        if (port != 0) {
            need_port(needs, port);
            needs->resolves = needs->resolves || has_name(target->name);
        } else {
            needs->discovers = section;
        }
    }
}

static void need_section(struct needs *needs, const struct pipeline *pipeline, const struct section *section)
{
    const churn_needs *given = section->loaded != NULL ? section->loaded->plugin.needs : NULL;
    churn_needs declared = {0}; /* members that the plugin's headers did not have are zero */
    if (section->loaded == NULL) {
        return;
    }
    if (given == NULL) {
        needs->undeclared = needs->undeclared != NULL ? needs->undeclared : section;
        return;
    }
    memcpy(&declared, given, given->size < sizeof declared ? given->size : sizeof declared);
    need_options(needs, section, declared.read_options, false);
    need_options(needs, section, declared.write_options, true);
    need_paths(needs, declared.reads, false);
    need_paths(needs, declared.writes, true);
    need_calls(needs, declared.syscalls);
    if ((declared.flags & (CHURN_NEEDS_CONNECT | CHURN_NEEDS_DISCOVER)) != 0) {
        need_targets(needs, pipeline, section);
    }
    if (discovers(section, &declared)) {
        needs->connects = true;
        needs->discovers = section;
    }
}

void needs_find(const struct pipeline *pipeline, struct pipeline_files files, struct needs *ret)
{
    *ret = (struct needs){0};
    need_system(ret);
    need_files(ret, pipeline, files);
    need_section(ret, pipeline, &pipeline->source);
    need_section(ret, pipeline, &pipeline->origin);
    need_section(ret, pipeline, &pipeline->store);
    for (unsigned i = 0; i < pipeline->processor_count; i++) {
        need_section(ret, pipeline, &pipeline->processors[i]);
    }
    for (unsigned i = 0; i < pipeline->sink_count; i++) {
        need_section(ret, pipeline, &pipeline->sinks[i]);
    }
    ret->resolves = ret->resolves || ret->discovers != NULL;
    if (ret->resolves) {
        need_port(ret, 53); /* where the answer is large */
    }
}

void needs_written(struct needs *needs, const char *path)
{
    need_path(needs, path, true);
}

bool needs_sandbox_said(const struct pipeline *pipeline)
{
    return !config_is_absent(config_get(&pipeline->config.root, "sandbox"));
}

void needs_free(struct needs *needs)
{
    for (unsigned i = 0; i < needs->path_count; i++) {
        free(needs->paths[i].path);
    }
    for (unsigned i = 0; i < needs->believed_count; i++) {
        free(needs->believed[i].shown);
        free(needs->believed[i].path);
    }
    free(needs->paths);
    free(needs->believed);
    free(needs->ports);
    free((void *)needs->syscalls);
    *needs = (struct needs){0};
}

/* ---- another pipeline's ---- */

static bool is_below(const char *path, const char *folder)
{
    size_t len = strlen(folder);
    return strncmp(path, folder, len) == 0 && (path[len] == '\0' || path[len] == '/' || folder[len - 1] == '/');
}

static bool has_path(const struct needs *needs, const struct landlock_path *path)
{
    for (unsigned i = 0; i < needs->path_count; i++) {
        if (is_below(path->path, needs->paths[i].path) && (needs->paths[i].written || !path->written)) {
            return true;
        }
    }
    return false;
}

static bool has_port(const struct needs *needs, uint16_t port)
{
    for (unsigned i = 0; i < needs->port_count; i++) {
        if (needs->ports[i] == port) {
            return true;
        }
    }
    return false;
}

bool needs_call(const struct needs *needs, const char *name)
{
    for (unsigned i = 0; i < needs->syscall_count; i++) {
        if (strcmp(needs->syscalls[i], name) == 0) {
            return true;
        }
    }
    return false;
}

bool needs_cover(const struct needs *needs, const struct needs *more, char *message, size_t size)
{
    for (unsigned i = 0; i < more->path_count; i++) {
        if (!has_path(needs, &more->paths[i])) {
            return refuse(message, size, "it would have to %s %s", more->paths[i].written ? "write" : "read",
                          more->paths[i].path);
        }
    }
    if (more->connects && !needs->connects) {
        return refuse(message, size, "it would have to connect to others");
    }
    if (more->discovers != NULL && needs->discovers == NULL) {
        return refuse(message, size, "%s would have to connect to addresses that it learns as it runs",
                      more->discovers->label);
    }
    if (more->resolves && !needs->resolves) {
        return refuse(message, size, "it would have to look up names of hosts");
    }
    if (more->local && !needs->local) {
        return refuse(message, size, "it would have to make a Unix socket");
    }
    for (unsigned i = 0; i < more->port_count && needs->discovers == NULL; i++) {
        if (!has_port(needs, more->ports[i])) {
            return refuse(message, size, "it would have to connect to port %u", more->ports[i]);
        }
    }
    for (unsigned i = 0; i < more->syscall_count; i++) {
        if (!needs_call(needs, more->syscalls[i])) {
            return refuse(message, size, "a plugin of it needs the system call %s", more->syscalls[i]);
        }
    }
    return true;
}

/* The path that may be written and has `path` in it; NULL: none. */
static const char *find_written(const struct needs *needs, const char *path)
{
    for (unsigned i = 0; i < needs->path_count; i++) {
        if (needs->paths[i].written && is_below(path, needs->paths[i].path)) {
            return needs->paths[i].path;
        }
    }
    return NULL;
}

void needs_tell_risks(const struct needs *needs, needs_risk_fn fn, void *ctx)
{
    const char *told = "";
    for (unsigned i = 0; i < needs->believed_count; i++) {
        const struct believed *one = &needs->believed[i];
        const char *written = find_written(needs, one->path);
        char text[2 * PATH_MAX + 256];
        if (written != NULL && strcmp(one->shown, told) != 0) {
            (void)snprintf(
                text, sizeof text,
                "the run may write to %s, and %s is of there: who breaks into it decides what the next start "
                "does; keep what is written in a folder of its own",
                written, one->shown);
            fn(ctx, text);
            told = one->shown;
        }
    }
}

static void describe_network(const struct needs *needs, struct text *text)
{
    if (needs->discovers != NULL) {
        text_printf(text, "TCP to any address, for %s learns them as it runs", needs->discovers->label);
    } else if (needs->port_count == 0) {
        text_printf(text, "no connection to others");
    } else {
        text_printf(text, "TCP to the ports");
        for (unsigned i = 0; i < needs->port_count; i++) {
            text_printf(text, "%s %u", i > 0 ? "," : "", needs->ports[i]);
        }
    }
    if (needs->listened != 0) {
        text_printf(text, ", listening at %u", needs->listened);
    }
    text_printf(text, "%s%s", needs->resolves ? ", UDP, for names" : "", needs->local ? ", Unix sockets" : "");
}

void needs_describe(const struct needs *needs, struct text *text)
{
    unsigned written = 0;
    for (unsigned i = 0; i < needs->path_count; i++) {
        written += needs->paths[i].written;
    }
    text_printf(text, "%u paths to read and %u to write; ", needs->path_count - written, written);
    describe_network(needs, text);
    text_printf(text, "; system calls beside the common ones: %s", needs->syscall_count == 0 ? "none" : "");
    for (unsigned i = 0; i < needs->syscall_count; i++) {
        text_printf(text, "%s%s", i > 0 ? ", " : "", needs->syscalls[i]);
    }
}

static bool check_calls(struct pipeline *pipeline, const struct section *section)
{
    const churn_needs *given = section->loaded != NULL ? section->loaded->plugin.needs : NULL;
    const char *const *names = NULL;
    bool ok = true;
    if (given != NULL && given->size >= offsetof(churn_needs, syscalls) + sizeof given->syscalls) {
        names = given->syscalls;
    }
    for (; names != NULL && *names != NULL; names++) {
        if (!syscall_filter_knows(*names)) {
            config_error(&pipeline->config, section->node,
                         "%s: its plugin declares the system call '%s', which is none", section->label, *names);
            ok = false;
        }
    }
    return ok;
}

bool needs_check(struct pipeline *pipeline)
{
    bool ok = check_calls(pipeline, &pipeline->source);
    ok = check_calls(pipeline, &pipeline->origin) && ok;
    ok = check_calls(pipeline, &pipeline->store) && ok;
    for (unsigned i = 0; i < pipeline->processor_count; i++) {
        ok = check_calls(pipeline, &pipeline->processors[i]) && ok;
    }
    for (unsigned i = 0; i < pipeline->sink_count; i++) {
        ok = check_calls(pipeline, &pipeline->sinks[i]) && ok;
    }
    return ok;
}
