#include "http_sockets.h"

#include "grow.h"
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

curl_socket_t http_sockets_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct http_sockets *sockets = arg;
    struct http_socket *list = grow(sockets->list, &sockets->room, sockets->count + (size_t)1, sizeof *list);
    int fd;
    (void)purpose;
    if (list == NULL) {
        return CURL_SOCKET_BAD;
    }
    sockets->list = list;
    fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0) {
        return CURL_SOCKET_BAD;
    }
    list[sockets->count++] = (struct http_socket){.fd = fd};
    return fd;
}

int http_sockets_close(void *arg, curl_socket_t fd)
{
    struct http_sockets *sockets = arg;
    for (uint32_t i = 0; i < sockets->count; i++) {
        if (sockets->list[i].fd == fd) {
            memmove(&sockets->list[i], &sockets->list[i + 1], (--sockets->count - i) * sizeof *sockets->list);
            break;
        }
    }
    return close(fd);
}

static int local_port(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    if (getsockname(fd, (struct sockaddr *)(void *)&address, &len) != 0) {
        return 0;
    }
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&address)->sin6_port
                                               : ((struct sockaddr_in *)(void *)&address)->sin_port);
}

uint64_t http_sockets_received(int fd)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 ? info.tcpi_bytes_received : 0;
}

int http_sockets_find(struct http_sockets *sockets, int port)
{
    for (uint32_t i = sockets->count; i-- > 0;) {
        struct http_socket *socket = &sockets->list[i];
        socket->port = socket->port != 0 ? socket->port : local_port(socket->fd);
        if (socket->port == port) {
            return socket->fd;
        }
    }
    return -1;
}
