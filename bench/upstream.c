/* The scripted upstream of the benchmark: HTTP/1.1 with keep-alive on one epoll, one process.
 *
 * The model that is asked for says what is answered (or else the cache key, which begins with it):
 *   bench-json        one response object       bench-same     the same, always under one id
 *   bench-50          50 events in one breath   bench-50-20    50 events, 20 ms apart
 * Every delta of a paced stream carries the time it was sent (monotonic ns), so that the load
 * generator knows how long it was on its way. -l: with the rate-limit headers of a real upstream.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "answers.h"
#include "times.h"

enum { IN = 32 << 10, OUT = 6 << 10, WHEEL = 1 << 14, AROUND = 8, MOST_SHAPES = 16 };

typedef struct Conn {
    int fd, waits;                 /* waits: for room to write */
    size_t have, head;             /* bytes in `in`; the head's length, 0 until it is whole */
    uint64_t body_left;
    struct iovec out[3];
    int pieces, at;                /* of out: how many there are, the first that is not sent */
    int events_left, gap_ms;       /* of a paced stream */
    size_t end_length;             /* of what `last` holds of it */
    struct Conn *next, **back;     /* in the wheel; next: in the graveyard, too */
    char in[IN], first[OUT], last[OUT];
} Conn;

static int poller;
static uint64_t tick;
static Conn *wheel[WHEEL], *graveyard;
static struct { int events; char *text; size_t length; } shapes[MOST_SHAPES];
static char scratch[1 << 18];

static void put(Conn *conn, const void *text, size_t length) {
    conn->out[conn->pieces++] = (struct iovec){(void *)text, length};
}

static void one_object(Conn *conn, uint64_t id) {
    char *body = conn->last, length[64];
    int size = sprintf(body, RESPONSE, (unsigned long long)id, "completed",
        item(id, "completed", TEXT), USAGE);
    sprintf(length, "Content-Length: %d", size);
    put(conn, conn->first, head(conn->first, "application/json", length) - conn->first);
    put(conn, body, size);
}

/* The deltas of a stream that is not paced: made once, shared by all who ask for as many. */
static void middle(Conn *conn, int deltas) {
    int n = 0;
    while (n < MOST_SHAPES - 1 && shapes[n].text && shapes[n].events != deltas) n++;
    if (!shapes[n].text || shapes[n].events != deltas) {
        char *to = shapes[n].text = malloc(deltas * 400 + 1);
        for (int number = 0; number < deltas; number++) to = delta(to, number, number + 4);
        shapes[n].events = deltas;
        shapes[n].length = to - shapes[n].text;
    }
    put(conn, shapes[n].text, shapes[n].length);
}

static void unlink_from_wheel(Conn *conn) {
    if (!conn->back) return;
    *conn->back = conn->next;
    if (conn->next) conn->next->back = conn->back;
    conn->back = NULL;
}

static void due_in(Conn *conn, int ms) {
    Conn **bucket = &wheel[(tick + (ms < 1 ? 1 : ms >= WHEEL ? WHEEL - 1 : ms)) % WHEEL];
    conn->next = *bucket;
    conn->back = bucket;
    if (*bucket) (*bucket)->back = &conn->next;
    *bucket = conn;
}

static void forget(Conn *conn) {
    unlink_from_wheel(conn);
    if (conn->fd < 0) return;
    close(conn->fd);
    conn->fd = -1;
    conn->next = graveyard;  /* freed once nothing of this round speaks of it */
    graveyard = conn;
}

static void bury(void) {
    for (Conn *next; graveyard; graveyard = next) {
        next = graveyard->next;
        free(graveyard);
    }
}

static void answer(Conn *conn) {
    const char *kind = memmem(conn->in, conn->have, "\"bench-", 7);  /* the model, or the cache key */
    kind = kind ? kind + 7 : "json";
    uint64_t id = strncmp(kind, "same", 4) ? ++answers : 1;
    int events = atoi(kind), gap = 0;
    const char *after = kind + strspn(kind, "0123456789");
    if (events && *after == '-') gap = atoi(after + 1);
    conn->pieces = conn->at = 0;
    if (!events) {
        one_object(conn, id);
        return;
    }
    events = events < AROUND + 1 ? AROUND + 1 : events;
    put(conn, conn->first, beginning(conn->first, id) - conn->first);
    char *end = ending(conn->last, id, events - 4);
    if (gap) {
        conn->events_left = events - AROUND + 1;  /* and one for the end */
        conn->gap_ms = gap;
        due_in(conn, 1 + (int)(answers * 2654435761u % gap));  /* streams out of step */
        conn->end_length = end - conn->last;
    } else {
        middle(conn, events - AROUND);
        put(conn, conn->last, end - conn->last);
    }
}

static int flush(Conn *conn) {  /* 0: it broke */
    while (conn->at < conn->pieces) {
        ssize_t sent = writev(conn->fd, conn->out + conn->at, conn->pieces - conn->at);
        if (sent < 0 && errno != EAGAIN) return 0;
        if (sent < 0) break;
        for (size_t n; sent && (n = conn->out[conn->at].iov_len, 1); sent -= n) {
            if ((size_t)sent < n) {
                conn->out[conn->at].iov_base = (char *)conn->out[conn->at].iov_base + sent;
                conn->out[conn->at].iov_len = n - sent;
                break;
            }
            conn->at++;
        }
    }
    int waits = conn->at < conn->pieces;
    if (waits != conn->waits) {
        struct epoll_event wanted = {EPOLLIN | (waits ? EPOLLOUT : 0), {conn}};
        epoll_ctl(poller, EPOLL_CTL_MOD, conn->fd, &wanted);
        conn->waits = waits;
    }
    return 1;
}

static int beat(Conn *conn) {  /* the next event of a paced stream */
    if (conn->at < conn->pieces) {
        due_in(conn, 1);  /* it does not read as fast as we write */
        return 1;
    }
    conn->pieces = conn->at = 0;
    if (--conn->events_left) {
        char *end = delta(conn->first, now_ns(), 4);
        put(conn, conn->first, end - conn->first);
        due_in(conn, conn->gap_ms);
    } else {
        put(conn, conn->last, conn->end_length);
    }
    return flush(conn);
}

static void beats(int timer) {
    uint64_t passed = 0;
    if (read(timer, &passed, sizeof passed) < 0) return;
    while (passed--) {
        Conn *due = wheel[++tick % WHEEL];
        wheel[tick % WHEEL] = NULL;
        for (Conn *next; due; due = next) {
            next = due->next;
            due->back = NULL;
            if (!beat(due)) forget(due);
        }
    }
}

static int take_in(Conn *conn) {  /* 0: it left */
    int keep = !conn->head || conn->have < IN / 2;
    ssize_t got = keep ? read(conn->fd, conn->in + conn->have, IN - conn->have)
                       : read(conn->fd, scratch, sizeof scratch);
    if (got <= 0) return got < 0 && errno == EAGAIN;
    if (keep) conn->have += got;
    if (!conn->head) {
        char *end = memmem(conn->in, conn->have, "\r\n\r\n", 4);
        if (!end) return conn->have < IN;
        conn->head = end + 4 - conn->in;
        *end = 0;
        char *length = strcasestr(conn->in, "\r\ncontent-length:");
        conn->body_left = length ? strtoull(length + 17, NULL, 10) : 0;
        got = conn->have - conn->head;
    }
    conn->body_left -= (uint64_t)got < conn->body_left ? (uint64_t)got : conn->body_left;
    if (conn->body_left) return 1;
    answer(conn);
    conn->have = conn->head = 0;
    return flush(conn);
}

static void meet(int listener) {
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        Conn *conn = malloc(sizeof *conn);
        memset(conn, 0, offsetof(Conn, in));
        conn->fd = fd;
        struct epoll_event wanted = {EPOLLIN, {conn}};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &wanted);
    }
}

int main(int count, char **words) {
    struct sockaddr_in here = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {0}};
    socklen_t size = sizeof here;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec each_ms = {{0, 1000000}, {0, 1000000}};
    struct epoll_event wanted = {EPOLLIN, {&listener}}, ready[256];
    struct rlimit files;
    limits = count > 1 && !strcmp(words[1], "-l");
    signal(SIGPIPE, SIG_IGN);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    poller = epoll_create1(0);
    if (bind(listener, (void *)&here, size) || listen(listener, 4096)) return perror("bind"), 1;
    getsockname(listener, (void *)&here, &size);
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &wanted);
    wanted.data.ptr = &timer;
    epoll_ctl(poller, EPOLL_CTL_ADD, timer, &wanted);
    timerfd_settime(timer, 0, &each_ms, NULL);
    printf("%d\n", ntohs(here.sin_port));
    fflush(stdout);
    for (;;) {
        int many = epoll_wait(poller, ready, 256, -1);
        for (int n = 0; n < many; n++) {
            Conn *conn = ready[n].data.ptr;
            if ((void *)conn == &listener) meet(listener);
            else if ((void *)conn == &timer) beats(timer);
            else if (conn->fd < 0) continue;
            else if ((ready[n].events & EPOLLIN ? !take_in(conn) : 0) ||
                     (ready[n].events & (EPOLLERR | EPOLLHUP)) ||
                     (conn->waits && !flush(conn))) forget(conn);
        }
        bury();
    }
}
