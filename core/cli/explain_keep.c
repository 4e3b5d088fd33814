/* The customer's records in the order of their time. A customer may have more than memory is meant for: then the oldest
 * are let go of, and only what they made together is known. Merging knows no order, so that is exact. */
#include "cli/explain_keep.h"

#include <stdlib.h>

#define MOST_BYTES ((size_t)32 * 1024 * 1024)

/* Negative when a comes before b. */
static int by_time(const struct explain *e, const struct explained *a, const struct explained *b)
{
    int order = (a->time_ms > b->time_ms) - (a->time_ms < b->time_ms);
    return order != 0 ? order : parts_compare(&e->worker->parts, a->part, a->offset, b->part, b->offset);
}

void explain_keep_free_one(struct explained *one, const struct registry *registry)
{
    if (one != NULL && one->delta != NULL) {
        fields_free_owned(one->delta, registry);
        free(one->delta);
    }
    free(one);
}

/* ---- the heap ---- */

static void sift_up(const struct explain *e, struct explained **items, size_t i)
{
    while (i > 0 && by_time(e, items[i], items[(i - 1) / 2]) < 0) {
        struct explained *moved = items[i];
        items[i] = items[(i - 1) / 2];
        items[(i - 1) / 2] = moved;
        i = (i - 1) / 2;
    }
}

static void sift_down(const struct explain *e, struct explained **items, size_t count)
{
    size_t i = 0;
    for (;;) {
        size_t least = i;
        struct explained *moved = items[i];
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < count; child++) {
            least = by_time(e, items[child], items[least]) < 0 ? child : least;
        }
        if (least == i) {
            return;
        }
        items[i] = items[least];
        items[least] = moved;
        i = least;
    }
}

static struct explained *take_oldest(const struct explain *e, struct kept *kept)
{
    struct explained *oldest = kept->items[0];
    kept->items[0] = kept->items[--kept->count];
    kept->bytes -= oldest->bytes;
    if (kept->count > 0) {
        sift_down(e, kept->items, kept->count);
    }
    return oldest;
}

static bool add(const struct explain *e, struct kept *kept, struct explained *one)
{
    if (kept->count == kept->room) {
        size_t room = kept->room != 0 ? kept->room * 2 : 256;
        struct explained **grown = realloc((void *)kept->items, room * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        kept->items = grown;
        kept->room = room;
    }
    kept->items[kept->count++] = one;
    kept->bytes += one->bytes;
    sift_up(e, kept->items, kept->count - 1);
    return true;
}

static bool merge(struct explain *e, struct profile *into, const struct explained *one)
{
    return !explained_is_counted(one) || profile_merge(into, one->delta, e->registry, &e->worker->parts);
}

static bool let_go_of_oldest(struct explain *e)
{
    struct explained *oldest = take_oldest(e, &e->kept);
    bool ok = merge(e, e->kept.earlier, oldest);
    e->kept.earlier_count++;
    explain_keep_free_one(oldest, e->registry);
    return ok;
}

bool explain_keep_take(struct explain *e, struct explained *one)
{
    bool ok = merge(e, e->whole, one);
    if (e->has_at && one->time_ms > e->at_ms) {
        e->later++;
        explain_keep_free_one(one, e->registry);
        return ok;
    }
    if (!ok || !add(e, &e->kept, one)) {
        explain_keep_free_one(one, e->registry);
        return false;
    }
    while (e->kept.bytes > MOST_BYTES && e->kept.count > 1 && ok) {
        ok = let_go_of_oldest(e);
    }
    return ok;
}

/* ---- the order ---- */

static int in_order(const void *a, const void *b, void *ctx)
{
    return by_time(ctx, *(struct explained *const *)a, *(struct explained *const *)b);
}

static int by_event_id(const void *a, const void *b, void *ctx)
{
    const struct explained *x = *(struct explained *const *)a, *y = *(struct explained *const *)b;
    int order = strcmp(x->event_id, y->event_id);
    return order != 0 ? order : by_time(ctx, x, y);
}

/* Of records with one event_id: the one that counts, or the first of them. */
static const struct explained *original_of(struct explained **same, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (explained_is_counted(same[i])) {
            return same[i];
        }
    }
    return same[0];
}

static void find_repeats(struct explained **sorted, size_t count)
{
    for (size_t i = 0, end; i < count; i = end) {
        const struct explained *original;
        for (end = i + 1; end < count && strcmp(sorted[end]->event_id, sorted[i]->event_id) == 0; end++) {
        }
        original = original_of(sorted + i, end - i);
        for (size_t k = i; k < end && original->event_id[0] != '\0'; k++) {
            sorted[k]->repeats = sorted[k] != original ? original : NULL;
        }
    }
}

bool explain_keep_finish(struct explain *e)
{
    struct kept *kept = &e->kept;
    struct explained **sorted;
    if (kept->count == 0) {
        return true;
    }
    qsort_r((void *)kept->items, kept->count, sizeof *kept->items, in_order, e);
    sorted = malloc(kept->count * sizeof *sorted);
    if (sorted == NULL) {
        return false;
    }
    memcpy((void *)sorted, (void *)kept->items, kept->count * sizeof *sorted);
    qsort_r((void *)sorted, kept->count, sizeof *sorted, by_event_id, e);
    find_repeats(sorted, kept->count);
    free((void *)sorted);
    return true;
}

void explain_keep_free(struct explain *e)
{
    for (size_t i = 0; i < e->kept.count; i++) {
        explain_keep_free_one(e->kept.items[i], e->registry);
    }
    free((void *)e->kept.items);
    profile_free(e->kept.earlier, e->registry);
}
