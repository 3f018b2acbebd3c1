/* A stop watch for a process that waits by epoll, loaded before it (LD_PRELOAD): how long from when its loop learns of
 * answers to where each line is out. Nothing of the process is changed, so the agent and a bare loop are timed alike.
 *
 * A terminal's watch begins when the loop's own epoll_wait (of the first descriptor that is ever waited for) gives it,
 * and is read when a write to it has returned, so the wait for other machines' lines of the same turn is in it. When
 * epoll_wait gave as many as it was asked for, more may wait behind them: then we look who, and their watches begin too.
 *
 * SIGUSR1 begins to count anew; SIGUSR2 writes percentiles in microseconds to the file that STOPWATCH_TO names.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define BINS 200000 /* of one microsecond */
#define DESCRIPTORS 65536
#define BEHIND 4096
#define PSEUDO_TERMINALS 136 /* to 143: Documentation/admin-guide/devices.txt of Linux */

enum { UNKNOWN, TERMINAL, OTHER };

static int (*real_epoll_wait)(int, struct epoll_event *, int, int);
static ssize_t (*real_read)(int, void *, size_t);
static ssize_t (*real_write)(int, const void *, size_t);
static int (*real_close)(int);
static int loops_own = -1;
static int64_t ready_since[DESCRIPTORS], read_since[DESCRIPTORS]; /* 0: not running */
static uint32_t bins[BINS + 1];
static uint64_t lines;
static uint8_t kinds[DESCRIPTORS];
static volatile sig_atomic_t anew, tell;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void heard(int number) {
    if (number == SIGUSR1) anew = 1;
    else tell = 1;
}

__attribute__((constructor)) static void begin(void) {
    real_epoll_wait = dlsym(RTLD_NEXT, "epoll_wait");
    real_read = dlsym(RTLD_NEXT, "read");
    real_write = dlsym(RTLD_NEXT, "write");
    real_close = dlsym(RTLD_NEXT, "close");
    signal(SIGUSR1, heard);
    signal(SIGUSR2, heard);
}

static double percentile(double share) {
    uint64_t seen = 0;
    for (unsigned i = 0; i <= BINS; i++)
        if ((seen += bins[i]) > share * lines) return i;
    return 0;
}

static void tell_all(void) {
    char unfinished[4096];
    const char *target = getenv("STOPWATCH_TO");
    snprintf(unfinished, sizeof unfinished, "%s.new", target);
    FILE *file = fopen(unfinished, "w");
    if (file == NULL) return;
    fprintf(file, "{\"lines\": %lu, \"p50\": %.0f, \"p90\": %.0f, \"p99\": %.0f, \"p999\": %.0f}\n", lines,
            percentile(0.5), percentile(0.9), percentile(0.99), percentile(0.999));
    fclose(file);
    rename(unfinished, target);
}

static void begin_watches(const struct epoll_event *events, int ready, int64_t since) {
    for (int n = 0; n < ready; n++) {
        int descriptor = events[n].data.fd;
        if (descriptor >= 0 && descriptor < DESCRIPTORS && ready_since[descriptor] == 0) ready_since[descriptor] = since;
    }
}

int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout) {
    static struct epoll_event behind[BEHIND];
    if (loops_own < 0) loops_own = epoll;
    if (anew) {
        memset(bins, 0, sizeof bins);
        lines = anew = 0;
    }
    if (tell) {
        tell = 0;
        tell_all();
    }
    int ready = real_epoll_wait(epoll, events, most, timeout);
    if (epoll == loops_own && ready > 0) {
        int64_t since = now_ns();
        begin_watches(events, ready, since);
        if (ready == most) begin_watches(behind, real_epoll_wait(epoll, behind, BEHIND, 0), since);
    }
    return ready;
}

static int is_terminal(int descriptor) {
    struct stat about;
    if (descriptor < 0 || descriptor >= DESCRIPTORS) return 0;
    if (kinds[descriptor] == UNKNOWN) {
        int known = fstat(descriptor, &about) == 0 && S_ISCHR(about.st_mode);
        unsigned kind = known ? major(about.st_rdev) : 0;
        kinds[descriptor] = kind >= PSEUDO_TERMINALS && kind < PSEUDO_TERMINALS + 8 ? TERMINAL : OTHER;
    }
    return kinds[descriptor] == TERMINAL;
}

ssize_t read(int descriptor, void *data, size_t size) {
    ssize_t got = real_read(descriptor, data, size);
    if (is_terminal(descriptor)) {
        read_since[descriptor] = ready_since[descriptor]; /* what was read before, and not answered, counts no more */
        ready_since[descriptor] = 0;
    }
    return got;
}

ssize_t write(int descriptor, const void *data, size_t size) {
    ssize_t taken = real_write(descriptor, data, size);
    if (is_terminal(descriptor) && read_since[descriptor]) {
        int64_t passed = (now_ns() - read_since[descriptor]) / 1000;
        read_since[descriptor] = 0;
        bins[passed < BINS ? passed : BINS]++;
        lines++;
    }
    return taken;
}

int close(int descriptor) {
    if (descriptor >= 0 && descriptor < DESCRIPTORS) {
        kinds[descriptor] = UNKNOWN;
        ready_since[descriptor] = read_since[descriptor] = 0;
    }
    return real_close(descriptor);
}
