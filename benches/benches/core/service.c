/* What the services of the bench run. It tells its birth in a datagram, as `NAME PID`, and then sleeps; or ends at once,
 * if CRASH is set; or answers its NAME to whoever connects to PORT, which it shares with others of its kind. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int listening(const char *port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 128)) {
        perror("the port");
        exit(2);
    }
    return fd;
}

static void tell_birth(const char *name, const char *path) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    char text[128];
    int length = snprintf(text, sizeof text, "%s %d", name, getpid()), fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    strncpy(to.sun_path, path, sizeof to.sun_path - 1);
    if (sendto(fd, text, (size_t)length, 0, (struct sockaddr *)&to, sizeof to) < 0) perror("the birth");
    close(fd);
}

int main(void) {
    const char *name = getenv("NAME"), *births = getenv("BIRTHS"), *port = getenv("PORT");
    int fd = port ? listening(port) : -1;
    if (name && births) tell_birth(name, births);
    if (getenv("CRASH")) return 1;
    while (fd < 0) pause();
    for (;;) {
        int peer = accept(fd, NULL, NULL);
        if (peer >= 0 && name && write(peer, name, strlen(name)) < 0) perror("the answer");
        close(peer);
    }
}
