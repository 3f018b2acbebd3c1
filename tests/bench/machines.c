/* The load of bench_streaming.py: any number of machines that speak like Marlin, on pseudo-terminals, in one process.
 *
 * Each machine checks number and checksum of every line, asks again by number for what is wrong, answers the questions
 * of a greeting, and reports temperatures every two seconds once it was asked to. A line is answered at once (rate 0)
 * or as a machine would that carries out RATE lines a second: its k-th answer is never earlier than the k-th slot. With
 * WINDOW above 1 it keeps that many lines and says so in every answer (ADVANCED_OK).
 *
 * With `grbl` they speak like Grbl 1.1 instead: lines without numbers in a receive buffer of 128 bytes, which counts as
 * wrong when it overflows, a report with `Bf:` on every `?`, a banner after the reset that a stop ends with.
 *
 * usage: machines PREFIX COUNT RATE WINDOW [grbl]      makes the links PREFIX0, PREFIX1, ...
 * then, on standard input: `rate R` changes the rate, `mark` begins to count anew, `tell` prints what was counted as
 * JSON, `quit` ends.
 *
 * Times are CLOCK_MONOTONIC. A round trip is from just before an answer is written that leaves the machine with
 * nothing to do, to just after its next line was read: scheduling of this process is in it, for every host alike.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define QUEUE 64
#define BINS 200000 /* of one microsecond */
#define REPORT_NS 2000000000LL
#define CONTROL 0xFFFFFFFFu

typedef struct {
    long number;
    char kind; /* 0 ok, 'T' temperatures, 'P' position, 'I' who it is, 'R' ask again; of Grbl the letter behind `$` */
} Answer;

typedef struct {
    int fd, held, length;
    char buffer[4096];
    long expected;
    Answer queue[QUEUE];
    unsigned head, tail;
    int64_t slot, idle_since, halted_at;
    int reports, in_heap;
    uint64_t lines;
    unsigned held_bytes, moves, asked; /* of Grbl: unanswered bytes and moves, reports since the banner */
} Machine;

static Machine *machines;
static unsigned count, window;
static int grbl;
static int64_t period;
static unsigned *heap, heaped;
static int64_t *due;
static uint32_t bins[BINS + 1];
static uint64_t reads, wrong, asked_again;
static int64_t marked_at;
static double marked_cpu;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static double cpu_s(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

/* The machine whose answer is due first. */

static void sift_up(unsigned at) {
    while (at > 0 && due[heap[at]] < due[heap[(at - 1) / 2]]) {
        unsigned other = heap[(at - 1) / 2];
        heap[(at - 1) / 2] = heap[at];
        heap[at] = other;
        at = (at - 1) / 2;
    }
}

static void push(unsigned index, int64_t at_ns) {
    due[index] = at_ns;
    heap[heaped] = index;
    machines[index].in_heap = 1;
    sift_up(heaped++);
}

static unsigned pop(void) {
    unsigned first = heap[0], at = 0, child;
    heap[0] = heap[--heaped];
    while ((child = 2 * at + 1) < heaped) {
        if (child + 1 < heaped && due[heap[child + 1]] < due[heap[child]]) child++;
        if (due[heap[at]] <= due[heap[child]]) break;
        unsigned other = heap[at];
        heap[at] = heap[child];
        heap[child] = other;
        at = child;
    }
    machines[first].in_heap = 0;
    return first;
}

/* How long a machine is busy with a line: half the period to one and a half, as moves differ. With one length for all,
 * machines that had once to wait together would answer together from then on, which no room of machines does. */
static int64_t busy_ns(void) {
    static uint64_t state = 88172645463325252ULL; /* xorshift64, G. Marsaglia 2003 */
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return period / 2 + (int64_t)(state % (uint64_t)period);
}

/* What a machine says. */

static void say(Machine *machine, const char *text, size_t size) {
    while (size > 0) {
        ssize_t taken = write(machine->fd, text, size);
        if (taken > 0) {
            text += taken;
            size -= taken;
        } else if (errno != EAGAIN && errno != EINTR) {
            return;
        }
    }
}

static const char HEAT[] = "T:21.0 /0.0 B:21.0 /0.0 @:0 B@:0\n";

/* Grbl. */

#define RX_BYTES 128

static size_t put_grbl_answer(Machine *machine, char *out, const Answer *answer) {
    size_t size = 0;
    machine->held_bytes -= answer->number;
    switch (answer->kind) {
    case 'I': size = sprintf(out, "[VER:1.1h.20190830:]\r\n[OPT:V,15,%d]\r\n", RX_BYTES); break;
    case '$': size = sprintf(out, "$10=3\r\n$13=0\r\n$22=1\r\n"); break;
    case 'G': size = sprintf(out, "[GC:G0 G54 G17 G21 G90 G94 M5 M9 T0 F0 S0]\r\n"); break;
    case '#':
        for (int frame = 54; frame < 60; frame++) size += sprintf(out + size, "[G%d:0.000,0.000,0.000]\r\n", frame);
        size += sprintf(out + size, "[G28:0.000,0.000,0.000]\r\n[G30:0.000,0.000,0.000]\r\n[G92:0.000,0.000,0.000]\r\n"
                                    "[TLO:0.000]\r\n[PRB:0.000,0.000,0.000:0]\r\n");
        break;
    default: machine->moves--;
    }
    return size + sprintf(out + size, "ok\r\n");
}

/* A report as Grbl 1.1 gives it in motion: `Ov:` every 20, `WCO:` every 30. */
static void report(Machine *machine) {
    char out[200];
    unsigned n = machine->asked++;
    size_t size = sprintf(out, "<%s|MPos:%u.%03u,%u.250,-1.500|Bf:15,%u|FS:1500,8000", machine->moves ? "Run" : "Idle",
                          (unsigned)(machine->lines % 200), n % 1000, n % 150, RX_BYTES - machine->held_bytes);
    if (n % 30 == 0) size += sprintf(out + size, "|WCO:0.000,0.000,0.000");
    else if (n % 20 == 1) size += sprintf(out + size, "|Ov:100,100,100");
    size += sprintf(out + size, ">\r\n");
    say(machine, out, size);
}

static void reset(Machine *machine) {
    static const char BANNER[] = "\r\nGrbl 1.1h ['$' for help]\r\n";
    machine->head = machine->tail;
    machine->held_bytes = machine->moves = machine->asked = machine->length = 0;
    machine->halted_at = now_ns();
    say(machine, BANNER, sizeof BANNER - 1);
}

/* Takes the real-time bytes out of what was just read, wherever they stand; gives how much is left. */
static ssize_t without_real_time(Machine *machine, char *data, ssize_t size) {
    ssize_t kept = 0;
    for (ssize_t at = 0; at < size; at++) {
        unsigned char each = data[at];
        if (each == 0x18) {
            reset(machine);
            return 0;
        }
        if (each == '?') report(machine);
        else if (each != '!' && each != '~' && each < 0x80) data[kept++] = each;
    }
    return kept;
}

/* Marlin. */

static size_t put_answer(char *out, const Answer *answer, unsigned waiting) {
    switch (answer->kind) {
    case 'T': return sprintf(out, "ok %s", HEAT);
    case 'P': return sprintf(out, "X:0.00 Y:0.00 Z:0.00 E:0.00 Count X:0 Y:0 Z:0\nok\n");
    case 'I':
        return sprintf(out, "FIRMWARE_NAME:Marlin 2.1.2 SOURCE_CODE_URL:none PROTOCOL_VERSION:1.0 MACHINE_TYPE:Load "
                            "EXTRUDER_COUNT:1\nCap:AUTOREPORT_TEMP:1\nCap:AUTOREPORT_POS:1\nCap:EMERGENCY_PARSER:1\n"
                            "ok\n");
    case 'R': return sprintf(out, "Error:Line Number is not Last Line Number+1\nResend: %ld\nok\n", answer->number);
    }
    if (window == 1) return sprintf(out, "ok\n");
    return sprintf(out, "ok N%ld P15 B%u\n", answer->number, window - 1 - waiting);
}

/* Answers everything that is queued (`all`), or the oldest line, in one write. */
static void answer(Machine *machine, int all) {
    static char out[QUEUE * 400];
    size_t size = 0;
    while (machine->head != machine->tail) {
        Answer *oldest = &machine->queue[machine->head++ % QUEUE];
        size += grbl ? put_grbl_answer(machine, out + size, oldest)
                     : put_answer(out + size, oldest, machine->tail - machine->head);
        if (!all) break;
    }
    if (machine->head == machine->tail) machine->idle_since = now_ns();
    say(machine, out, size);
}

/* What a machine hears. */

static void queue_answer(Machine *machine, long number, char kind) {
    if (machine->tail - machine->head < QUEUE) {
        machine->queue[machine->tail % QUEUE] = (Answer){number, kind};
        machine->tail++;
    } else {
        wrong++;
    }
}

static void hear_grbl_line(Machine *machine, const char *line, size_t size) {
    machine->held_bytes += size + 1;
    if (machine->held_bytes > RX_BYTES) wrong++;
    if (*line != '$') {
        machine->lines++;
        machine->moves++;
    }
    queue_answer(machine, size + 1, *line == '$' ? line[1] : 0);
}

static void hear_line(Machine *machine, char *line, size_t size) {
    char *text = line, *star;
    long number = -1;
    if (strstr(line, "M112")) {
        if (!machine->halted_at) {
            machine->halted_at = now_ns();
            say(machine, "Error:Printer halted. kill() called!\n", 37);
        }
        return;
    }
    if (size == 0 || machine->halted_at) return;
    if (*line == 'N' && (star = memrchr(line, '*', size))) {
        unsigned sum = 0;
        for (char *at = line; at < star; at++) sum ^= (unsigned char)*at;
        number = strtol(line + 1, &text, 10);
        while (*text == ' ') text++;
        int sets = !strncmp(text, "M110", 4);
        if ((int)sum != atoi(star + 1) || (!sets && number != machine->expected)) {
            asked_again++;
            queue_answer(machine, machine->expected, 'R');
            return;
        }
        machine->expected = number + 1;
    }
    if (!strncmp(text, "M110", 4)) {
        char *given = strchr(text + 4, 'N');
        machine->expected = (given ? atol(given + 1) : 0) + 1;
    }
    machine->lines++;
    if (!strncmp(text, "M155", 4)) machine->reports = 1;
    char kind = !strncmp(text, "M105", 4) ? 'T' : !strncmp(text, "M114", 4) ? 'P' : !strncmp(text, "M115", 4) ? 'I' : 0;
    queue_answer(machine, number, kind);
}

static void hear(unsigned index) {
    Machine *machine = &machines[index];
    ssize_t got = read(machine->fd, machine->buffer + machine->length, sizeof machine->buffer - machine->length - 1);
    if (grbl && got > 0) got = without_real_time(machine, machine->buffer + machine->length, got);
    if (got <= 0) return;
    int64_t now = now_ns();
    reads++;
    if (machine->idle_since) {
        int64_t trip = (now - machine->idle_since) / 1000;
        bins[trip < BINS ? trip : BINS]++;
        machine->idle_since = 0;
    }
    char *line = machine->buffer, *end = machine->buffer + machine->length + got, *stop;
    while ((stop = memchr(line, '\n', end - line))) {
        *stop = 0;
        if (grbl) hear_grbl_line(machine, line, stop - line);
        else hear_line(machine, line, stop - line);
        line = stop + 1;
    }
    machine->length = end - line;
    memmove(machine->buffer, line, machine->length);
    if (machine->length > 4000) machine->length = 0;
    if (machine->head == machine->tail) return;
    if (period == 0) {
        answer(machine, 1);
    } else if (!machine->in_heap) {
        machine->slot += busy_ns();
        if (machine->slot < now - period) machine->slot = now;
        push(index, machine->slot);
    }
}

/* Counting. */

static void mark(void) {
    for (unsigned i = 0; i < count; i++) machines[i].lines = machines[i].halted_at = 0;
    memset(bins, 0, sizeof bins);
    reads = wrong = asked_again = 0;
    marked_at = now_ns();
    marked_cpu = cpu_s();
}

static double percentile(uint64_t total, double share) {
    uint64_t seen = 0;
    for (unsigned i = 0; i <= BINS; i++)
        if ((seen += bins[i]) > share * total) return i;
    return 0;
}

static void tell(void) {
    uint64_t lines = 0, least = UINT64_MAX, most = 0, trips = 0;
    unsigned halted = 0;
    int64_t last = 0;
    double passed = (now_ns() - marked_at) / 1e9;
    for (unsigned i = 0; i < count; i++) {
        uint64_t own = machines[i].lines;
        lines += own;
        least = own < least ? own : least;
        most = own > most ? own : most;
        halted += machines[i].halted_at != 0;
        last = machines[i].halted_at > last ? machines[i].halted_at : last;
    }
    for (unsigned i = 0; i <= BINS; i++) trips += bins[i];
    printf("{\"seconds\": %.4f, \"lines\": %lu, \"least\": %lu, \"most\": %lu, \"reads\": %lu, \"wrong\": %lu, "
           "\"asked_again\": %lu, \"halted\": %u, \"last_halted_s\": %.6f, \"cpu_s\": %.3f, \"ran_dry\": %lu, "
           "\"round_trip_us\": {\"p50\": %.0f, \"p90\": %.0f, \"p99\": %.0f, \"p999\": %.0f}}\n",
           passed, lines, least, most, reads, wrong, asked_again, halted, last / 1e9, cpu_s() - marked_cpu, trips,
           percentile(trips, 0.5), percentile(trips, 0.9), percentile(trips, 0.99), percentile(trips, 0.999));
    fflush(stdout);
}

static int obey(void) {
    static char text[256];
    ssize_t got = read(0, text, sizeof text - 1);
    if (got <= 0) return 0;
    text[got] = 0;
    if (strstr(text, "tell")) tell();
    if (strstr(text, "mark")) mark();
    if (strstr(text, "rate ")) period = 1e9 / atof(strstr(text, "rate ") + 5);
    return strstr(text, "quit") == NULL;
}

static void make(unsigned index, const char *prefix, int epoll) {
    Machine *machine = &machines[index];
    char link[512];
    struct termios raw;
    machine->fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (machine->fd < 0 || grantpt(machine->fd) || unlockpt(machine->fd)) exit(3);
    machine->held = open(ptsname(machine->fd), O_RDWR | O_NOCTTY); /* the link stays up between two hosts */
    tcgetattr(machine->held, &raw);
    cfmakeraw(&raw);
    tcsetattr(machine->held, TCSANOW, &raw);
    snprintf(link, sizeof link, "%s%u", prefix, index);
    unlink(link);
    if (symlink(ptsname(machine->fd), link)) exit(4);
    machine->expected = 1;
    machine->slot = now_ns() + index * (period ? period : 1) / count;
    struct epoll_event event = {EPOLLIN, {.u32 = index}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, machine->fd, &event);
}

int main(int words, char **word) {
    if (words != 5 && words != 6) return 2;
    grbl = words == 6;
    count = atoi(word[2]);
    period = atof(word[3]) > 0 ? 1e9 / atof(word[3]) : 0;
    window = atoi(word[4]);
    machines = calloc(count, sizeof *machines);
    heap = calloc(count, sizeof *heap);
    due = calloc(count, sizeof *due);
    struct rlimit files = {count * 2 + 64, count * 2 + 64};
    setrlimit(RLIMIT_NOFILE, &files);
    int epoll = epoll_create1(0);
    struct epoll_event control = {EPOLLIN, {.u32 = CONTROL}}, event[256];
    epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &control);
    for (unsigned i = 0; i < count; i++) make(i, word[1], epoll);
    mark();
    puts("ready");
    fflush(stdout);
    int64_t report_at = now_ns();
    unsigned reporting = 0;
    for (;;) {
        int64_t now = now_ns(), next = heaped && due[heap[0]] < report_at ? due[heap[0]] : report_at;
        struct timespec wait = {0, 0};
        if (next > now) wait = (struct timespec){(next - now) / 1000000000LL, (next - now) % 1000000000LL};
        int ready = epoll_pwait2(epoll, event, 256, &wait, NULL);
        for (int i = 0; i < ready; i++) {
            if (event[i].data.u32 != CONTROL) hear(event[i].data.u32);
            else if (!obey()) return 0;
        }
        now = now_ns();
        while (heaped && due[heap[0]] <= now) {
            unsigned index = pop();
            Machine *machine = &machines[index];
            answer(machine, 0);
            if (machine->head != machine->tail) {
                machine->slot += busy_ns();
                push(index, machine->slot);
            }
        }
        if (report_at <= now) {
            Machine *machine = &machines[reporting++ % count];
            if (machine->reports && !machine->halted_at) say(machine, HEAT, sizeof HEAT - 1);
            report_at += REPORT_NS / count;
            if (report_at < now - REPORT_NS) report_at = now;
        }
    }
}
