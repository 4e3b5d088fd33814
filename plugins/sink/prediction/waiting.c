#include "waiting.h"

#include "grow.h"

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) ((void)((element)->lost = 1))
#include <stdlib.h>
#include <uthash.h>

struct customer {
    struct job *job;  /* waiting or being served */
    struct job *next; /* waits until `job` is done; not in the heap */
    int lost;         /* memory ran out while it was added */
    UT_hash_handle hh;
    uint32_t id_len;
    char id[];
};

/* --- The heap --- */

static int before(const struct job *a, const struct job *b)
{
    return a->ready_ms != b->ready_ms ? a->ready_ms < b->ready_ms : a->order < b->order;
}

static void sift_up(struct waiting *w, size_t at)
{
    struct job *job = w->heap[at];
    while (at > 0 && before(job, w->heap[(at - 1) / 2])) {
        w->heap[at] = w->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    w->heap[at] = job;
}

static void sift_down(struct waiting *w, size_t at)
{
    struct job *job = w->heap[at];
    for (size_t child; (child = 2 * at + 1) < w->heap_len; at = child) {
        if (child + 1 < w->heap_len && before(w->heap[child + 1], w->heap[child])) {
            child++;
        }
        if (!before(w->heap[child], job)) {
            break;
        }
        w->heap[at] = w->heap[child];
    }
    w->heap[at] = job;
}

static void heapify(struct waiting *w)
{
    for (size_t i = w->heap_len / 2; i-- > 0;) {
        sift_down(w, i);
    }
}

/* Room is made when a job is made, so that a job can always wait again. */
static int reserve_heap(struct waiting *w)
{
    struct job **heap = grow(w->heap, &w->heap_room, w->jobs + 1, sizeof *heap);
    if (heap == NULL) {
        return 0;
    }
    w->heap = heap;
    return 1;
}

/* Where it was before it was taken out. */
static void requeue(struct waiting *w, struct job *job)
{
    free(job->row);
    job->row = NULL;
    job->step = JOB_WAITING;
    w->heap[w->heap_len++] = job;
    sift_up(w, w->heap_len - 1);
}

static void enqueue(struct waiting *w, struct job *job, int64_t ready_ms, int told)
{
    job->ready_ms = ready_ms;
    job->order = w->next_order++;
    job->told = told;
    requeue(w, job);
}

static struct job *dequeue(struct waiting *w, size_t at)
{
    struct job *job = w->heap[at];
    struct job *last = w->heap[--w->heap_len];
    if (at < w->heap_len) {
        w->heap[at] = last;
        sift_down(w, at);
        sift_up(w, at);
    }
    return job;
}

/* --- Those that were read: a ring --- */

static void add_ready(struct waiting *w, struct job *job)
{
    struct job *first = w->ready != NULL ? w->ready : job;
    job->step = JOB_READY;
    job->next_ready = first;
    job->previous_ready = w->ready != NULL ? first->previous_ready : job;
    job->previous_ready->next_ready = job;
    first->previous_ready = job;
    w->ready = first;
    w->ready_count++;
}

static void take_ready(struct waiting *w, struct job *job)
{
    w->ready = w->ready != job ? w->ready : job->next_ready != job ? job->next_ready : NULL;
    job->previous_ready->next_ready = job->next_ready;
    job->next_ready->previous_ready = job->previous_ready;
    w->ready_count--;
}

/* --- Jobs --- */

static void free_triggers(struct trigger *first)
{
    while (first != NULL) {
        struct trigger *next = first->next;
        free(first);
        first = next;
    }
}

static void free_job(struct waiting *w, struct job *job)
{
    w->jobs--;
    w->tokens -= job->token_count;
    free_triggers(job->trigger);
    free(job->tokens);
    free(job->answer);
    free(job->row);
    free(job);
}

static int add_token(struct waiting *w, struct job *job, const struct token *token)
{
    if (job->token_count == job->token_room) {
        uint32_t room = job->token_room != 0 ? job->token_room * 2 : 1;
        struct token *tokens = realloc(job->tokens, room * sizeof *tokens);
        if (tokens == NULL) {
            return 0;
        }
        job->tokens = tokens;
        job->token_room = room;
    }
    job->tokens[job->token_count++] = *token;
    w->tokens++;
    return 1;
}

/* The newest one stands first. */
static void keep(struct job *job, struct trigger *trigger)
{
    if (job->trigger == NULL || trigger->timestamp_ms >= job->trigger->timestamp_ms) {
        trigger->next = job->trigger;
        job->trigger = trigger;
    } else {
        trigger->next = job->trigger->next;
        job->trigger->next = trigger;
    }
}

static void keep_newest(const struct waiting *w, struct job *job, struct trigger *trigger)
{
    keep(job, trigger);
    if (!w->keeps_all) {
        free_triggers(job->trigger->next);
        job->trigger->next = NULL;
    }
}

void waiting_drop_forgotten(struct job *job)
{
    struct trigger *reversed = NULL;
    for (struct trigger *t = job->trigger, *next; t != NULL; t = next) {
        next = t->next;
        t->next = reversed;
        reversed = t;
    }
    job->trigger = NULL;
    for (struct trigger *t = reversed, *next; t != NULL; t = next) {
        next = t->next;
        if (t->forgotten) {
            free(t);
        } else {
            keep(job, t); /* of equal ones the first of before comes last, and is first again */
        }
    }
}

static struct job *new_job(struct waiting *w, struct customer *customer, struct trigger *trigger,
                           const struct token *token)
{
    struct job *job = reserve_heap(w) ? calloc(1, sizeof *job) : NULL;
    if (job == NULL) {
        return NULL;
    }
    w->jobs++;
    if (!add_token(w, job, token)) {
        free_job(w, job);
        return NULL;
    }
    job->customer = customer;
    job->trigger = trigger;
    return job;
}

static int knows(const struct job *job, const struct token *token)
{
    for (uint32_t i = 0; job != NULL && token->revision[0] != '\0' && i < job->token_count; i++) {
        if (strcmp(job->tokens[i].revision, token->revision) == 0) {
            return 1;
        }
    }
    return 0;
}

/* A request that was found at fault is judged by itself: nothing joins it any more. */
static int takes_more(const struct job *job)
{
    return job->step <= JOB_READY && job->faults == 0;
}

/* --- Customers --- */

static struct customer *find_customer(const struct waiting *w, churn_str id)
{
    struct customer *customer = NULL;
    HASH_FIND(hh, w->customers, id.ptr, id.len, customer);
    return customer;
}

static struct customer *new_customer(struct waiting *w, churn_str id)
{
    struct customer *customer = calloc(1, sizeof *customer + id.len);
    if (customer == NULL) {
        return NULL;
    }
    customer->id_len = id.len;
    memcpy(customer->id, id.ptr, id.len);
    HASH_ADD_KEYPTR(hh, w->customers, customer->id, customer->id_len, customer);
    if (customer->lost) {
        free(customer);
        return NULL;
    }
    return customer;
}

static void drop_if_idle(struct waiting *w, struct customer *customer)
{
    if (customer->job == NULL && customer->next == NULL) {
        HASH_DEL(w->customers, customer);
        free(customer);
    }
}

static enum added join(struct waiting *w, struct job *job, struct trigger *trigger, const struct token *token)
{
    if (!add_token(w, job, token)) {
        free(trigger);
        return ADDED_FAILED;
    }
    keep_newest(w, job, trigger);
    job->outdated = 1;
    if (job->step == JOB_READY) {
        take_ready(w, job);
        requeue(w, job);
    }
    return ADDED_JOINED;
}

enum added waiting_add(struct waiting *w, struct trigger *trigger, const struct token *token, int64_t now_ms)
{
    struct customer *customer = find_customer(w, trigger->customer_id);
    struct job *job;
    if (customer == NULL && (customer = new_customer(w, trigger->customer_id)) == NULL) {
        free(trigger);
        return ADDED_FAILED;
    }
    if (knows(customer->job, token) || knows(customer->next, token)) {
        free(trigger);
        return ADDED_KNOWN;
    }
    if (customer->next != NULL || (customer->job != NULL && takes_more(customer->job))) {
        return join(w, customer->next != NULL ? customer->next : customer->job, trigger, token);
    }
    job = new_job(w, customer, trigger, token);
    if (job == NULL) {
        free(trigger);
        drop_if_idle(w, customer);
        return ADDED_FAILED;
    }
    if (customer->job != NULL) {
        customer->next = job;
    } else {
        customer->job = job;
        enqueue(w, job, now_ms, 0);
    }
    return ADDED_NEW;
}

/* Where in the heap the job is that failed least, of equal ones the soonest; w->heap_len: none may be asked about. */
static size_t find_least_failed(const struct waiting *w, int64_t now_ms)
{
    size_t found = w->heap_len;
    for (size_t i = 0; i < w->heap_len; i++) {
        const struct job *job = w->heap[i], *least = found < w->heap_len ? w->heap[found] : NULL;
        int may = !job->told || job->ready_ms <= now_ms;
        if (may && (least == NULL || job->failures < least->failures ||
                    (job->failures == least->failures && before(job, least)))) {
            found = i;
        }
    }
    return found;
}

struct job *waiting_read(struct waiting *w, int64_t now_ms, int any)
{
    size_t at = any ? find_least_failed(w, now_ms) : 0;
    struct job *job;
    if (at == w->heap_len || (!any && w->heap[at]->ready_ms > now_ms)) {
        return NULL;
    }
    job = dequeue(w, at);
    job->step = JOB_READING;
    job->outdated = 0;
    return job;
}

void waiting_hold(struct waiting *w, struct job *job, char *row, size_t row_len, int64_t now_ms)
{
    if (job_is_forgotten(job) || job->outdated) {
        free(row);
        waiting_unread(w, job, now_ms);
        return;
    }
    job->row = row;
    job->row_len = row_len;
    job->read_ms = now_ms;
    add_ready(w, job);
}

void waiting_unread(struct waiting *w, struct job *job, int64_t now_ms)
{
    if (job_is_forgotten(job)) {
        waiting_finish(w, job, now_ms);
    } else {
        requeue(w, job);
    }
}

int waiting_skip(struct waiting *w, struct job *job, int64_t now_ms)
{
    if (job_is_forgotten(job)) {
        waiting_finish(w, job, now_ms);
        return 0;
    }
    job->step = JOB_ASKING;
    return 1;
}

void waiting_outdate(struct waiting *w, int64_t read_ms)
{
    struct job *job;
    while ((job = w->ready) != NULL && job->read_ms < read_ms) {
        take_ready(w, job);
        requeue(w, job);
    }
}

static uint32_t batch_limit(const struct job *job, uint32_t max)
{
    return job->batch_max != 0 && job->batch_max < max ? job->batch_max : max;
}

uint32_t waiting_batch(const struct waiting *w, uint32_t max, int *ret_full)
{
    const struct job *job = w->ready;
    uint32_t count = 0, limit = job != NULL ? batch_limit(job, max) : 0;
    for (; count < w->ready_count && count < limit && batch_limit(job, max) == limit; job = job->next_ready) {
        count++;
    }
    *ret_full = count == limit || count < w->ready_count;
    return count;
}

struct job *waiting_take(struct waiting *w)
{
    struct job *job = w->ready;
    if (job != NULL) {
        take_ready(w, job);
        job->step = JOB_ASKING;
    }
    return job;
}

void waiting_put_back(struct waiting *w, struct job *job, int64_t ready_ms, int told)
{
    struct job *next = job->customer->next;
    if (job_is_forgotten(job)) {
        waiting_finish(w, job, ready_ms);
        return;
    }
    enqueue(w, job, ready_ms, told);
    if (next == NULL || !takes_more(job)) {
        return;
    }
    for (uint32_t i = next->token_count; i > 0; i--) {
        if (!add_token(w, job, &next->tokens[i - 1])) {
            return; /* memory ran out: the rest waits behind it as before */
        }
        next->token_count--;
        w->tokens--;
    }
    for (struct trigger *t = next->trigger, *behind; t != NULL; t = behind) {
        behind = t->next;
        keep_newest(w, job, t);
    }
    next->trigger = NULL;
    job->customer->next = NULL;
    free_job(w, next);
}

void waiting_finish(struct waiting *w, struct job *job, int64_t now_ms)
{
    struct customer *customer = job->customer;
    customer->job = customer->next;
    customer->next = NULL;
    free_job(w, job);
    if (customer->job != NULL) {
        enqueue(w, customer->job, now_ms, 0);
    }
    drop_if_idle(w, customer);
}

int64_t waiting_next_ms(const struct waiting *w)
{
    return w->heap_len > 0 ? w->heap[0]->ready_ms : INT64_MAX;
}

void waiting_hurry(struct waiting *w, int64_t now_ms)
{
    for (size_t i = 0; i < w->heap_len; i++) {
        if (!w->heap[i]->told && w->heap[i]->ready_ms > now_ms) {
            w->heap[i]->ready_ms = now_ms;
        }
    }
    heapify(w);
}

static void forget_tokens(struct waiting *w, struct job *job, int (*gone)(const void *ctx, const struct token *token),
                          const void *ctx)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < job->token_count; i++) {
        if (!gone(ctx, &job->tokens[i])) {
            job->tokens[kept++] = job->tokens[i];
        }
    }
    w->tokens -= job->token_count - kept;
    job->token_count = kept;
}

/* What is being read, or asked about, is let go of when its answer comes. */
static void forget_ready(struct waiting *w, struct customer *customer)
{
    if (customer->job->step == JOB_READY && job_is_forgotten(customer->job)) {
        take_ready(w, customer->job);
        free_job(w, customer->job);
        customer->job = NULL;
    }
}

void waiting_forget(struct waiting *w, int (*gone)(const void *ctx, const struct token *token), const void *ctx)
{
    struct customer *customer, *following;
    size_t kept = 0;
    for (size_t i = 0; i < w->heap_len; i++) {
        struct job *job = w->heap[i];
        forget_tokens(w, job, gone, ctx);
        if (job->token_count > 0) {
            w->heap[kept++] = job;
        } else {
            job->customer->job = NULL;
            free_job(w, job);
        }
    }
    w->heap_len = kept;
    heapify(w);
    HASH_ITER(hh, w->customers, customer, following)
    {
        if (customer->job != NULL && customer->job->step != JOB_WAITING) {
            forget_tokens(w, customer->job, gone, ctx);
            forget_ready(w, customer);
        }
        if (customer->next != NULL) {
            forget_tokens(w, customer->next, gone, ctx);
            if (customer->next->token_count == 0) {
                free_job(w, customer->next);
                customer->next = NULL;
            } else if (customer->job == NULL) {
                customer->job = customer->next;
                customer->next = NULL;
                enqueue(w, customer->job, 0, 0);
            }
        }
        drop_if_idle(w, customer);
    }
}

int waiting_sort_ready(struct waiting *w, uint32_t count, waiting_judge_fn judge, waiting_gone_fn gone, void *ctx)
{
    struct job *job = w->ready;
    int none = 1;
    for (uint32_t i = 0; i < count; i++) {
        struct job *next = job->next_ready;
        enum left left = judge(ctx, job);
        none &= left == LEFT_ALL;
        if (left == LEFT_NOTHING || left == LEFT_OTHER) {
            take_ready(w, job);
        }
        if (left == LEFT_NOTHING) {
            job->step = JOB_ASKING;
            gone(ctx, job);
        } else if (left == LEFT_OTHER) {
            requeue(w, job);
        }
        job = next;
    }
    return none;
}

void waiting_sort_out(struct waiting *w, waiting_judge_fn judge, waiting_gone_fn gone, void *ctx)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->heap_len; i++) {
        struct job *job = w->heap[i];
        if (judge(ctx, job) != LEFT_NOTHING) {
            w->heap[kept++] = job;
        } else {
            job->step = JOB_ASKING;
            gone(ctx, job);
        }
    }
    w->heap_len = kept;
    heapify(w);
    (void)waiting_sort_ready(w, w->ready_count, judge, gone, ctx);
}

int waiting_is_under_way(const struct waiting *w, int (*is)(void *ctx, const struct job *job), void *ctx)
{
    struct customer *customer, *following;
    HASH_ITER(hh, w->customers, customer, following)
    {
        if ((customer->job != NULL && customer->job->step > JOB_READY && is(ctx, customer->job)) ||
            (customer->next != NULL && is(ctx, customer->next))) {
            return 1;
        }
    }
    return 0;
}

void waiting_free(struct waiting *w)
{
    struct customer *customer, *following;
    HASH_ITER(hh, w->customers, customer, following)
    {
        if (customer->next != NULL) {
            free_job(w, customer->next);
        }
        if (customer->job != NULL) {
            free_job(w, customer->job);
        }
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): uthash unlinks a member from its neighbours before it is freed */
        HASH_DEL(w->customers, customer);
        free(customer);
    }
    free(w->heap);
    *w = (struct waiting){0};
}
