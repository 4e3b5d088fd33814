/* An HTTP server on 127.0.0.1 inside the test: a script decides each answer. */
#ifndef TESTS_SCRIPTED_HTTP_H
#define TESTS_SCRIPTED_HTTP_H

#include <pthread.h>
#include <stddef.h>

#define SCRIPTED_REQUESTS 4096

struct scripted_reply {
    int status;        /* 200 unless the script says otherwise; 0: close without an answer */
    char headers[256]; /* further lines, each with \r\n */
    char body[1024];
    size_t padding;    /* blanks after the body */
    int delay_ms;      /* before the answer */
    const char *raw;   /* in place of all that, as it is; NULL: the above */
    const char *flood; /* sent behind `raw` for ever; NULL: nothing */
    int drip_ms;       /* between two of these */
};

/* Called for each request, one at a time; `number` counts from 0. */
typedef void (*scripted_fn)(void *ctx, unsigned number, const char *head, const char *body,
                            struct scripted_reply *reply);

struct scripted_http {
    scripted_fn script;
    void *ctx;
    char url[64];
    int port;
    int listener; /* -1: stopped */
    pthread_t acceptor;
    pthread_mutex_t lock; /* guards what follows */
    unsigned count;       /* requests so far */
    unsigned connections; /* opened so far */
    unsigned asking;      /* requests at this moment, and the most there ever were */
    unsigned asking_max;
    unsigned long flooded; /* bytes of endless answers that could be sent */
    unsigned open;         /* threads of connections */
    int fds[256];          /* their sockets, -1: free */
    char *bodies[SCRIPTED_REQUESTS];
};

/* On a free port, or on `port` when it is not 0. */
void scripted_http_start(struct scripted_http *server, int port, scripted_fn script, void *ctx);

/* Closes all connections and the port; requests stay recorded. May be called twice. */
void scripted_http_stop(struct scripted_http *server);

/* Frees the recorded bodies. */
void scripted_http_free(struct scripted_http *server);

unsigned scripted_http_count(struct scripted_http *server);

#endif
