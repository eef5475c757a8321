/* SPDX-License-Identifier: Apache-2.0
 *
 * floor: the least that a broker can do, so that a measurement has the machine's own limit beside it.
 *
 *   floor PORT SERVER_CERT SERVER_KEY
 *
 * One thread, epoll, OpenSSL. It terminates mutual TLS (any client certificate), frames packets and forwards
 * them: CONNECT, SUBSCRIBE to exact topics, PUBLISH. A QoS 1 PUBLISH is acknowledged and forwarded with the
 * publisher's own packet identifier, which is right only while a subscriber hears a single publisher, as in this
 * benchmark. No sessions, no policy, no validation, no limits: it is not a broker to use.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BUFFER = 1 << 18, SLOTS = 1 << 12, EVENTS = 256 };

typedef struct Sub {
    struct Conn *conn;
    struct Sub *in_slot, *of_conn;
    unsigned slot;
    int length;
    unsigned char topic[];
} Sub;

typedef struct Conn {
    int fd, have, queued, is_dirty, is_up, is_dead, waits_to_write;
    SSL *tls;
    Sub *subs;
    struct Conn *next_dirty, *next_dead;
    unsigned char in[BUFFER], out[BUFFER];
} Conn;

static Sub *slots[SLOTS];
static Conn *dirty, *dead;
static int poller;

static unsigned slot_of(const unsigned char *topic, int n) { /* FNV-1a */
    unsigned h = 2166136261u;
    while (n--) h = (h ^ *topic++) * 16777619u;
    return h % SLOTS;
}

static int accept_any(int ok, X509_STORE_CTX *store) {
    (void)ok, (void)store;
    return 1;
}

static void drop(Conn *c) {
    if (c->is_dead) return;
    for (Sub *s = c->subs, *next; s; s = next) {
        Sub **link = &slots[s->slot];
        while (*link != s) link = &(*link)->in_slot;
        *link = s->in_slot;
        next = s->of_conn;
        free(s);
    }
    c->is_dead = 1, c->next_dead = dead, dead = c; /* freed after this turn: events in hand may still name it */
}

static void watch(Conn *c, int operation, int to_write) {
    struct epoll_event event = {.events = EPOLLIN | (to_write ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(poller, operation, c->fd, &event);
    c->waits_to_write = to_write;
}

static void flush(Conn *c) {
    int at = 0, r = 1;
    while (at < c->queued && (r = SSL_write(c->tls, c->out + at, c->queued - at)) > 0) at += r;
    memmove(c->out, c->out + at, c->queued -= at);
    int why = r > 0 ? SSL_ERROR_NONE : SSL_get_error(c->tls, r);
    if (why != SSL_ERROR_NONE && why != SSL_ERROR_WANT_WRITE && why != SSL_ERROR_WANT_READ)
        drop(c);
    else if (c->waits_to_write != !!c->queued)
        watch(c, EPOLL_CTL_MOD, !!c->queued);
}

static void put(Conn *c, const unsigned char *bytes, int n) {
    if (c->queued + n > BUFFER) drop(c); /* a reader that does not read */
    if (c->is_dead) return;
    memcpy(c->out + c->queued, bytes, n);
    c->queued += n;
    if (!c->is_dirty) c->is_dirty = 1, c->next_dirty = dirty, dirty = c;
}

static void subscribe(Conn *c, const unsigned char *packet) {
    int n = packet[2] << 8 | packet[3];
    Sub *s = malloc(sizeof *s + n);
    unsigned slot = slot_of(packet + 4, n);
    *s = (Sub){.conn = c, .in_slot = slots[slot], .of_conn = c->subs, .slot = slot, .length = n};
    memcpy(s->topic, packet + 4, n);
    slots[slot] = c->subs = s;
    unsigned char ack[5] = {0x90, 3, packet[0], packet[1], packet[4 + n]};
    put(c, ack, 5);
}

/* `all` is the packet from its first byte, `rest` from after its length. */
static void publish(Conn *c, const unsigned char *all, const unsigned char *rest, int size) {
    int n = rest[0] << 8 | rest[1];
    const unsigned char *topic = rest + 2;
    if (all[0] & 6) {
        unsigned char ack[4] = {0x40, 2, topic[n], topic[n + 1]};
        put(c, ack, 4);
    }
    for (Sub *s = slots[slot_of(topic, n)], *next; s; s = next) {
        next = s->in_slot;
        if (s->length == n && !memcmp(s->topic, topic, n)) put(s->conn, all, size);
    }
}

static void consume(Conn *c) {
    int at = 0;
    while (!c->is_dead) {
        int length = 0, shift = 0, p = at + 1, whole = 0;
        while (p < c->have && !whole) {
            length |= (c->in[p] & 127) << shift;
            shift += 7;
            whole = !(c->in[p++] & 128);
        }
        if (!whole || p + length > c->have) break;
        switch (c->in[at] >> 4) {
            case 1: put(c, (const unsigned char *)"\x20\2\0\0", 4); break;
            case 3: publish(c, c->in + at, c->in + p, p + length - at); break;
            case 8: subscribe(c, c->in + p); break;
            case 12: put(c, (const unsigned char *)"\xd0\0", 2); break;
            case 14: drop(c); break;
        }
        at = p + length;
    }
    memmove(c->in, c->in + at, c->have -= at);
}

static void receive(Conn *c) {
    if (!c->is_up) {
        int r = SSL_do_handshake(c->tls);
        if (r != 1) {
            if (SSL_get_error(c->tls, r) != SSL_ERROR_WANT_READ) drop(c);
            return;
        }
        c->is_up = 1;
    }
    do {
        int r = SSL_read(c->tls, c->in + c->have, BUFFER - c->have);
        if (r <= 0) {
            if (SSL_get_error(c->tls, r) != SSL_ERROR_WANT_READ) drop(c);
            return;
        }
        c->have += r;
        consume(c);
    } while (!c->is_dead && SSL_has_pending(c->tls));
}

static void accept_all(int listener, SSL_CTX *context) {
    int one = 1;
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        Conn *c = malloc(sizeof *c);
        memset(c, 0, offsetof(Conn, in));
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        c->fd = fd;
        c->tls = SSL_new(context);
        SSL_set_fd(c->tls, fd);
        SSL_set_accept_state(c->tls);
        watch(c, EPOLL_CTL_ADD, 0);
    }
}

static void finish_turn(void) {
    for (Conn *c = dirty; c; c = c->next_dirty) {
        c->is_dirty = 0;
        if (!c->is_dead) flush(c);
    }
    dirty = NULL;
    for (Conn *c = dead, *next; c; c = next) {
        next = c->next_dead;
        SSL_free(c->tls);
        close(c->fd);
        free(c);
    }
    dead = NULL;
}

static SSL_CTX *tls_context(const char *cert, const char *key) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(context, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        return NULL;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, accept_any);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    return context;
}

int main(int argc, char **argv) {
    SSL_CTX *context = argc == 4 ? tls_context(argv[2], argv[3]) : NULL;
    if (!context) {
        fprintf(stderr, "usage: floor PORT SERVER_CERT SERVER_KEY\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (void *)&at, sizeof at) || listen(listener, 1024)) {
        perror("floor");
        return 1;
    }
    poller = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            Conn *c = events[i].data.ptr;
            if (!c) {
                accept_all(listener, context);
                continue;
            }
            if (events[i].events & EPOLLOUT && !c->is_dead && c->is_up) flush(c);
            if (events[i].events & ~EPOLLOUT && !c->is_dead) receive(c);
        }
        finish_turn();
    }
}
