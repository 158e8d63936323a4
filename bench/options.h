/* What the load generator is asked to do; the words are told in load.c. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SMALL = 64 << 10 };  /* bytes; only smaller bodies are searched for a number to write */

static struct {
    const char *path, *headers;
    char *request_head, *body;
    int port, connections, expected, timed, hold, numbered;
    size_t head_length, body_length, mark;
    double seconds;
    uint64_t requests;
} want = {.connections = 1, .requests = UINT64_MAX, .seconds = 1e9, .headers = ""};

static void read_words(int count, char **words) {
    struct stat found;
    static char headers[4096];
    int file = open(words[3], O_RDONLY);
    if (file < 0 || fstat(file, &found)) perror(words[3]), exit(1);
    want.port = atoi(words[1]);
    want.path = words[2];
    want.body = malloc(found.st_size + 1);
    while (want.body_length < (size_t)found.st_size)
        want.body_length += read(file, want.body + want.body_length, found.st_size);
    want.body[want.body_length] = 0;
    for (int n = 4; n < count; n++) {
        char option = words[n][1], *value = n + 1 < count ? words[n + 1] : "0";
        if (option == 't') want.timed = 1;
        else if (option == 'w') want.hold = 1;
        else n++;
        if (option == 'c') want.connections = atoi(value);
        if (option == 'n') want.requests = strtoull(value, NULL, 10);
        if (option == 's') want.seconds = atof(value);
        if (option == 'e') want.expected = atoi(value);
        if (option == 'H') strcat(strcat(headers, value), "\r\n");
    }
    char *mark = want.body_length < SMALL ? strstr(want.body, "########") : NULL;
    want.numbered = mark != NULL;
    want.mark = mark ? mark - want.body : 0;
    want.head_length = asprintf(&want.request_head, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
        "Content-Type: application/json\r\nAccept: */*\r\nContent-Length: %zu\r\n%s\r\n",
        want.path, want.port, want.body_length, headers);
}
