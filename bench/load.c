/* The load generator of the benchmark: a closed loop on one epoll, one process.
 *
 *   load PORT PATH BODY_FILE [-c connections] [-n requests] [-s seconds] [-e events] [-H header]...
 *        [-t] [-w]
 *
 * Each connection asks, reads the whole answer, asks again. "########" in the body becomes the
 * number of one of a thousand conversations. -e: how many events an answer must hold (0: do not look);
 * -t: deltas carry the time they were sent; -w: once every connection has had content say
 * "holding", and hold until standard input ends. Prints one line of JSON; times in microseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include "options.h"
#include "times.h"

enum { HEAD = 16 << 10, FRAME = 8 << 10, AT_ONCE = 64, CONVERSATIONS = 1000 };
enum Part { IN_HEAD, IN_BODY, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER };

typedef struct {
    int fd, busy, connecting, writes, status, close_after, newline, content;
    enum Part part;
    uint64_t began, left;
    size_t written, have, frame_have;
    long events;
    char *body;                        /* its own, when requests are numbered */
    char head[HEAD], frame[FRAME];
} Conn;

static int poller, holding, with_content, connecting;
static uint64_t asked, good, bad, events, bytes, begun, stop_at;
static Times firsts, totals, onways;
static char complaint[512], in[1 << 18];

static void watch(Conn *conn, int writes, int how) {
    struct epoll_event wanted = {EPOLLIN | (writes ? EPOLLOUT : 0), {conn}};
    conn->writes = writes;
    epoll_ctl(poller, how, conn->fd, &wanted);
}

static void dial(Conn *conn) {
    struct sockaddr_in there = {AF_INET, htons(want.port), {htonl(INADDR_LOOPBACK)}, {0}};
    int on = 1;
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    conn->connecting = connect(conn->fd, (void *)&there, sizeof there) < 0;
    if (conn->connecting && errno != EINPROGRESS) perror("connect"), exit(1);
    watch(conn, 1, EPOLL_CTL_ADD);
}

static int push(Conn *conn) {  /* 0: it broke */
    size_t all = want.head_length + want.body_length;
    while (conn->written < all) {
        char *body = conn->body ? conn->body : want.body;
        size_t of_head = conn->written < want.head_length ? want.head_length - conn->written : 0;
        size_t of_body = of_head ? 0 : conn->written - want.head_length;
        struct iovec out[2] = {{want.request_head + want.head_length - of_head, of_head},
                               {body + of_body, want.body_length - of_body}};
        ssize_t sent = writev(conn->fd, out, 2);
        if (sent < 0 && errno != EAGAIN) return 0;
        if (sent < 0) break;
        conn->written += sent;
    }
    if ((conn->written < all) != conn->writes) watch(conn, conn->written < all, EPOLL_CTL_MOD);
    return 1;
}

static void ask(Conn *conn) {
    conn->busy = 0;
    if (asked >= want.requests || holding || (conn->began = now_ns()) >= stop_at) return;
    if (conn->body) {
        char number[16];
        snprintf(number, sizeof number, "%08u", (unsigned)(asked % CONVERSATIONS));
        memcpy(conn->body + want.mark, number, 8);
    }
    asked++;
    conn->busy = 1;
    conn->part = IN_HEAD;
    conn->written = conn->have = conn->frame_have = conn->events = 0;
    conn->status = conn->close_after = conn->newline = conn->content = 0;
    push(conn);
}

static void again(Conn *conn) {
    close(conn->fd);
    dial(conn);
}

static void complain(const char *what, const char *of, size_t length) {
    if (!*complaint) snprintf(complaint, sizeof complaint, "%s %.*s", what, (int)length, of);
    for (char *c = complaint; *c; c++)
        if (*c < ' ' || *c == '"' || *c == '\\') *c = '\'';
}

static void finished(Conn *conn) {
    uint64_t took = now_ns() - conn->began;
    if (conn->status == 200 && (!want.expected || conn->events == want.expected)) {
        good++;
        note(&totals, took);
    } else {
        bad++;
        complain("answer:", conn->head, strlen(conn->head));
    }
    events += conn->events;
    if (conn->close_after) again(conn);
    else ask(conn);
}

static void frames(Conn *conn, const char *data, size_t length) {
    while (length) {
        size_t fits = FRAME - conn->frame_have < length ? FRAME - conn->frame_have : length;
        memcpy(conn->frame + conn->frame_have, data, fits);
        conn->frame_have += fits, data += fits, length -= fits;
        char *from = conn->frame, *end;
        while ((end = memmem(from, conn->frame + conn->frame_have - from, "\n\n", 2))) {
            char *sent = memmem(from, end - from, "\"delta\":\"T", 10);
            uint64_t at = sent ? strtoull(sent + 10, NULL, 10) : 0;
            if (at) note(&onways, now_ns() - at);
            conn->events++;
            from = end + 2;
        }
        conn->frame_have -= from - conn->frame;
        memmove(conn->frame, from, conn->frame_have);
        if (conn->frame_have == FRAME) conn->frame_have = 0;  /* no frame of ours */
    }
}

static void content(Conn *conn, const char *data, size_t length) {
    if (!conn->content && length) {
        conn->content = 1;
        note(&firsts, now_ns() - conn->began);
        if (++with_content >= want.connections && want.hold && !holding) {
            holding = 1;
            puts("holding");
            fflush(stdout);
        }
    }
    bytes += length;
    if (want.timed) {
        frames(conn, data, length);
        return;
    }
    if (conn->newline && length && *data == '\n') conn->events++, data++, length--;
    for (const char *at; length && (at = memmem(data, length, "\n\n", 2)); data = at + 2) {
        conn->events++;
        length -= at + 2 - data;
    }
    if (length) conn->newline = data[length - 1] == '\n';
}

static int head_is_whole(Conn *conn) {
    char *end = memmem(conn->head, conn->have, "\r\n\r\n", 4), *found;
    if (!end) return 0;
    end[2] = 0;
    conn->status = atoi(conn->head + 9);
    found = strcasestr(conn->head, "\r\ncontent-length:");
    conn->left = found ? strtoull(found + 17, NULL, 10) : 0;
    conn->part = strcasestr(conn->head, "\r\ntransfer-encoding: chunked") ? CHUNK_SIZE : IN_BODY;
    conn->close_after = strcasestr(conn->head, "\r\nconnection: close") != NULL;
    if (conn->part == CHUNK_SIZE) conn->left = 0;
    return end + 4 - conn->head;
}

static int hex(char c) { return c <= '9' ? c - '0' : (c | 32) - 'a' + 10; }

static void parse(Conn *conn, const char *data, size_t length) {
    const char *end = data + length;
    while (data < end && conn->busy) {
        if (conn->part == IN_HEAD) {
            size_t had = conn->have;
            size_t fits = (size_t)(end - data) < HEAD - had ? (size_t)(end - data) : HEAD - had;
            memcpy(conn->head + had, data, fits);
            conn->have += fits;
            int size = head_is_whole(conn);
            if (!size) return;
            data += size - had;
            if (conn->part == IN_BODY && !conn->left) finished(conn);
        } else if (conn->part == IN_BODY || conn->part == CHUNK_DATA) {
            size_t fits = (uint64_t)(end - data) < conn->left ? (size_t)(end - data) : conn->left;
            if (conn->status != 200) complain("said:", data, fits < 300 ? fits : 300);
            content(conn, data, fits);
            data += fits;
            conn->left -= fits;
            if (conn->left) return;
            if (conn->part == IN_BODY) finished(conn);
            else conn->part = CHUNK_END;
        } else if (conn->part == CHUNK_SIZE) {
            if (*data == '\n') conn->part = conn->left ? CHUNK_DATA : TRAILER;
            else if (*data != '\r') conn->left = conn->left * 16 + hex(*data);
            data++;
        } else if (*data++ == '\n') {
            if (conn->part == TRAILER) finished(conn);
            else conn->part = CHUNK_SIZE;
        }
    }
}

static void ready_conn(Conn *conn, uint32_t what) {
    if (conn->connecting && what & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
        if (what & (EPOLLERR | EPOLLHUP)) fputs("no connection\n", stderr), exit(1);
        conn->connecting = 0;
        connecting--;
    }
    if (!conn->busy && what & EPOLLOUT && !conn->connecting) {
        watch(conn, 0, EPOLL_CTL_MOD);
        ask(conn);
        return;
    }
    if (what & EPOLLOUT && !push(conn)) what |= EPOLLHUP;
    if (!(what & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
    ssize_t got = read(conn->fd, in, sizeof in);
    if (got > 0) {
        parse(conn, in, got);
    } else if (got == 0 || errno != EAGAIN) {
        if (conn->busy) bad++, complain("cut", "", 0);
        again(conn);
        conn->busy = 0;
    }
}

int main(int count, char **words) {
    struct epoll_event ready[256];
    struct rlimit files;
    if (count < 4) return fputs("load PORT PATH BODY_FILE ...\n", stderr), 2;
    read_words(count, words);
    signal(SIGPIPE, SIG_IGN);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    poller = epoll_create1(0);
    if (want.hold) {
        struct epoll_event end = {EPOLLIN | EPOLLHUP, {NULL}};
        epoll_ctl(poller, EPOLL_CTL_ADD, 0, &end);
    }
    Conn *conns = calloc(want.connections, sizeof *conns);
    begun = now_ns();
    stop_at = begun + (uint64_t)(want.seconds * 1e9);
    int open = 0, done = 0;
    for (int busy = 1; busy && !done;) {
        for (; open < want.connections && connecting < AT_ONCE; open++, connecting++) {
            if (want.numbered) conns[open].body = memcpy(malloc(want.body_length + 1), want.body,
                                                         want.body_length + 1);
            dial(conns + open);
        }
        int many = epoll_wait(poller, ready, 256, 100);
        for (int n = 0; n < many; n++) {
            if (ready[n].data.ptr) ready_conn(ready[n].data.ptr, ready[n].events);
            else if (read(0, in, sizeof in) <= 0) done = 1;
        }
        busy = open < want.connections || want.hold;
        for (int n = 0; n < open && !busy; n++) busy = conns[n].busy || conns[n].connecting;
        if (now_ns() > stop_at + 60000000000ull) bad++, complain("stuck", "", 0), done = 1;
    }
    printf("{\"good\": %llu, \"bad\": %llu, \"events\": %llu, \"bytes\": %llu, \"wall_s\": %.6f",
           (unsigned long long)good, (unsigned long long)bad, (unsigned long long)events,
           (unsigned long long)bytes, (now_ns() - begun) / 1e9);
    tell("first_us", &firsts);
    tell("total_us", &totals);
    tell("onway_us", &onways);
    printf(", \"complaint\": \"%s\"}\n", complaint);
    return 0;
}
