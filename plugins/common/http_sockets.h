/* The open connections of an HTTP client, and what each receives, whatever libcurl makes of it. */
#ifndef HTTP_SOCKETS_H
#define HTTP_SOCKETS_H

#include <curl/curl.h>
#include <stddef.h>
#include <stdint.h>

/* Begins zeroed; its owner outlives the handles that open and close them, and frees `list`. */
struct http_sockets {
    struct http_socket *list; /* `count` of `room`, the newest last */
    uint32_t count;
    size_t room;
};

struct http_socket {
    int fd;
    int port; /* of ours; 0: not known yet */
};

/* For CURLOPT_OPENSOCKETFUNCTION and CURLOPT_CLOSESOCKETFUNCTION; `arg` is the struct. */
curl_socket_t http_sockets_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address);
int http_sockets_close(void *arg, curl_socket_t fd);

/* The newest connection from this local port: all go to one host, so the port tells. -1: there is none. */
int http_sockets_find(struct http_sockets *sockets, int port);

/* How many bytes the connection has received so far. */
uint64_t http_sockets_received(int fd);

#endif
