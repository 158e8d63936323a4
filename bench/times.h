/* Clock and percentiles. */
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct { uint32_t *us; size_t count, room; } Times;

static inline uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static inline void note(Times *times, uint64_t ns) {
    if (times->count == times->room)
        times->us = realloc(times->us, (times->room = times->room * 2 + 4096) * sizeof(uint32_t));
    times->us[times->count++] = ns / 100 > UINT32_MAX ? UINT32_MAX : ns / 100;  /* tenths */
}

static inline int by_size(const void *one, const void *other) {
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return (a > b) - (a < b);
}

static inline void tell(const char *name, Times *times) {
    double shares[] = {0.5, 0.9, 0.99, 0.999};
    qsort(times->us, times->count, sizeof(uint32_t), by_size);
    printf(", \"%s\": [", name);
    for (int n = 0; n < 4; n++)
        printf("%s%.1f", n ? ", " : "",
               times->count ? times->us[(size_t)((times->count - 1) * shares[n])] / 10.0 : 0.0);
    printf("]");
}
