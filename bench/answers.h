/* What the scripted upstream says: texts like those of the real one. */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int limits;         /* whether heads tell rate limits */
static uint64_t answers;   /* how many were given; makes their ids */

/* One event as one chunk of the chunked encoding. */
static char *event(char *to, const char *name, const char *format, ...) {
    char data[4096];
    va_list given;
    va_start(given, format);
    int length = vsnprintf(data, sizeof data, format, given);
    va_end(given);
    int size = (int)strlen("event: \ndata: \n\n") + (int)strlen(name) + length;
    return to + sprintf(to, "%x\r\nevent: %s\ndata: %s\n\n\r\n", size, name, data);
}

static char *delta(char *to, uint64_t sent, int number) {
    return event(to, "response.output_text.delta",
        "{\"type\":\"response.output_text.delta\",\"sequence_number\":%d,\"item_id\":"
        "\"msg_0f6b8a31c2d94e5f8a7b6c5d4e3f2a1b\",\"output_index\":0,\"content_index\":0,"
        "\"delta\":\"T%020llu\",\"logprobs\":[],\"obfuscation\":\"k2Jx9QbW\"}",
        number, (unsigned long long)sent);
}

#define RESPONSE \
    "{\"id\":\"resp_%032llx\",\"object\":\"response\",\"created_at\":1760000000,\"status\":\"%s\"," \
    "\"error\":null,\"incomplete_details\":null,\"instructions\":\"You are a helpful assistant.\"," \
    "\"max_output_tokens\":null,\"model\":\"bench\",\"parallel_tool_calls\":true," \
    "\"previous_response_id\":null,\"reasoning\":{\"effort\":\"medium\",\"summary\":null}," \
    "\"store\":false,\"temperature\":1.0,\"text\":{\"format\":{\"type\":\"text\"}}," \
    "\"tool_choice\":\"auto\",\"tools\":[],\"top_p\":1.0,\"truncation\":\"disabled\"," \
    "\"user\":null,\"metadata\":{},\"output\":[%s],\"usage\":%s}"
#define ITEM \
    "{\"id\":\"msg_%032llx\",\"type\":\"message\",\"status\":\"%s\",\"role\":\"assistant\"," \
    "\"content\":[%s]}"
#define PART "{\"type\":\"output_text\",\"text\":\"%s\",\"annotations\":[],\"logprobs\":[]}"
#define USAGE \
    "{\"input_tokens\":812,\"input_tokens_details\":{\"cached_tokens\":640},\"output_tokens\":64," \
    "\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":876}"

static const char *item(uint64_t id, const char *status, const char *text) {
    static char part[1024], made[2048];
    snprintf(part, sizeof part, text ? PART : "", text);
    snprintf(made, sizeof made, ITEM, (unsigned long long)id, status, part);
    return made;
}

static const char TEXT[] = "The answer to a question nobody asked, long enough to be one.";

static char *head(char *to, const char *type, const char *length) {
    to += sprintf(to, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\n%s\r\nx-request-id: req_%016llx\r\n"
        "openai-processing-ms: 12\r\nopenai-version: 2020-10-01\r\n", type, length,
        (unsigned long long)answers);
    if (limits)
        to += sprintf(to, "x-ratelimit-limit-requests: 10000\r\nx-ratelimit-limit-tokens: 2000000\r\n"
            "x-ratelimit-remaining-requests: %d\r\nx-ratelimit-remaining-tokens: %d\r\n"
            "x-ratelimit-reset-requests: 6ms\r\nx-ratelimit-reset-tokens: 12ms\r\n",
            9999 - (int)(answers % 100), 1999000 - (int)(answers % 1000));
    return to + sprintf(to, "\r\n");
}

static char *beginning(char *to, uint64_t id) {
    to = head(to, "text/event-stream; charset=utf-8", "Transfer-Encoding: chunked");
    for (int n = 0; n < 2; n++) {
        const char *name = n ? "response.in_progress" : "response.created";
        to = event(to, name, "{\"type\":\"%s\",\"sequence_number\":%d,\"response\":" RESPONSE "}",
            name, n, (unsigned long long)id, "in_progress", "", "null");
    }
    to = event(to, "response.output_item.added", "{\"type\":\"response.output_item.added\","
        "\"sequence_number\":2,\"output_index\":0,\"item\":%s}", item(id, "in_progress", NULL));
    return event(to, "response.content_part.added", "{\"type\":\"response.content_part.added\","
        "\"sequence_number\":3,\"output_index\":0,\"content_index\":0,\"part\":" PART "}", "");
}

static char *ending(char *to, uint64_t id, int number) {
    to = event(to, "response.output_text.done", "{\"type\":\"response.output_text.done\","
        "\"sequence_number\":%d,\"output_index\":0,\"content_index\":0,\"text\":\"%s\"}",
        number, TEXT);
    to = event(to, "response.content_part.done", "{\"type\":\"response.content_part.done\","
        "\"sequence_number\":%d,\"output_index\":0,\"content_index\":0,\"part\":" PART "}",
        number + 1, TEXT);
    to = event(to, "response.output_item.done", "{\"type\":\"response.output_item.done\","
        "\"sequence_number\":%d,\"output_index\":0,\"item\":%s}", number + 2,
        item(id, "completed", TEXT));
    to = event(to, "response.completed", "{\"type\":\"response.completed\",\"sequence_number\":%d,"
        "\"response\":" RESPONSE "}", number + 3, (unsigned long long)id, "completed",
        item(id, "completed", TEXT), USAGE);
    return to + sprintf(to, "0\r\n\r\n");
}
