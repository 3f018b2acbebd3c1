/* The yardstick of bench_gcode.py: what plain C makes of a program that lies whole in memory.
 *
 * Three stages, each with all of the one before: tokens and fixed-point numbers; modal state with bounds (arc extremes
 * too), extrusion and layers; planned time as Marlin and PrusaSlicer plan it, with a look-ahead of 256 moves, and with
 * arcs cut into chords as the firmwares cut and plan them (Marlin's G2_G3.cpp: 0.1 to 1 mm, at least 72 to a circle;
 * Grbl's motion_control.c: within 0.002 mm). A fourth stage takes an arc for one move that leads nowhere else than its
 * chord: no firmware does that, so it is another job, but it says what arcs cost. It reads well-formed programs of
 * one firmware: no findings, no bad input, no dialects, no blocks. It is what a careful person writes in an afternoon
 * when speed is all that counts, so that a ratio to it says what the core's care costs.
 *
 * A shared library: it takes its turns with the core in one process, so that both run at the same speed of the machine.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW 256
#define MOST_CHORD 1.0 /* mm */
#define LEAST_PER_CIRCLE 72
#define TOLERANCE 0.002 /* mm */

static const int64_t scale[10] = {1000000, 100000, 10000, 1000, 100, 10, 1, 1, 1, 1};

volatile int64_t checked; /* keeps the compiler from leaving out what nobody asks for */

typedef struct {
    uint32_t mask;
    int32_t g[8], ng, m;
    int64_t value[32];
} Words;

typedef struct {
    double entry_max, entry, exit, nominal, accel, length, up, cruise, down;
    int fits, stale;        /* long enough for any change of speed; its trapezoid must be made again */
} Block;

typedef struct {
    int stage, cnc;
    int64_t lines, words, sum;
    int motion, relative, e_relative, inch, plane;
    int64_t pos[3], low[3], high[3], e, layer_z, layers;
    double pushed, feed;
    double accel[4], top[4], jerk[4];
    double printing, retracting, travelling; /* M204 P R T */
    Block block[WINDOW];
    int count;
    double before[4], before_speed, safe, total_s;
} State;

static inline void touch(State *s, int axis, int64_t value) {
    if (value < s->low[axis]) s->low[axis] = value;
    if (value > s->high[axis]) s->high[axis] = value;
}

/* How far a change from speed v to speed w takes, and the speed reached over a distance. */
static double ramp(double v, double w, double accel) { return (w * w - v * v) / (2.0 * accel); }
static double reached(double v, double accel, double length) { return sqrt(v * v + 2.0 * accel * length); }

/* The trapezoid of one move, from its entry speed to the next one's. */
static void shape(Block *b, double exit) {
    double up = ramp(b->entry, b->nominal, b->accel), down = ramp(exit, b->nominal, b->accel);
    double cruise = b->length - up - down;
    if (cruise < 0.0) {
        up = (2.0 * b->accel * b->length - b->entry * b->entry + exit * exit) / (4.0 * b->accel);
        up = up < 0.0 ? 0.0 : up > b->length ? b->length : up;
        down = b->length - up;
        cruise = 0.0;
    }
    b->up = up;
    b->down = down;
    b->cruise = cruise;
    b->exit = exit;
    b->stale = 0;
}

static double seconds(const Block *b) {
    double top = b->cruise > 0.0 ? b->nominal : reached(b->entry, b->accel, b->up);
    return (top - b->entry) / b->accel + (b->cruise > 0.0 ? b->cruise / top : 0.0) + (top - b->exit) / b->accel;
}

/* Settles the window as Marlin and PrusaSlicer do, a pass back and a pass forth over speeds, and takes all but the last
 * `keep` moves off it. */
static void settle(State *s, int keep) {
    int n = s->count, done = n - keep;
    for (int i = n - 2; i > 0; i--) {
        Block *b = &s->block[i], *after = &s->block[i + 1];
        if (b->entry != b->entry_max) {
            double v = b->fits ? b->entry_max : reached(after->entry, b->accel, b->length);
            b->entry = v < b->entry_max ? v : b->entry_max;
            b->stale = 1;
        }
    }
    for (int i = 1; i < n; i++) {
        Block *before = &s->block[i - 1], *b = &s->block[i];
        if (!before->fits && before->entry < b->entry) {
            double v = reached(before->entry, before->accel, before->length);
            if (v < b->entry) b->entry = v, b->stale = 1;
        }
    }
    for (int i = 0; i < n; i++) {
        Block *b = &s->block[i];
        if (b->stale || (i + 1 < n && s->block[i + 1].stale)) shape(b, i + 1 < n ? s->block[i + 1].entry : s->safe);
    }
    for (int i = 0; i < done; i++) s->total_s += seconds(&s->block[i]);
    memmove(s->block, s->block + done, keep * sizeof(Block));
    s->count = keep;
}

static void plan(State *s, double d[4], double length) {
    double allowed_accel = length == 0.0 ? s->retracting : d[3] > 0.0 ? s->printing : s->travelling;
    if (length == 0.0) length = fabs(d[3]);
    if (length == 0.0 || s->feed <= 0.0) return;
    double speed = s->cnc && s->motion == 0 ? s->top[0] : s->feed, accel = allowed_accel, inverse = 1.0 / length, v, factor = 1.0;
    for (int i = 0; i < 4; i++) {
        double share = fabs(d[i] * inverse);
        if (share * speed > s->top[i]) speed = s->top[i] / share;
        if (share * accel > s->accel[i]) accel = s->accel[i] / share;
    }
    double safe = speed;
    for (int i = 0; i < 4; i++) {
        double share = fabs(d[i] * inverse * speed);
        if (share > s->jerk[i] && s->jerk[i] * speed / share < safe) safe = s->jerk[i] * speed / share;
    }
    v = s->before_speed < speed ? s->before_speed : speed;
    for (int i = 0; i < 4; i++) {
        double into = d[i] * inverse * v, out = s->before[i] * v, jump = fabs(into - out);
        if (jump * factor > s->jerk[i]) factor = s->jerk[i] / jump;
        s->before[i] = d[i] * inverse;
    }
    v *= factor;
    s->before_speed = speed;
    if (s->count == WINDOW) settle(s, WINDOW / 4);
    Block *b = &s->block[s->count++];
    double allowed = reached(safe, accel, length);
    *b = (Block){.entry_max = v, .entry = v < allowed ? v : allowed, .nominal = speed, .accel = accel, .length = length};
    b->fits = speed <= allowed;
    shape(b, safe);
    b->stale = 1;
    s->safe = safe;
}

/* An arc as the firmware drives it: chord after chord. `cp` and `cq` lead from its beginning to its middle. */
static void plan_chords(State *s, int p, int q, double cp, double cq, double radius, double sweep, const double d[4]) {
    double flat = fabs(sweep) * radius, n, chord, turn;
    int l = 3 - p - q;
    if (s->cnc) {
        n = floor(0.5 * flat / sqrt(TOLERANCE * (2.0 * radius - TOLERANCE)));
    } else {
        double circle = ceil(LEAST_PER_CIRCLE * fabs(sweep) / (2.0 * M_PI));
        n = floor(flat / MOST_CHORD);
        if (n < circle) n = circle;
        if (n * MOST_CHORD < flat) n = ceil(flat / MOST_CHORD);
    }
    if (!(n > 1.0)) n = 1.0;
    double half = 0.5 * sweep / n, rise = d[l] / n;
    double cosine = cos(half), sine = sin(half), step_cosine = cos(2.0 * half), step_sine = sin(2.0 * half);
    double flat_chord = 2.0 * radius * fabs(sine), x = -cp / radius, y = -cq / radius, way[4];
    double ax = x * cosine - y * sine, ay = x * sine + y * cosine; /* the middle of the first chord */
    chord = sqrt(flat_chord * flat_chord + rise * rise);
    turn = sweep > 0.0 ? flat_chord : -flat_chord;
    for (int i = 0; i < (int)n; i++) {
        way[p] = -turn * ay;
        way[q] = turn * ax;
        way[l] = rise;
        way[3] = d[3] / n;
        plan(s, way, chord);
        double next = ax * step_cosine - ay * step_sine;
        ay = ax * step_sine + ay * step_cosine;
        ax = next;
    }
}

static void arc(State *s, const Words *w, const int64_t *target, int clockwise, double d[4], double *length) {
    int p = s->plane == 18 ? 2 : s->plane == 19 ? 1 : 0, q = (p + 1) % 3, l = (p + 2) % 3;
    double x = (target[p] - s->pos[p]) * 1e-6, y = (target[q] - s->pos[q]) * 1e-6, cp, cq;
    if (w->mask & (1u << ('R' & 31))) {
        double r = w->value['R' & 31] * (s->inch ? 25.4e-6 : 1e-6), chord = hypot(x, y), h2 = r * r - 0.25 * chord * chord;
        double h = h2 > 0.0 && chord > 0.0 ? sqrt(h2) / chord : 0.0;
        if (clockwise == (r > 0.0)) h = -h;
        cp = 0.5 * x - h * y;
        cq = 0.5 * y + h * x;
    } else {
        double unit = s->inch ? 25.4e-6 : 1e-6;
        cp = (w->mask & (1u << (9 + p)) ? w->value[9 + p] : 0) * unit;
        cq = (w->mask & (1u << (9 + q)) ? w->value[9 + q] : 0) * unit;
    }
    double radius = hypot(cp, cq), start = atan2(-cq, -cp), sweep = atan2(y - cq, x - cp) - start;
    if (clockwise && sweep >= -5e-7) sweep -= 2.0 * M_PI;
    if (!clockwise && sweep <= 5e-7) sweep += 2.0 * M_PI;
    double low = sweep > 0.0 ? start : start + sweep, high = low + fabs(sweep);
    for (double k = ceil(low / M_PI_2); k * M_PI_2 <= high; k += 1.0) {
        int side = (int)((int64_t)k & 3), axis = side & 1 ? q : p;
        double reach = (side & 1 ? cq : cp) + (side < 2 ? radius : -radius);
        touch(s, axis, s->pos[axis] + (int64_t)(reach * 1e6));
    }
    double rise = (target[l] - s->pos[l]) * 1e-6;
    *length = sqrt(sweep * sweep * radius * radius + rise * rise);
    d[p] = x;
    d[q] = y;
    d[l] = rise;
    if (s->stage == 3) plan_chords(s, p, q, cp, cq, radius, sweep, d);
}

static void move(State *s, const Words *w) {
    int64_t target[3], pushed = 0;
    double d[4] = {0.0, 0.0, 0.0, 0.0}, length;
    for (int a = 0; a < 3; a++) {
        target[a] = s->pos[a];
        if (w->mask & (1u << (24 + a))) {
            int64_t value = w->value[24 + a];
            if (s->inch) value = value * 254 / 10;
            target[a] = s->relative ? s->pos[a] + value : value;
            touch(s, a, target[a]);
        }
    }
    if (w->mask & (1u << 5)) {
        pushed = s->e_relative ? w->value[5] : w->value[5] - s->e;
        s->e = s->e_relative ? s->e + pushed : w->value[5];
        s->pushed += pushed;
    }
    d[3] = pushed * 1e-6;
    if (s->motion >= 2) {
        arc(s, w, target, s->motion == 2, d, &length);
    } else {
        for (int a = 0; a < 3; a++) d[a] = (target[a] - s->pos[a]) * 1e-6;
        length = sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
    }
    if ((s->cnc ? s->motion : pushed > 0) && target[2] == s->pos[2] && target[2] > s->layer_z) {
        s->layer_z = target[2];
        s->layers++;
    }
    memcpy(s->pos, target, sizeof target);
    if (s->stage == 4 || (s->stage == 3 && s->motion < 2)) plan(s, d, length);
}

/* What an M word says of X, Y, Z and E. */
static void axes(const Words *w, double value[4]) {
    static const int letter[4] = {24, 25, 26, 5};
    for (int i = 0; i < 4; i++)
        if (w->mask & (1u << letter[i])) value[i] = w->value[letter[i]] * 1e-6;
}

static void take(State *s, const Words *w) {
    if (w->mask & (1u << 6)) s->feed = w->value[6] * 1e-6 / 60.0 * (s->inch ? 25.4 : 1.0);
    switch (w->m) {
    case 82: s->e_relative = 0; break;
    case 83: s->e_relative = 1; break;
    case 201: axes(w, s->accel); break;
    case 203: axes(w, s->top); break;
    case 204:
        if (w->mask & (1u << 16)) s->printing = w->value[16] * 1e-6;
        if (w->mask & (1u << 18)) s->retracting = w->value[18] * 1e-6;
        if (w->mask & (1u << 20)) s->travelling = w->value[20] * 1e-6;
        break;
    case 205: axes(w, s->jerk); break;
    }
    int moves = w->ng > 0 || s->cnc;
    for (int i = 0; i < w->ng; i++) {
        switch (w->g[i]) {
        case 0: case 1: case 2: case 3: s->motion = w->g[i]; break;
        case 17: case 18: case 19: s->plane = w->g[i]; break;
        case 20: case 21: s->inch = w->g[i] == 20; break;
        case 90: case 91: s->relative = w->g[i] == 91; break;
        case 92: if (w->mask & (1u << 5)) s->e = w->value[5]; moves = 0; break;
        case 28: case 4: settle(s, 0); moves = 0; break;
        }
    }
    if (moves && w->m < 0 && (w->mask & (1u << 5 | 7u << 24 | 7u << 9))) move(s, w);
}

static void read_all(State *s, const uint8_t *p, const uint8_t *end) {
    Words w;
    while (p < end) {
        w.mask = 0;
        w.ng = 0;
        w.m = -1;
        for (;;) {
            uint8_t c = *p;
            if ((uint8_t)((c | 32) - 'a') < 26) {
                int negative = 0, decimals = 0;
                int64_t m = 0;
                p++;
                while (*p == ' ') p++;
                if (*p == '-') negative = 1, p++;
                while ((uint8_t)(*p - '0') < 10) m = m * 10 + (*p++ - '0');
                if (*p == '.') {
                    const uint8_t *dot = ++p;
                    while ((uint8_t)(*p - '0') < 10) m = m * 10 + (*p++ - '0');
                    decimals = (int)(p - dot);
                }
                int64_t value = m * scale[decimals > 9 ? 9 : decimals];
                if (negative) value = -value;
                c &= 31;
                if (c == ('G' & 31)) w.g[w.ng++ & 7] = (int)(value / 1000000);
                else if (c == ('M' & 31)) w.m = (int)(value / 1000000);
                else w.mask |= 1u << c, w.value[c] = value;
                s->words++;
                s->sum += value;
            } else if (c == ';') {
                p = memchr(p, '\n', end - p);
                break;
            } else if (c == '(') {
                while (*p != ')' && *p != '\n') p++;
            } else if (c == '\n') {
                break;
            } else {
                p++;
            }
        }
        p++;
        s->lines++;
        if (s->stage > 1 && (w.mask || w.ng > 0 || w.m >= 0)) take(s, &w);
    }
    if (s->stage > 2) settle(s, 0);
}

/* Reads the program in `text`, which ends in a line feed, up to a stage (1 tokens, 2 facts, 3 time, 4 time with an arc
 * as one move); returns the planned seconds. */
double yardstick(const uint8_t *text, int64_t size, int stage, int cnc) {
    State *s = calloc(1, sizeof *s);
    s->stage = stage;
    s->cnc = cnc;
    s->plane = 17;
    s->layer_z = INT64_MIN;
    s->feed = 25.0;
    s->printing = s->retracting = s->travelling = 1000.0;
    for (int i = 0; i < 3; i++) s->low[i] = INT64_MAX, s->high[i] = INT64_MIN;
    for (int i = 0; i < 4; i++) s->accel[i] = 1000.0, s->top[i] = 200.0, s->jerk[i] = 8.0;
    read_all(s, text, text + size);
    double planned_s = s->total_s;
    checked = s->lines + s->words + s->sum + s->layers;
    free(s);
    return planned_s;
}
