/*
 * Adds members to events from a CSV file that may be replaced while the pipeline runs. The file is read whole, and
 * takes the place of the old one only when all of it is right.
 */
#include <churn/ext/event_types.h>
#include <churn/plugin.h>
#include <churn/processor.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#define CUSTOMER_ID "customer_id"

/* What tells one version of the file from another. */
struct version {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec time;
};

struct row {
    const char *key;
    const char **cells;
};

/* A file as it was read: all cells point into `text`. */
struct table {
    char *text;
    const char **cells; /* row by row, `columns` each, NUL-terminated; the first row has their names */
    size_t cell_count, cell_room;
    size_t columns;
    struct row *rows; /* all but the first, sorted by key */
    size_t row_count;
    size_t *added; /* the columns that are added */
    size_t added_count;
};

struct enrich {
    const char *file; /* options */
    const char *key;
    churn_list fields;
    int64_t check_every_ms;
    const churn_host *host;
    const churn_event_types *types; /* NULL: the host does not say */
    struct table table;
    struct version seen; /* the newest file that was looked at, good or not */
    int64_t check_at_ms;
};

static const churn_option options[] = {
    {"file", .type = CHURN_OPTION_STRING, .flags = CHURN_OPTION_REQUIRED, .offset = offsetof(struct enrich, file),
     .help = "The CSV file; its first line names the columns."},
    {"key", .type = CHURN_OPTION_STRING, .default_text = "customer_id", .offset = offsetof(struct enrich, key),
     .help = "The column whose value is looked up: customer_id, or a text in the event's data."},
    {"fields", .type = CHURN_OPTION_LIST, .offset = offsetof(struct enrich, fields),
     .help = "The columns that are added; default: all but the key."},
    {"check_every", .type = CHURN_OPTION_DURATION, .default_text = "1s", .min = 1, .max = 86400000,
     .offset = offsetof(struct enrich, check_every_ms), .help = "How often, at most, the file is looked at."},
};

/* The row of a field, or NULL. */
static const churn_field *field_of(const churn_field *rows, uint32_t stride, uint32_t count, const char *name)
{
    const char *at = (const char *)rows;
    for (uint32_t i = 0; i < count; i++, at += stride) {
        if (strcmp(((const churn_field *)(const void *)at)->name, name) == 0) {
            return (const churn_field *)(const void *)at;
        }
    }
    return NULL;
}

/* --- A file in memory --- */

static void free_table(struct table *table)
{
    free(table->text);
    free((void *)table->cells);
    free(table->rows);
    free(table->added);
    *table = (struct table){0};
}

/* Below CHURN_OK is, here and in what follows: CHURN_RETRY, the file is wrong; CHURN_FATAL, memory ran out. */
static int32_t read_file(const char *path, struct table *table, churn_error *err)
{
    FILE *file = fopen(path, "rb");
    struct stat info;
    size_t size = 0;
    int ok;
    if (file == NULL || fstat(fileno(file), &info) != 0) {
        (void)churn_fail(err, CHURN_RETRY, "%s cannot be read: %s", path, strerror(errno));
        if (file != NULL) {
            (void)fclose(file);
        }
        return CHURN_RETRY;
    }
    table->text = S_ISREG(info.st_mode) ? malloc((size_t)info.st_size + 1) : NULL;
    ok = table->text != NULL && (size = fread(table->text, 1, (size_t)info.st_size, file)) == (size_t)info.st_size;
    (void)fclose(file);
    if (!ok) {
        return churn_fail(err, CHURN_RETRY, "%s cannot be read whole", path);
    }
    table->text[size] = '\0';
    if (memchr(table->text, '\0', size) != NULL) {
        return churn_fail(err, CHURN_RETRY, "%s holds a NUL byte", path);
    }
    return CHURN_OK;
}

static int add_cell(struct table *table, const char *cell)
{
    if (table->cell_count == table->cell_room) {
        size_t room = 2 * table->cell_room + 1024;
        const char **grown = realloc((void *)table->cells, room * sizeof *grown);
        if (grown == NULL) {
            return 0;
        }
        table->cells = grown;
        table->cell_room = room;
    }
    table->cells[table->cell_count++] = cell;
    return 1;
}

/* Takes a quoted cell that begins at *at; moves it in place. NULL: its end is missing. */
static char *take_quoted(char **at)
{
    char *cell = *at, *to = cell, *from = cell + 1;
    for (; *from != '\0' && (*from != '"' || from[1] == '"'); from++) {
        from += *from == '"';
        *to++ = *from;
    }
    if (*from == '\0') {
        return NULL;
    }
    *at = from + 1;
    *to = '\0'; /* before the closing quote */
    return cell;
}

/* Takes a cell; *ret_end is the byte behind it: a comma, a line feed or NUL. NULL: it is no cell. */
static char *take_cell(char **at, char *ret_end)
{
    char *cell = *at;
    if (*cell == '"') {
        cell = take_quoted(at);
        if (cell == NULL) {
            return NULL;
        }
    } else {
        *at += strcspn(*at, ",\r\n\"");
    }
    char *end = *at;
    *at += end[0] == '\r' && end[1] == '\n';
    *ret_end = **at;
    if (*ret_end != ',' && *ret_end != '\n' && *ret_end != '\0') {
        return NULL;
    }
    *at += *ret_end != '\0';
    *end = '\0';
    return cell;
}

/* Cuts the text into cells, `columns` in each row. */
static int32_t cut(struct table *table, const char *path, churn_error *err)
{
    char *at = table->text, end = ',';
    unsigned long row = 1;
    size_t in_row = 0;
    while (*at != '\0' || end == ',') {
        char *cell = take_cell(&at, &end);
        if (cell == NULL) {
            return churn_fail(err, CHURN_RETRY, "%s: row %lu: a quote stands in the wrong place, or none ends a value",
                              path, row);
        }
        if (!add_cell(table, cell)) {
            return churn_fail(err, CHURN_FATAL, "out of memory");
        }
        in_row++;
        if (end == ',') {
            continue;
        }
        if (row == 1) {
            table->columns = in_row;
        }
        if (in_row != table->columns) {
            return churn_fail(err, CHURN_RETRY, "%s: row %lu has %zu values, the first one %zu", path, row, in_row,
                              table->columns);
        }
        row++;
        in_row = 0;
    }
    return CHURN_OK;
}

/* *ret is the column of that name. */
static int32_t find_column(const struct table *table, const char *path, const char *name, size_t *ret, churn_error *err)
{
    for (size_t i = 0; i < table->columns; i++) {
        if (strcmp(table->cells[i], name) == 0) {
            *ret = i;
            return CHURN_OK;
        }
    }
    return churn_fail(err, CHURN_RETRY, "%s has no column '%s' in its first line", path, name);
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct row *)a)->key, ((const struct row *)b)->key);
}

static int32_t sort_rows(struct table *table, const char *path, size_t key, churn_error *err)
{
    table->row_count = table->cell_count / table->columns - 1;
    table->rows = malloc((table->row_count + 1) * sizeof *table->rows);
    if (table->rows == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    for (size_t i = 0; i < table->row_count; i++) {
        const char **cells = table->cells + (i + 1) * table->columns;
        table->rows[i] = (struct row){.key = cells[key], .cells = cells};
    }
    qsort(table->rows, table->row_count, sizeof *table->rows, by_key);
    for (size_t i = 1; i < table->row_count; i++) {
        if (strcmp(table->rows[i - 1].key, table->rows[i].key) == 0) {
            return churn_fail(err, CHURN_RETRY, "%s has two rows for '%s'", path, table->rows[i].key);
        }
    }
    return CHURN_OK;
}

/* Which columns are added. */
static int32_t choose_columns(const struct enrich *e, struct table *table, size_t key, churn_error *err)
{
    size_t column = 0;
    int32_t result = CHURN_OK;
    table->added = calloc(table->columns + e->fields.count, sizeof *table->added);
    if (table->added == NULL) {
        return churn_fail(err, CHURN_FATAL, "out of memory");
    }
    for (size_t i = 0; i < table->columns && e->fields.count == 0; i++) {
        if (i != key) {
            table->added[table->added_count++] = i;
        }
    }
    for (uint32_t i = 0; i < e->fields.count && result == CHURN_OK; i++) {
        result = find_column(table, e->file, e->fields.items[i], &column, err);
        table->added[table->added_count++] = column;
    }
    return result;
}

/* An event type may declare such a field, but only as a text or a time. */
static int32_t check_type(const char *path, const struct table *table, const churn_event_type *type, const char *name,
                          churn_error *err)
{
    for (size_t i = 0; i < table->added_count; i++) {
        const churn_field *field =
            field_of(type->fields, type->field_stride, type->field_count, table->cells[table->added[i]]);
        if (field != NULL && field->type != CHURN_FIELD_STRING && field->type != CHURN_FIELD_TIME) {
            return churn_fail(err, CHURN_RETRY,
                              "%s: the column '%s' holds texts, but %s has a field of that name of another "
                              "type: name the columns that are added in `fields`",
                              path, table->cells[table->added[i]], name);
        }
    }
    return CHURN_OK;
}

static int32_t check_types(const struct enrich *e, const struct table *table, churn_error *err)
{
    int32_t result = CHURN_OK;
    for (uint32_t i = 0; e->types != NULL && i < e->types->count(e->host) && result == CHURN_OK; i++) {
        const char *name;
        const churn_event_type *type = e->types->at(e->host, i, &name);
        result = check_type(e->file, table, type, name, err);
    }
    return result;
}

/* Reads the file into `table`, whose content is to be freed in either case. */
static int32_t load(const struct enrich *e, struct table *table, churn_error *err)
{
    size_t key = 0;
    int32_t result = read_file(e->file, table, err);
    result = result == CHURN_OK ? cut(table, e->file, err) : result;
    result = result == CHURN_OK ? find_column(table, e->file, e->key, &key, err) : result;
    result = result == CHURN_OK ? sort_rows(table, e->file, key, err) : result;
    result = result == CHURN_OK ? choose_columns(e, table, key, err) : result;
    return result == CHURN_OK ? check_types(e, table, err) : result;
}

/* --- Its changes --- */

static int equal(const struct version *a, const struct version *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size && a->time.tv_sec == b->time.tv_sec &&
           a->time.tv_nsec == b->time.tv_nsec;
}

static struct version version_of(const struct stat *info)
{
    return (struct version){
        .device = info->st_dev, .inode = info->st_ino, .size = info->st_size, .time = info->st_mtim};
}

/* Takes the new file, or keeps the old one and says why. CHURN_FATAL: memory ran out. */
static int32_t reload(struct enrich *e, churn_error *err)
{
    struct table table = {0};
    churn_error why = {.size = sizeof why};
    int32_t result = load(e, &table, &why);
    if (result == CHURN_OK) {
        free_table(&e->table);
        e->table = table;
        churn_log(e->host, CHURN_LOG_INFO, "%s was read again: %zu rows", e->file, table.row_count);
        return CHURN_OK;
    }
    free_table(&table);
    if (result == CHURN_FATAL) {
        return churn_fail(err, CHURN_FATAL, "%s", why.message);
    }
    churn_log(e->host, CHURN_LOG_WARN, "%s; what was read before stays in use", why.message);
    return CHURN_OK;
}

/* Looks at the file, if it is time to. Whatever it is then is looked at once. */
static int32_t check_file(struct enrich *e, churn_error *err)
{
    int64_t now = e->host->monotonic_ms(e->host);
    struct version version = {0}; /* of a file that is not there */
    struct stat info;
    if (now < e->check_at_ms) {
        return CHURN_OK;
    }
    e->check_at_ms = now + e->check_every_ms;
    if (stat(e->file, &info) == 0) {
        version = version_of(&info);
    }
    if (equal(&version, &e->seen)) {
        return CHURN_OK;
    }
    e->seen = version;
    return reload(e, err);
}

/* --- The processor --- */

static int32_t enrich_create(void *self, const churn_host *host, churn_error *err)
{
    struct enrich *e = self;
    int known = strcmp(e->key, CUSTOMER_ID) == 0;
    e->host = host;
    e->types = host->get_extension(host, CHURN_EVENT_TYPES_ID);
    for (uint32_t i = 0; e->types != NULL && i < e->types->count(host) && !known; i++) {
        const char *name;
        const churn_event_type *type = e->types->at(host, i, &name);
        const churn_field *field = field_of(type->fields, type->field_stride, type->field_count, e->key);
        known = field != NULL && field->type == CHURN_FIELD_STRING;
    }
    if (!known && e->types != NULL) {
        return churn_fail_option(err, "key", "`%s` is neither customer_id nor a text in any event type's data", e->key);
    }
    return CHURN_OK;
}

static int32_t enrich_start(void *self, churn_error *err)
{
    struct enrich *e = self;
    struct stat info;
    if (stat(e->file, &info) == 0) {
        e->seen = version_of(&info);
    }
    e->check_at_ms = e->host->monotonic_ms(e->host) + e->check_every_ms;
    return load(e, &e->table, err) == CHURN_OK ? CHURN_OK : CHURN_FATAL;
}

static int compare_key(const void *text, const void *row)
{
    const churn_str *key = text;
    const char *other = ((const struct row *)row)->key;
    size_t len = strlen(other), least = key->len < len ? key->len : len;
    int order = memcmp(key->ptr, other, least);
    return order != 0 ? order : (key->len > len) - (key->len < len);
}

static int32_t enrich_transform(void *self, const churn_event *event, churn_edit *edit, churn_error *err)
{
    struct enrich *e = self;
    churn_str key = event->customer_id;
    const struct row *row;
    int32_t result = check_file(e, err);
    if (strcmp(e->key, CUSTOMER_ID) != 0) {
        const churn_value *value = churn_event_value(event, e->key);
        key = value != NULL ? value->text : (churn_str){.ptr = ""};
    }
    row = e->table.row_count > 0 && key.len > 0
              ? bsearch(&key, e->table.rows, e->table.row_count, sizeof *e->table.rows, compare_key)
              : NULL;
    for (size_t i = 0; row != NULL && i < e->table.added_count && result == CHURN_OK; i++) {
        const char *value = row->cells[e->table.added[i]];
        if (*value != '\0') {
            result = edit->set_text(edit, e->table.cells[e->table.added[i]], churn_text(value), err);
        }
    }
    return result;
}

static void enrich_destroy(void *self)
{
    struct enrich *e = self;
    free_table(&e->table);
}

/* For hosts that do not know transform. */
static int32_t enrich_process(void *self, const churn_event *event, churn_error *err)
{
    (void)self;
    (void)event;
    return churn_fail(err, CHURN_FATAL, "needs a host of ABI 1.2, which lets processors change events");
}

static const churn_processor_ops ops = {
    .size = sizeof(churn_processor_ops),
    .create = enrich_create,
    .start = enrich_start,
    .destroy = enrich_destroy,
    .process = enrich_process,
    .transform = enrich_transform,
};

CHURN_PLUGIN(.kind = CHURN_KIND_PROCESSOR, .name = "enrich", .version = "1.0.0",
             .summary = "Adds fields to events from a file that reloads", CHURN_OPTIONS(options, struct enrich),
             .ops = &ops);
