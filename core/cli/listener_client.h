/* Asking a run that listens (`health: listen`), over HTTP. */
#ifndef LISTENER_CLIENT_H
#define LISTENER_CLIENT_H

#include "base/json_text.h"
#include "cli/commands.h"
#include "pipeline/settings.h"
#include <curl/curl.h>

struct listener_client {
    CURL *curl;
    char base[512]; /* the URL before a path, without a slash at its end */
    char why[CURL_ERROR_SIZE];
};

/* For --url, such as https://HOST:PORT, whose certificate --cacert vouches for (else the system's authorities); or for
 * the address that the pipeline's file names. There, who listens on every address is asked on the machine's own, and
 * whoever answers must have the key of its certificate; what that says of names is not asked, for the address is our
 * own. False with a message. */
bool listener_client_open(struct listener_client *client, const struct arguments *arguments);
/* The answer to GET `path`, appended: its status; 0 with `why` where there is none within `timeout_ms`. */
long listener_client_get(struct listener_client *client, const char *path, long timeout_ms, struct text *answer);
void listener_client_close(struct listener_client *client);

#endif
