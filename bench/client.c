/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "client.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Any key but 0 makes the server unmask; it is the same for all, as nobody is to be protected here. */
static const unsigned char mask[4] = {0x5e, 0x17, 0xc3, 0x29};

double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

void die(const char *what) {
    fprintf(stderr, "load: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

/* --- bytes ---------------------------------------------------------------------------------------------- */

static void put_tls(Conn *c, const unsigned char *bytes, int n) {
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

void put(Conn *c, const unsigned char *bytes, int n) {
    static _Thread_local unsigned char *frame;
    static _Thread_local int size;
    if (!options.websocket) {
        put_tls(c, bytes, n);
        return;
    }
    if (n + 14 > size) frame = realloc(frame, size = n + 14);
    int p = 2;
    frame[0] = 0x82; /* a whole binary message (RFC 6455, 5.2) */
    if (n < 126)
        frame[1] = 0x80 | n;
    else if (n < 65536)
        frame[1] = 0x80 | 126, frame[p++] = n >> 8, frame[p++] = n;
    else {
        frame[1] = 0x80 | 127;
        for (int shift = 56; shift >= 0; shift -= 8) frame[p++] = (long)n >> shift;
    }
    memcpy(frame + p, mask, 4);
    p += 4;
    for (int i = 0; i < n; i++) frame[p + i] = bytes[i] ^ mask[i & 3];
    put_tls(c, frame, p + n);
}

/* Take the frame headers out of `n` new bytes behind in[have]; how many bytes of MQTT are left. */
static int unframe(Conn *c, int n) {
    unsigned char *from = c->in + c->have, *to = from;
    while (n) {
        if (c->frame_left) {
            int part = c->frame_left < n ? c->frame_left : n;
            memmove(to, from, part);
            to += part, from += part, n -= part, c->frame_left -= part;
            continue;
        }
        c->head[c->head_have++] = *from++, n--;
        int kind = c->head[1] & 127, whole = kind < 126 ? 2 : kind == 126 ? 4 : 10;
        if (c->head_have < 2 || c->head_have < whole) continue;
        if (c->head[0] != 0x82) die("the broker sent something else than a whole binary message");
        c->frame_left = kind < 126 ? kind : 0;
        for (int i = 2; i < whole; i++) c->frame_left = c->frame_left << 8 | c->head[i];
        c->head_have = 0;
    }
    return to - (c->in + c->have);
}

int fill(Conn *c) {
    int n = SSL_read(c->tls, c->in + c->have, c->room - c->have);
    if (n <= 0) {
        if (SSL_get_error(c->tls, n) == SSL_ERROR_WANT_READ) return 0;
        die("the broker closed a connection");
    }
    if (options.websocket) n = unframe(c, n);
    c->have += n;
    return n ? n : -1;
}

static void take(Conn *c, unsigned char *bytes, int n, const char *what) {
    while (c->have < n)
        if (!fill(c)) die(what); /* the socket's own patience is at its end */
    memcpy(bytes, c->in, n);
    memmove(c->in, c->in + n, c->have -= n);
}

/* --- a connection --------------------------------------------------------------------------------------- */

static void upgrade(Conn *c) {
    char text[4096];
    int n = snprintf(text, sizeof text,
                     "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                     "Sec-WebSocket-Protocol: mqtt\r\n\r\n",
                     options.websocket, options.sni, options.port);
    if (n >= (int)sizeof text) die("the WebSocket's path is too long");
    put_tls(c, (unsigned char *)text, n);
    /* Byte by byte: what follows the empty line is the first frame's. */
    for (n = 0; n < 4 || memcmp(text + n - 4, "\r\n\r\n", 4); n++)
        if (n + 1 == sizeof text || SSL_read(c->tls, text + n, 1) != 1) die("no answer to the WebSocket upgrade");
    text[n] = 0;
    if (strncmp(text, "HTTP/1.1 101 ", 13)) {
        *strchr(text, '\r') = 0;
        fprintf(stderr, "load: %s\n", text);
        die("the WebSocket upgrade was refused");
    }
}

void dial(Conn *c, int room, const char *from) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(options.port)};
    struct sockaddr_in local = {.sin_family = AF_INET};
    struct timeval patience = {PATIENCE, 0};
    int one = 1;
    inet_pton(AF_INET, options.host, &to.sin_addr);
    if ((c->fd = socket(AF_INET, SOCK_STREAM, 0)) < 0) die("no socket: too many open files?");
    if (from) {
        inet_pton(AF_INET, from, &local.sin_addr);
        setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(c->fd, (void *)&local, sizeof local)) die("a source address of the loopback cannot be bound");
    }
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (void *)&to, sizeof to)) die("the broker does not accept");
    c->tls = SSL_new(context);
    SSL_set_fd(c->tls, c->fd);
    SSL_set_tlsext_host_name(c->tls, options.sni);
    if (SSL_connect(c->tls) != 1) die("the TLS handshake failed");
    c->in = malloc(c->room = room);
    if (options.websocket) upgrade(c);
}

int put_length(unsigned char *at, int n) { /* [MQTT-2.2.3] */
    int i = 0;
    do {
        at[i] = n % 128;
        n /= 128;
        if (n) at[i] |= 128;
        i++;
    } while (n);
    return i;
}

int put_text(unsigned char *at, const char *text) {
    int n = strlen(text);
    at[0] = n >> 8, at[1] = n & 255;
    memcpy(at + 2, text, n);
    return 2 + n;
}

int packet_at(const Conn *c, int at, int *body) {
    int length = 0, shift = 0, p = at + 1, whole = 0;
    while (p < c->have && !whole) {
        length |= (c->in[p] & 127) << shift;
        shift += 7;
        whole = !(c->in[p++] & 128);
    }
    *body = p;
    return whole && p + length <= c->have ? p + length - at : 0;
}

void mqtt_connect(Conn *c, const char *client, int clean) {
    unsigned char b[300] = {0x10}, answer[4];
    int p = 1 + put_length(b + 1, 12 + strlen(client));
    memcpy(b + p, "\0\4MQTT\4\0\4\xb0", 10); /* 3.1.1, keep alive 1200 s */
    b[p + 7] = clean ? 2 : 0;
    p += 10;
    p += put_text(b + p, client);
    put(c, b, p);
    take(c, answer, 4, "no CONNACK");
    if (answer[0] != 0x20 || answer[3]) die("CONNECT was refused");
}

void mqtt_subscribe(Conn *c, const char *filter) {
    unsigned char b[300] = {0x82}, answer[5];
    int p = 1 + put_length(b + 1, 5 + strlen(filter));
    b[p++] = 0, b[p++] = 1;
    p += put_text(b + p, filter);
    b[p++] = options.qos;
    put(c, b, p);
    take(c, answer, 5, "no SUBACK");
    if (answer[0] != 0x90 || answer[4] != options.qos) die("SUBSCRIBE was refused");
}

void mqtt_ping(Conn *c) {
    unsigned char answer[2];
    put(c, (const unsigned char *)"\xc0\0", 2);
    take(c, answer, 2, "no PINGRESP");
    if (answer[0] != 0xd0) die("no PINGRESP but another packet");
}

void mqtt_disconnect(Conn *c) {
    put(c, (const unsigned char *)"\xe0\0", 2);
    SSL_free(c->tls);
    close(c->fd);
    free(c->in);
}

void describe_tls(Conn *c) {
    X509 *leaf = SSL_get_peer_certificate(c->tls);
    EVP_PKEY *server = X509_get_pubkey(leaf);
    const EC_KEY *curve = EVP_PKEY_base_id(server) == EVP_PKEY_EC ? EVP_PKEY_get0_EC_KEY(server) : NULL;
    char kind[80];
    if (curve)
        snprintf(kind, sizeof kind, "%s", OBJ_nid2sn(EC_GROUP_get_curve_name(EC_KEY_get0_group(curve))));
    else
        snprintf(kind, sizeof kind, "%s-%d", OBJ_nid2sn(EVP_PKEY_base_id(server)), EVP_PKEY_bits(server));
    snprintf(tls_text, sizeof tls_text, "%s,%s,%s", SSL_get_version(c->tls), SSL_get_cipher_name(c->tls), kind);
    EVP_PKEY_free(server);
    X509_free(leaf);
}
