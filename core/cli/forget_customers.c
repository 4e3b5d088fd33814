#include "cli/forget_customers.h"

#include "base/printable.h"
#include "cli/commands.h"
#include "event/event.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf" /* as editors of spreadsheets begin a file with */

static bool add(struct customer_ids *ids, churn_str id)
{
    if (!event_is_customer_id(id)) {
        printable_line(stderr,
                       "churnd: '%.*s' is no customer_id: that has 1 to %d bytes of UTF-8, and no control character",
                       id.len < EVENT_MAX_ID ? (int)id.len : EVENT_MAX_ID, id.ptr, EVENT_MAX_ID);
        return false;
    }
    if (name_index_find(&ids->known, id.ptr, id.len) >= 0) {
        return true;
    }
    if (ids->count == ids->room) {
        unsigned room = ids->room == 0 ? 16 : ids->room * 2;
        char **grown = realloc((void *)ids->items, room * sizeof *grown);
        ids->items = grown != NULL ? grown : ids->items;
        ids->room = grown != NULL ? room : ids->room;
    }
    if (ids->count < ids->room && (ids->items[ids->count] = strndup(id.ptr, id.len)) != NULL) {
        ids->count++;
        if (name_index_add(&ids->known, ids->items[ids->count - 1]) >= 0) {
            return true;
        }
    }
    (void)fputs("churnd: out of memory\n", stderr);
    return false;
}

/* Without its end, and the mark that a text may begin with. */
static churn_str id_of_line(const char *line, size_t len, bool first)
{
    size_t mark = first && len >= 3 && memcmp(line, BYTE_ORDER_MARK, 3) == 0 ? 3 : 0;
    len -= len > mark && line[len - 1] == '\n';
    len -= len > mark && line[len - 1] == '\r';
    return (churn_str){.ptr = line + mark, .len = (uint32_t)(len - mark)};
}

static bool read_file(struct customer_ids *ids, const char *path)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    FILE *in = fopen(path, "re");
    bool ok = true, first = true;
    if (in != NULL) {
        while (ok && (len = getline(&line, &room, in)) > 0) {
            churn_str id = id_of_line(line, (size_t)len, first);
            ok = id.len == 0 || add(ids, id);
            first = false;
        }
    }
    if (in == NULL || ferror(in) != 0) {
        printable_line(stderr, "churnd: --file: '%s' cannot be read: %s", path, strerror(errno));
        ok = false;
    }
    if (in != NULL) {
        (void)fclose(in);
    }
    free(line);
    return ok;
}

bool customer_ids_read(struct customer_ids *ids, const struct arguments *arguments, const char *command)
{
    for (unsigned i = 0; i < arguments->operand_count; i++) {
        if (!add(ids, churn_text(arguments->operands[i]))) {
            return false;
        }
    }
    if (arguments->ids_file != NULL && !read_file(ids, arguments->ids_file)) {
        return false;
    }
    if (ids->count == 0) {
        (void)fprintf(stderr, "churnd: %s: whom? Name customers, or give --file FILE with one id a line\n", command);
    }
    if (ids->count > FORGET_MOST_CUSTOMERS) {
        (void)fprintf(stderr, "churnd: %s: %u customers, and at most %d are possible at once; give them in parts\n",
                      command, ids->count, FORGET_MOST_CUSTOMERS);
    }
    return ids->count > 0 && ids->count <= FORGET_MOST_CUSTOMERS;
}

void customer_ids_free(struct customer_ids *ids)
{
    for (unsigned i = 0; i < ids->count; i++) {
        free(ids->items[i]);
    }
    free((void *)ids->items);
    name_index_free(&ids->known);
    *ids = (struct customer_ids){0};
}
