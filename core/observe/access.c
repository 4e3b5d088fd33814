#include "observe/access.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define WRONG_PER_SECOND 10
#define GUESSERS 64   /* addresses whose wrong tokens of a second are counted; others then share one count */
#define TELL_MS 60000 /* between lines of the log about wrong tokens */

/* An address that showed wrong tokens. */
struct guesser {
    struct address_owner owner;
    int64_t second_ms; /* when the second began that they are counted in */
    unsigned wrong;
};

struct access {
    struct log *log;
    int64_t (*now_ms)(void);
    pthread_mutex_t lock;             /* of the token */
    char token[HEALTH_TOKEN_MAX + 1]; /* "": there is none */
    struct guesser guessers[GUESSERS];
    unsigned untold; /* wrong ones that the log has not been told of */
    int64_t told_ms;
};

struct access *access_new(struct log *log, int64_t (*now_ms)(void))
{
    struct access *access = calloc(1, sizeof *access);
    if (access != NULL && pthread_mutex_init(&access->lock, NULL) != 0) {
        free(access);
        return NULL;
    }
    if (access != NULL) {
        access->log = log;
        access->now_ms = now_ms;
        access->told_ms = now_ms() - TELL_MS;
    }
    return access;
}

void access_free(struct access *access)
{
    if (access != NULL) {
        explicit_bzero(access->token, sizeof access->token);
        (void)pthread_mutex_destroy(&access->lock);
        free(access);
    }
}

void access_set(struct access *access, const char *token)
{
    (void)pthread_mutex_lock(&access->lock);
    explicit_bzero(access->token, sizeof access->token);
    (void)snprintf(access->token, sizeof access->token, "%s", token != NULL ? token : "");
    (void)pthread_mutex_unlock(&access->lock);
}

/* Takes a time that depends on `shown` alone, so that nobody learns from it how far a guess is right. */
static bool is_same(const char *shown, const char *token)
{
    size_t token_len = strlen(token), len = strlen(shown);
    volatile unsigned char difference = len != token_len;
    for (size_t i = 0; i < len; i++) {
        difference = difference | (unsigned char)(shown[i] ^ token[i % token_len]);
    }
    return difference == 0;
}

/* Told with how many there were since the last time, and without where they came from. */
static void tell(struct access *access, int64_t now_ms)
{
    if (access->untold > 0 && now_ms - access->told_ms >= TELL_MS) {
        log_printf(access->log, CHURN_LOG_WARN, "churnd", "%u request%s showed the listener a wrong token",
                   access->untold, access->untold == 1 ? "" : "s");
        access->untold = 0;
        access->told_ms = now_ms;
    }
}

static bool is_over(const struct guesser *guesser, int64_t now_ms)
{
    return guesser->wrong == 0 || now_ms - guesser->second_ms >= 1000;
}

/* The one with that address, else one whose second is over, else the last one, which is whoever's. */
static struct guesser *find_guesser(struct access *access, const struct address_owner *owner, int64_t now_ms)
{
    struct guesser *found = &access->guessers[GUESSERS - 1];
    for (unsigned i = GUESSERS; i-- > 0;) {
        struct guesser *guesser = &access->guessers[i];
        if (!is_over(guesser, now_ms) && address_owner_is(&guesser->owner, owner)) {
            return guesser;
        }
        found = is_over(guesser, now_ms) ? guesser : found;
    }
    if (is_over(found, now_ms)) {
        *found = (struct guesser){.owner = *owner, .second_ms = now_ms};
    }
    return found;
}

static void count_wrong(struct access *access, struct guesser *guesser, int64_t now_ms)
{
    guesser->wrong++;
    access->untold++;
    tell(access, now_ms);
}

/* Loopback names nobody: whoever guesses there must not keep the operator out who knows the token. */
static enum access_result compare(struct access *access, const char *shown, const struct address_owner *owner)
{
    int64_t now_ms = access->now_ms();
    struct guesser *guesser = find_guesser(access, owner, now_ms);
    bool many = guesser->wrong >= WRONG_PER_SECOND;
    if ((!many || owner->loopback) && is_same(shown, access->token)) {
        return ACCESS_GRANTED;
    }
    count_wrong(access, guesser, now_ms);
    return many ? ACCESS_LATER : ACCESS_WRONG;
}

void access_tick(struct access *access)
{
    (void)pthread_mutex_lock(&access->lock);
    tell(access, access->now_ms());
    (void)pthread_mutex_unlock(&access->lock);
}

static void forget(char *secret)
{
    if (secret != NULL) {
        explicit_bzero(secret, strlen(secret));
        free(secret);
    }
}

enum access_result access_judge(struct access *access, const struct listener_request *request)
{
    char *shown = listener_secret(request);
    struct address_owner owner = listener_peer(request);
    enum access_result result;
    (void)pthread_mutex_lock(&access->lock);
    result = *access->token == '\0' ? ACCESS_OFF : shown == NULL ? ACCESS_MISSING : compare(access, shown, &owner);
    (void)pthread_mutex_unlock(&access->lock);
    forget(shown);
    return result;
}

void access_refuse(enum access_result result, struct listener_answer *answer)
{
    unsigned i = 0;
    while (answer->headers[i].name != NULL) {
        i++;
    }
    answer->content_type = "text/plain; charset=utf-8";
    if (result == ACCESS_OFF) {
        answer->status = 403;
        text_append_string(&answer->body, "alerts and customers are shown to nobody: the pipeline's section health: "
                                          "has no token\n");
    } else if (result == ACCESS_LATER) {
        answer->status = 429;
        answer->headers[i] = (struct listener_header){"Retry-After", "1"};
        text_append_string(&answer->body, "too many wrong tokens; try again in a second\n");
    } else {
        answer->status = 401;
        answer->headers[i] = (struct listener_header){"WWW-Authenticate", "Basic realm=\"churnd\", charset=\"UTF-8\""};
        text_append_string(&answer->body, result == ACCESS_WRONG
                                              ? "this is not the token\n"
                                              : "the token is needed: as the password of any user, or as Bearer\n");
    }
}
