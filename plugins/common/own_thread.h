/* A plugin's own thread. */
#ifndef OWN_THREAD_H
#define OWN_THREAD_H

#include <pthread.h>
#include <signal.h>

/* Starts it without signals, which the host handles in its own threads. 0, or the error of pthread_create. */
static inline int own_thread_start(pthread_t *thread, void *(*run)(void *), void *arg)
{
    sigset_t all, old;
    int error;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    error = pthread_create(thread, NULL, run, arg);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return error;
}

#endif
