/* What a service manager is told of a run: systemd's protocol of sd_notify(3), where NOTIFY_SOCKET asks for it. Ready,
 * reloading, stopping; a line of status every few seconds; and, where there is a watchdog, that the run is alive, as
 * /healthz says it. Main thread only. */
#ifndef SERVICE_H
#define SERVICE_H

#include "engine/generation.h"

enum service_state { SERVICE_STARTING, SERVICE_READY, SERVICE_RELOADING, SERVICE_STOPPING };

struct service {
    bool asked; /* by a manager; else all calls do nothing */
    enum service_state state;
    int64_t sign_every_ms; /* for the watchdog; 0: there is none */
    int64_t sign_ms, status_ms;
    int64_t events; /* at the newest line of status */
    struct log *log;
};

void service_start(struct service *service, struct log *log);
/* Between two looks at the workers. `settled`: this generation is here to stay, so that it is ready once it has
 * started. */
void service_look(struct service *service, const struct generation *generation, bool settled);
void service_reloading(struct service *service);
/* The end has begun, and takes so long at most. */
void service_stopping(struct service *service, int64_t limit_ms);

#endif
