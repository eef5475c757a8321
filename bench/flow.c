/* SPDX-License-Identifier: Apache-2.0
 *
 * flow: publishers and their subscribers, with a window of messages in flight or at a given rate. See load.c.
 */
#define _GNU_SOURCE
#include "flow.h"
#include "client.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

enum { IN = 1 << 17, EVENTS = 256, MOST_TRIPS = 4000000, OPENERS = 4 };

typedef struct Pair {
    Conn *publisher, *subscribers;
    int slowest; /* how many subscribers have only `least`, which all have */
    unsigned char *message;
    int length, id_at, payload_at; /* id_at: where a QoS 1 PUBLISH has its packet identifier */
    unsigned short last_id;
    long sent, delivered, least, acked, done; /* delivered: to all subscribers together */
    double sent_at;
} Pair;

static Pair *all;
static Conn *conns;
static int poller;
static float *trips;
static int trip_count;
static double trips_from; /* in paced(): messages due before this do not count */
static double cpu_from, cpu_until; /* seconds of CPU that the watched process had taken */

/* --- connections ---------------------------------------------------------------------------------------- */

static void make_message(Pair *pair, const char *topic) {
    int rest = 2 + strlen(topic) + (options.qos ? 2 : 0) + options.payload, p;
    unsigned char *m = pair->message = malloc(rest + 5);
    m[0] = 0x30 | options.qos << 1;
    p = 1 + put_length(m + 1, rest);
    p += put_text(m + p, topic);
    pair->id_at = p;
    if (options.qos) p += 2;
    pair->payload_at = p;
    memset(m + p, 'x', options.payload);
    pair->length = p + options.payload;
}

static int conn_count(void) {
    return options.pairs * (options.fan + 1);
}

/* Connection k is of pair k / (fan + 1): its subscribers, and last its publisher. */
static void client_id(char *to, size_t size, int k) {
    snprintf(to, size, "%s-%d-%d", options.name, k / (options.fan + 1), k % (options.fan + 1));
}

static void *open_some(void *first) {
    for (int k = (int)(long)first; k < conn_count(); k += OPENERS) {
        int number = k / (options.fan + 1), subscribes = k % (options.fan + 1) < options.fan;
        char text[100];
        Conn *c = &conns[k];
        c->pair = &all[number];
        dial(c, IN, NULL);
        client_id(text, sizeof text, k);
        mqtt_connect(c, text, !(options.persistent && subscribes));
        snprintf(text, sizeof text, "%s/%d", options.name, number);
        if (subscribes)
            mqtt_subscribe(c, text);
        else {
            make_message(c->pair, text);
            c->pair->publisher = c;
            c->pair->subscribers = c - options.fan;
            c->pair->slowest = options.fan;
        }
        fcntl(c->fd, F_SETFL, O_NONBLOCK);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
    }
    return NULL;
}

static void open_all(void) {
    pthread_t openers[OPENERS];
    all = calloc(options.pairs, sizeof *all);
    conns = calloc(conn_count(), sizeof *conns);
    trips = malloc(sizeof *trips * MOST_TRIPS);
    poller = epoll_create1(0);
    for (long i = 0; i < OPENERS; i++)
        if (pthread_create(&openers[i], NULL, open_some, (void *)i)) die("no thread");
    for (int i = 0; i < OPENERS; i++) pthread_join(openers[i], NULL);
    describe_tls(&conns[0]);
}

/* A persistent session would get the next measurement's messages: connecting cleanly deletes it. */
static void forget(const char *client) {
    Conn c = {0};
    dial(&c, IN, NULL);
    mqtt_connect(&c, client, 1);
    mqtt_disconnect(&c);
}

static void close_all(void) {
    for (int k = 0; k < conn_count(); k++) {
        char text[100];
        mqtt_disconnect(&conns[k]);
        client_id(text, sizeof text, k);
        if (options.persistent && k % (options.fan + 1) < options.fan) forget(text);
    }
}

/* --- messages ------------------------------------------------------------------------------------------- */

static void number(Pair *pair, unsigned char *m) {
    if (!options.qos) return;
    if (!++pair->last_id) pair->last_id = 1; /* [MQTT-2.3.1-1]: never 0 */
    m[pair->id_at] = pair->last_id >> 8, m[pair->id_at + 1] = pair->last_id & 255;
}

/* As many messages as the window has room for, in one write. */
static void publish(Pair *pair) {
    static unsigned char *batch;
    static size_t size;
    int n = options.window - (int)(pair->sent - pair->done);
    size_t need = (size_t)n * pair->length;
    if (need > size) batch = realloc(batch, size = need);
    for (int i = 0; i < n; i++) {
        unsigned char *m = batch + (size_t)i * pair->length;
        memcpy(m, pair->message, pair->length);
        number(pair, m);
    }
    pair->sent += n;
    pair->sent_at = now();
    put(pair->publisher, batch, need);
}

/* One message, which carries the time at which it was due. */
static void publish_due(Pair *pair, double due) {
    memcpy(pair->message + pair->payload_at, &due, sizeof due);
    number(pair, pair->message);
    pair->sent++;
    put(pair->publisher, pair->message, pair->length);
}

static void note_trip(double took) {
    if (trip_count < MOST_TRIPS) trips[trip_count++] = took;
}

/* Count the complete packets, and acknowledge the QoS 1 PUBLISHes among them in one write. */
static void consume(Conn *c) {
    static unsigned char acks[IN];
    int at = 0, n = 0, length, p;
    for (; (length = packet_at(c, at, &p)); at += length) {
        int kind = c->in[at] >> 4, with_id = kind == 3 && c->in[at] & 6;
        c->pair->acked += kind == 4;
        if (kind != 3) continue;
        c->pair->delivered++, c->delivered++;
        int after_topic = p + 2 + (c->in[p] << 8 | c->in[p + 1]);
        if (with_id) {
            memcpy(acks + n, "\x40\x02", 2);
            memcpy(acks + n + 2, c->in + after_topic, 2);
            n += 4;
        }
        if (options.rate) {
            double due;
            memcpy(&due, c->in + after_topic + (with_id ? 2 : 0), sizeof due);
            if (due >= trips_from) note_trip(now() - due);
        }
    }
    if (n) put(c, acks, n);
    memmove(c->in, c->in + at, c->have -= at);
}

/* How many messages all subscribers have, looked up anew only when the last that had no more has moved on. */
static void note_least(Pair *pair) {
    if (pair->slowest || !options.fan) return;
    pair->least = pair->subscribers[0].delivered;
    for (int i = 0; i < options.fan; i++) {
        long has = pair->subscribers[i].delivered;
        if (has < pair->least) pair->least = has, pair->slowest = 0;
        pair->slowest += has == pair->least;
    }
}

static void receive(Conn *c) {
    long had = c->delivered;
    do {
        int r = fill(c);
        if (!r) break;
        if (r > 0) consume(c);
    } while (SSL_has_pending(c->tls));
    if (c->delivered > had && had == c->pair->least) {
        c->pair->slowest--;
        note_least(c->pair);
    }
}

/* What is done of a pair: acknowledged, and delivered to all. */
static long done_of(const Pair *pair) {
    long done = options.fan ? pair->least : pair->acked;
    return options.qos && pair->acked < done ? pair->acked : done;
}

static double cpu_of_watched(void) {
    char path[50];
    long long nanoseconds = 0;
    if (!options.watch) return 0;
    snprintf(path, sizeof path, "/proc/%d/schedstat", options.watch);
    FILE *file = fopen(path, "r");
    if (!file || fscanf(file, "%lld", &nanoseconds) != 1) die("the process to watch cannot be looked at");
    fclose(file);
    return nanoseconds / 1e9;
}

static int by_value(const void *a, const void *b) {
    float d = *(const float *)a - *(const float *)b;
    return (d > 0) - (d < 0);
}

static void print_result(double per_second, double measured) {
    printf("per_second=%.0f", per_second);
    if (options.watch) printf(" cpu_us=%.2f", (cpu_until - cpu_from) / (per_second * measured) * 1e6);
    if (trip_count) {
        qsort(trips, trip_count, sizeof *trips, by_value);
        printf(" p50_us=%.0f p99_us=%.0f", trips[trip_count / 2] * 1e6, trips[(int)(trip_count * .99)] * 1e6);
    }
    printf(" tls=%s\n", tls_text);
}

/* --- the ways to measure -------------------------------------------------------------------------------- */

/* The rate that a window allows: each pair sends on when a message is done. */
static double windowed(double *measured) {
    double t = now(), from = t + options.warm, until = from + options.seconds, began = 0, took = 0;
    long before = 0, delivered = 0;
    for (int i = 0; i < options.pairs; i++) publish(&all[i]);
    for (int busy = options.pairs; busy;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(poller, events, EVENTS, PATIENCE * 1000);
        if (ready <= 0) die("messages in flight were not delivered");
        for (int q = 0; q < ready; q++) {
            Conn *c = events[q].data.ptr;
            Pair *pair = c->pair;
            long had = options.fan ? pair->delivered : pair->acked, done;
            receive(c);
            delivered += (options.fan ? pair->delivered : pair->acked) - had;
            done = done_of(pair);
            if (done == pair->done) continue;
            pair->done = done;
            t = now();
            if (options.window == 1 && began && !took) note_trip(t - pair->sent_at);
            if (t < until)
                publish(pair);
            else if (pair->done == pair->sent)
                busy--;
        }
        t = now();
        if (!began && t >= from) began = t, before = delivered, cpu_from = cpu_of_watched();
        if (!took && t >= until) took = t - began, before = delivered - before, cpu_until = cpu_of_watched();
    }
    *measured = took;
    return before / took;
}

/* A given rate, whatever the broker does (an open loop): message i is due i / rate after the start, and its trip
 * begins then, so that a broker which holds up the sender does not hide it. */
static double paced(double *measured) {
    double began = now(), until = began + options.warm + options.seconds, quiet_since = began;
    long sent = 0, seen = 0;
    trips_from = began + options.warm;
    prctl(PR_SET_TIMERSLACK, 1);
    cpu_from = cpu_of_watched();
    for (;;) {
        double due = began + sent / options.rate, t = now();
        for (; due <= t && due < until; due = began + ++sent / options.rate)
            publish_due(&all[sent % options.pairs], due);
        long delivered = 0;
        for (int i = 0; i < options.pairs; i++) delivered += done_of(&all[i]);
        if (due >= until && delivered == sent) break;
        t = now();
        if (delivered != seen || due < until) seen = delivered, quiet_since = t;
        if (t - quiet_since > PATIENCE) die("messages in flight were not delivered");

        double wait = due >= until ? 1 : due > t ? due - t : 0;
        struct pollfd ready = {poller, POLLIN, 0};
        struct timespec most = {(time_t)wait, (wait - (time_t)wait) * 1e9};
        struct epoll_event events[EVENTS];
        if (ppoll(&ready, 1, &most, NULL) <= 0) continue;
        int n = epoll_wait(poller, events, EVENTS, 0);
        for (int q = 0; q < n; q++) receive(events[q].data.ptr);
    }
    cpu_until = cpu_of_watched();
    *measured = options.warm + options.seconds;
    return sent / *measured;
}

/* What was stored for the session that was away: all that was acknowledged, or it was not durable. */
static void collect(const char *client) {
    Pair got = {0};
    Conn c = {.pair = &got};
    long sent = 0;
    for (int i = 0; i < options.pairs; i++) sent += all[i].sent;
    dial(&c, IN, NULL);
    mqtt_connect(&c, client, 0);
    for (consume(&c); got.delivered < sent; consume(&c))
        if (!fill(&c)) {
            fprintf(stderr, "load: %ld of %ld acknowledged messages came\n", got.delivered, sent);
            die("what was stored for a session that was away did not come");
        }
    mqtt_disconnect(&c);
    forget(client);
}

void flow(void) {
    char away[100];
    snprintf(away, sizeof away, "%s-away", options.name);
    if (options.away) { /* one session subscribes to all topics, and leaves */
        Conn c = {0};
        char filter[100];
        snprintf(filter, sizeof filter, "%s/+", options.name);
        forget(away);
        dial(&c, IN, NULL);
        mqtt_connect(&c, away, 0);
        mqtt_subscribe(&c, filter);
        mqtt_disconnect(&c);
    }
    open_all();
    double measured, per_second = options.rate ? paced(&measured) : windowed(&measured);
    close_all();
    if (options.away) collect(away);
    print_result(per_second, measured);
}
