/* SPDX-License-Identifier: Apache-2.0
 *
 * client: one MQTT 3.1.1 connection over mutual TLS, or over WebSocket in TLS. See load.c.
 */
#ifndef CLIENT_H
#define CLIENT_H
#include <openssl/ssl.h>

enum { PATIENCE = 10 }; /* seconds */

struct Options {
    const char *host, *sni, *cert, *key, *name, *websocket, *filter;
    int port, pairs, fan, window, payload, qos, processes, connections, persistent, away, watch;
    double warm, seconds, rate;
};
extern struct Options options;
extern SSL_CTX *context;
extern char tls_text[120];

struct Pair;

typedef struct Conn {
    int fd, have, room; /* in[0..have) is MQTT, whatever it travelled in; room: how much `in` holds */
    SSL *tls;
    struct Pair *pair;
    long delivered; /* PUBLISHes that have come, counted by flow.c */
    unsigned char *in;
    /* WebSocket: payload bytes of the frame that are still to come, and a header that has come in part. */
    long frame_left;
    int head_have;
    unsigned char head[10];
} Conn;

double now(void);
void die(const char *what) __attribute__((noreturn));

/* Open TCP, TLS and, if options.websocket is its path, the WebSocket; `from` is the source address or NULL.
 * Blocking, as are the four after it. */
void dial(Conn *c, int room, const char *from);
void mqtt_connect(Conn *c, const char *client, int clean);
void mqtt_subscribe(Conn *c, const char *filter);
void mqtt_ping(Conn *c);
void mqtt_disconnect(Conn *c);

/* Write all of it, waiting for room; one frame if it is a WebSocket. */
void put(Conn *c, const unsigned char *bytes, int n);
/* Read once into `in`; 0 when a non-blocking connection has nothing now. May read nothing but frame headers:
 * then it answers -1. */
int fill(Conn *c);
/* The first packet of in[at..have): its length with header, 0 if it is not whole; *body is where its variable
 * header begins. */
int packet_at(const Conn *c, int at, int *body);

int put_length(unsigned char *at, int n);
int put_text(unsigned char *at, const char *text);
void describe_tls(Conn *c);
#endif
