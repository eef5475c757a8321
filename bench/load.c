/* SPDX-License-Identifier: Apache-2.0
 *
 * load: an MQTT 3.1.1 client by the hundred, over mutual TLS, that costs little beside the broker it loads.
 *
 *   load flow     N publishers, each with a topic and F subscribers of its own, W messages in flight per topic
 *   load connect  C processes that make full handshakes, CONNECT, CONNACK and DISCONNECT one after another
 *
 * A message is in flight until its last subscriber has it and, with QoS 1, its PUBACK is back as well. `flow`
 * measures for S seconds after a warm-up, then waits for what is still in flight: a lost message is an error.
 * The server's certificate is not checked: that would cost this side only, on cores that both sides share.
 *
 * One line on stdout:  per_second=N [p50_us=N p99_us=N] tls=VERSION,CIPHER,SERVER_KEY
 * per_second is deliveries (flow) or CONNACKs (connect); p50 and p99 are of the round trip, where W is 1.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { IN = 1 << 17, EVENTS = 256, PATIENCE = 10, MOST_TRIPS = 4000000, MOST_PROCESSES = 256 };

static const char *host = "127.0.0.1", *sni = "localhost", *cert, *key, *name = "bench";
static int port = 8883, pairs = 1, fan = 1, window = 1, payload = 200, qos, processes = 20;
static double warm = 0.25, seconds = 2;
static SSL_CTX *context;
static char tls_text[120];

typedef struct {
    struct Conn *publisher;
    unsigned char *message;
    int length, id_at; /* id_at: where a QoS 1 PUBLISH has its packet identifier */
    unsigned short last_id;
    long sent, delivered, acked, done;
    double sent_at;
} Pair;

typedef struct Conn {
    int fd, have;
    SSL *tls;
    Pair *pair;
    unsigned char *in;
} Conn;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what) {
    fprintf(stderr, "load: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

/* --- a connection, blocking until it flows -------------------------------------------------------------- */

static void put(Conn *c, const unsigned char *bytes, int n) {
    while (n > 0) {
        int r = SSL_write(c->tls, bytes, n);
        if (r > 0) {
            bytes += r, n -= r;
            continue;
        }
        int why = SSL_get_error(c->tls, r);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) die("the broker closed during a write");
        struct pollfd wait = {c->fd, why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, 0};
        if (poll(&wait, 1, PATIENCE * 1000) <= 0) die("the broker stopped reading");
    }
}

static void take(Conn *c, unsigned char *bytes, int n, const char *what) {
    for (int got = 0, r; got < n; got += r)
        if ((r = SSL_read(c->tls, bytes + got, n - got)) <= 0) die(what);
}

static void dial(Conn *c) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {PATIENCE, 0};
    int one = 1;
    inet_pton(AF_INET, host, &to.sin_addr);
    if ((c->fd = socket(AF_INET, SOCK_STREAM, 0)) < 0) die("no socket");
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (void *)&to, sizeof to)) die("the broker does not accept");
    c->tls = SSL_new(context);
    SSL_set_fd(c->tls, c->fd);
    SSL_set_tlsext_host_name(c->tls, sni);
    if (SSL_connect(c->tls) != 1) die("the TLS handshake failed");
}

static int put_length(unsigned char *at, int n) { /* [MQTT-2.2.3] */
    int i = 0;
    do {
        at[i] = n % 128;
        n /= 128;
        if (n) at[i] |= 128;
        i++;
    } while (n);
    return i;
}

static int put_text(unsigned char *at, const char *text) {
    int n = strlen(text);
    at[0] = n >> 8, at[1] = n & 255;
    memcpy(at + 2, text, n);
    return 2 + n;
}

static void mqtt_connect(Conn *c, const char *client) {
    unsigned char b[300] = {0x10}, answer[4];
    int p = 1 + put_length(b + 1, 12 + strlen(client));
    memcpy(b + p, "\0\4MQTT\4\2\4\xb0", 10); /* 3.1.1, clean session, keep alive 1200 s */
    p += 10;
    p += put_text(b + p, client);
    put(c, b, p);
    take(c, answer, 4, "no CONNACK");
    if (answer[0] != 0x20 || answer[3]) die("CONNECT was refused");
}

static void mqtt_subscribe(Conn *c, const char *filter) {
    unsigned char b[300] = {0x82}, answer[5];
    int p = 1 + put_length(b + 1, 5 + strlen(filter));
    b[p++] = 0, b[p++] = 1;
    p += put_text(b + p, filter);
    b[p++] = qos;
    put(c, b, p);
    take(c, answer, 5, "no SUBACK");
    if (answer[0] != 0x90 || answer[4] != qos) die("SUBSCRIBE was refused");
}

static void mqtt_disconnect(Conn *c) {
    put(c, (const unsigned char *)"\xe0\0", 2);
    SSL_free(c->tls);
    close(c->fd);
}

static void describe_tls(Conn *c) {
    EVP_PKEY *server = X509_get0_pubkey(SSL_get0_peer_certificate(c->tls));
    char group[60] = "", kind[80];
    if (EVP_PKEY_get_group_name(server, group, sizeof group, NULL))
        snprintf(kind, sizeof kind, "%s", group);
    else
        snprintf(kind, sizeof kind, "%s-%d", EVP_PKEY_get0_type_name(server), EVP_PKEY_get_bits(server));
    snprintf(tls_text, sizeof tls_text, "%s,%s,%s", SSL_get_version(c->tls), SSL_get_cipher_name(c->tls), kind);
}

/* --- flow ----------------------------------------------------------------------------------------------- */

static void make_message(Pair *pair, const char *topic) {
    int rest = 2 + strlen(topic) + (qos ? 2 : 0) + payload, p;
    unsigned char *m = pair->message = malloc(rest + 5);
    m[0] = 0x30 | qos << 1;
    p = 1 + put_length(m + 1, rest);
    p += put_text(m + p, topic);
    pair->id_at = p;
    if (qos) p += 2;
    memset(m + p, 'x', payload);
    pair->length = p + payload;
}

/* As many messages as the window has room for, in one write. */
static void publish(Pair *pair) {
    static unsigned char *batch;
    static size_t size;
    int n = window - (int)(pair->sent - pair->done);
    size_t need = (size_t)n * pair->length;
    if (need > size) batch = realloc(batch, size = need);
    for (int i = 0; i < n; i++) {
        unsigned char *m = batch + (size_t)i * pair->length;
        memcpy(m, pair->message, pair->length);
        if (!qos) continue;
        if (!++pair->last_id) pair->last_id = 1; /* [MQTT-2.3.1-1]: never 0 */
        m[pair->id_at] = pair->last_id >> 8, m[pair->id_at + 1] = pair->last_id & 255;
    }
    pair->sent += n;
    pair->sent_at = now();
    put(pair->publisher, batch, need);
}

/* Count the complete packets, and acknowledge the QoS 1 PUBLISHes among them in one write. */
static void consume(Conn *c) {
    static unsigned char acks[IN];
    int at = 0, n = 0;
    for (;;) {
        int length = 0, shift = 0, p = at + 1, whole = 0;
        while (p < c->have && !whole) {
            length |= (c->in[p] & 127) << shift;
            shift += 7;
            whole = !(c->in[p++] & 128);
        }
        if (!whole || p + length > c->have) break;
        int kind = c->in[at] >> 4;
        c->pair->delivered += kind == 3;
        c->pair->acked += kind == 4;
        if (kind == 3 && c->in[at] & 6) {
            int topic = c->in[p] << 8 | c->in[p + 1];
            memcpy(acks + n, "\x40\x02", 2);
            memcpy(acks + n + 2, c->in + p + 2 + topic, 2);
            n += 4;
        }
        at = p + length;
    }
    if (n) put(c, acks, n);
    memmove(c->in, c->in + at, c->have -= at);
}

static void receive(Conn *c) {
    do {
        int r = SSL_read(c->tls, c->in + c->have, IN - c->have);
        if (r <= 0) {
            if (SSL_get_error(c->tls, r) == SSL_ERROR_WANT_READ) return;
            die("the broker closed a connection");
        }
        c->have += r;
        consume(c);
    } while (SSL_has_pending(c->tls));
}

static int by_value(const void *a, const void *b) {
    float d = *(const float *)a - *(const float *)b;
    return (d > 0) - (d < 0);
}

static void open_all(int poller, Pair *all, Conn *conns) {
    for (int i = 0; i < pairs; i++) {
        char topic[100], client[100];
        snprintf(topic, sizeof topic, "%s/%d", name, i);
        make_message(&all[i], topic);
        for (int j = 0; j <= fan; j++) { /* the subscribers, and last the publisher */
            Conn *c = conns++;
            *c = (Conn){.pair = &all[i], .in = malloc(IN)};
            dial(c);
            snprintf(client, sizeof client, "%s-%d-%d", name, i, j);
            mqtt_connect(c, client);
            if (j < fan)
                mqtt_subscribe(c, topic);
            else
                all[i].publisher = c;
            fcntl(c->fd, F_SETFL, O_NONBLOCK);
            struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
            epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
        }
    }
    describe_tls(&conns[-1]);
}

static void flow(void) {
    Pair *all = calloc(pairs, sizeof *all);
    Conn *conns = calloc((size_t)pairs * (fan + 1), sizeof *conns);
    float *trips = malloc(sizeof *trips * MOST_TRIPS);
    int poller = epoll_create1(0), n = 0;
    open_all(poller, all, conns);

    double t = now(), from = t + warm, until = from + seconds, began = 0, took = 0;
    long before = 0, delivered = 0;
    for (int i = 0; i < pairs; i++) publish(&all[i]);
    for (int busy = pairs; busy;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(poller, events, EVENTS, PATIENCE * 1000);
        if (ready <= 0) die("messages in flight were not delivered");
        for (int q = 0; q < ready; q++) {
            Conn *c = events[q].data.ptr;
            Pair *pair = c->pair;
            long had = pair->delivered, done;
            receive(c);
            delivered += pair->delivered - had;
            done = pair->delivered / fan;
            if (qos && pair->acked < done) done = pair->acked;
            if (done == pair->done) continue;
            pair->done = done;
            t = now();
            if (window == 1 && began && !took && n < MOST_TRIPS) trips[n++] = t - pair->sent_at;
            if (t < until)
                publish(pair);
            else if (pair->done == pair->sent)
                busy--;
        }
        t = now();
        if (!began && t >= from) began = t, before = delivered;
        if (!took && t >= until) took = t - began, before = delivered - before;
    }
    printf("per_second=%.0f", before / took);
    if (n) {
        qsort(trips, n, sizeof *trips, by_value);
        printf(" p50_us=%.0f p99_us=%.0f", trips[n / 2] * 1e6, trips[(int)(n * .99)] * 1e6);
    }
    printf(" tls=%s\n", tls_text);
    for (int i = 0; i < pairs * (fan + 1); i++) mqtt_disconnect(&conns[i]);
}

/* --- connect -------------------------------------------------------------------------------------------- */

static void connects(void) {
    /* Shared with the children: each counts for itself. */
    struct { long count[MOST_PROCESSES]; char tls[sizeof tls_text]; } *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t children[MOST_PROCESSES];
    double from = now() + warm, until = from + seconds;
    if (processes > MOST_PROCESSES) die("too many processes");
    for (int k = 0; k < processes; k++)
        if (!(children[k] = fork())) {
            for (long i = 0; now() < until; i++) {
                Conn c = {0};
                char client[100];
                dial(&c);
                snprintf(client, sizeof client, "%s-%d-%ld", name, k, i);
                mqtt_connect(&c, client);
                double t = now();
                shared->count[k] += t >= from && t < until;
                if (!i && !k) describe_tls(&c), memcpy(shared->tls, tls_text, sizeof tls_text);
                mqtt_disconnect(&c);
            }
            _exit(0);
        }
    long total = 0;
    int failed = 0, status;
    for (int k = 0; k < processes; k++) {
        waitpid(children[k], &status, 0);
        failed |= status;
        total += shared->count[k];
    }
    if (failed) exit(1);
    printf("per_second=%.0f tls=%s\n", total / seconds, shared->tls);
}

int main(int argc, char **argv) {
    struct { const char *name; const char **text; int *number; double *real; } options[] = {
        {"--host", .text = &host}, {"--port", .number = &port}, {"--sni", .text = &sni},
        {"--cert", .text = &cert}, {"--key", .text = &key}, {"--name", .text = &name},
        {"--pairs", .number = &pairs}, {"--fan", .number = &fan}, {"--window", .number = &window},
        {"--payload", .number = &payload}, {"--qos", .number = &qos}, {"--processes", .number = &processes},
        {"--warm", .real = &warm}, {"--seconds", .real = &seconds},
    };
    int count = sizeof options / sizeof *options;
    for (int a = 2; a < argc; a += 2) {
        int k = 0;
        while (k < count && strcmp(argv[a], options[k].name)) k++;
        if (k == count || a + 1 == argc) die("an option is unknown or lacks its value");
        if (options[k].text) *options[k].text = argv[a + 1];
        else if (options[k].number) *options[k].number = atoi(argv[a + 1]);
        else *options[k].real = atof(argv[a + 1]);
    }
    if (argc < 2 || !cert || !key) die("usage: load flow|connect --port P --cert FILE --key FILE …");
    signal(SIGPIPE, SIG_IGN);
    context = SSL_CTX_new(TLS_client_method());
    if (SSL_CTX_use_certificate_chain_file(context, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        die("the client's certificate and key do not load");
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    if (!strcmp(argv[1], "flow")) flow();
    else if (!strcmp(argv[1], "connect")) connects();
    else die("the mode is flow or connect");
    return 0;
}
