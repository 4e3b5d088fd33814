#include "cli/forget_customers.h"

#include "base/printable.h"
#include "cli/commands.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CUSTOMER_ID 128 /* bytes */
#define MAX_CUSTOMERS 1000  /* in one record of the store, which is written at once */

static bool is_id(const char *id)
{
    size_t len = strlen(id);
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)id[i] < 0x20 || id[i] == 0x7f) {
            return false;
        }
    }
    return len > 0 && len <= MAX_CUSTOMER_ID;
}

static bool add(struct customer_ids *ids, const char *id)
{
    if (!is_id(id)) {
        printable_line(stderr, "churnd: '%s' is no customer_id: that has 1 to %d bytes and no control character", id,
                       MAX_CUSTOMER_ID);
        return false;
    }
    if (name_index_find(&ids->known, id, strlen(id)) >= 0) {
        return true;
    }
    if (ids->count == ids->room) {
        unsigned room = ids->room == 0 ? 16 : ids->room * 2;
        char **grown = realloc((void *)ids->items, room * sizeof *grown);
        ids->items = grown != NULL ? grown : ids->items;
        ids->room = grown != NULL ? room : ids->room;
    }
    if (ids->count < ids->room && (ids->items[ids->count] = strdup(id)) != NULL) {
        ids->count++;
        if (name_index_add(&ids->known, ids->items[ids->count - 1]) >= 0) {
            return true;
        }
    }
    (void)fputs("churnd: out of memory\n", stderr);
    return false;
}

static bool read_file(struct customer_ids *ids, const char *path)
{
    char *line = NULL;
    size_t room = 0;
    FILE *in = fopen(path, "re");
    bool ok = true;
    if (in != NULL) {
        while (ok && getline(&line, &room, in) > 0) {
            line[strcspn(line, "\r\n")] = '\0';
            ok = *line == '\0' || add(ids, line);
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
        if (!add(ids, arguments->operands[i])) {
            return false;
        }
    }
    if (arguments->ids_file != NULL && !read_file(ids, arguments->ids_file)) {
        return false;
    }
    if (ids->count == 0) {
        (void)fprintf(stderr, "churnd: %s: whom? Name customers, or give --file FILE with one id a line\n", command);
    }
    if (ids->count > MAX_CUSTOMERS) {
        (void)fprintf(stderr, "churnd: forget: %u customers, and at most %d are possible at once; give them in parts\n",
                      ids->count, MAX_CUSTOMERS);
    }
    return ids->count > 0 && ids->count <= MAX_CUSTOMERS;
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
