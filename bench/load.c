/* SPDX-License-Identifier: Apache-2.0
 *
 * load: an MQTT 3.1.1 client by the thousand, over mutual TLS, that costs little beside the broker it loads.
 *
 *   load flow     N publishers, each with a topic and F subscribers of its own, W messages in flight per topic
 *                 --rate R: R messages a second in all instead, each sent when it is due
 *                 --persistent 1: the subscribers' sessions are persistent ones
 *                 --away 1 (with --fan 0): one persistent session has subscribed to all topics, and left
 *   load connect  C processes that make full handshakes, CONNECT, CONNACK and DISCONNECT one after another
 *   load idle     N connections in C processes, until stdin closes; --filter F: number i subscribes to F/i
 *
 * --websocket PATH: MQTT over WebSocket (a path with its signed query), without a client certificate.
 *
 * A message is in flight until its last subscriber has it and, with QoS 1, its PUBACK is back as well. `flow`
 * measures for S seconds after a warm-up, then waits for what is still in flight: a lost message is an error.
 * The server's certificate is not checked: that would cost this side only, on cores that both sides share.
 *
 * --watch PID: the CPU that the process's first thread takes for a message is looked at as well (flow).
 *
 * One line on stdout:  per_second=N [cpu_us=N] [p50_us=N p99_us=N] tls=VERSION,CIPHER,SERVER_KEY
 * per_second is deliveries (flow; with --away PUBACKs) or CONNACKs (connect); p50 and p99 are of the round trip,
 * where W is 1, and with --rate from when a message was due until its subscriber had it.
 * `idle` prints open=N seconds=S when all are open, and answered=N when all have answered a PINGREQ at the end.
 */
#define _GNU_SOURCE
#include "client.h"
#include "flow.h"
#include "idle.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_PROCESSES = 256, ROOM = 512 };

struct Options options = {
    .host = "127.0.0.1", .sni = "localhost", .name = "bench", .port = 8883, .pairs = 1, .fan = 1, .window = 1,
    .payload = 200, .processes = 20, .connections = 1, .warm = 0.25, .seconds = 2,
};
SSL_CTX *context;
char tls_text[120];

/* --- connect -------------------------------------------------------------------------------------------- */

static void connects(void) {
    /* Shared with the children: each counts for itself. */
    struct { long count[MOST_PROCESSES]; char tls[sizeof tls_text]; } *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t children[MOST_PROCESSES];
    double from = now() + options.warm, until = from + options.seconds;
    if (options.processes > MOST_PROCESSES) die("too many processes");
    for (int k = 0; k < options.processes; k++)
        if (!(children[k] = fork())) {
            for (long i = 0; now() < until; i++) {
                Conn c = {0};
                char client[100];
                dial(&c, ROOM, NULL);
                snprintf(client, sizeof client, "%s-%d-%ld", options.name, k, i);
                mqtt_connect(&c, client, 1);
                double t = now();
                shared->count[k] += t >= from && t < until;
                if (!i && !k) describe_tls(&c), memcpy(shared->tls, tls_text, sizeof tls_text);
                mqtt_disconnect(&c);
            }
            _exit(0);
        }
    long total = 0;
    int failed = 0, status;
    for (int k = 0; k < options.processes; k++) {
        waitpid(children[k], &status, 0);
        failed |= status;
        total += shared->count[k];
    }
    if (failed) exit(1);
    printf("per_second=%.0f tls=%s\n", total / options.seconds, shared->tls);
}

static void make_context(void) {
    context = SSL_CTX_new(TLS_client_method());
    if (options.cert && (SSL_CTX_use_certificate_chain_file(context, options.cert) != 1 ||
                         SSL_CTX_use_PrivateKey_file(context, options.key, SSL_FILETYPE_PEM) != 1))
        die("the client's certificate and key do not load");
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
}

int main(int argc, char **argv) {
    struct Options *o = &options;
    struct { const char *name; const char **text; int *number; double *real; } known[] = {
        {"--host", .text = &o->host}, {"--port", .number = &o->port}, {"--sni", .text = &o->sni},
        {"--cert", .text = &o->cert}, {"--key", .text = &o->key}, {"--name", .text = &o->name},
        {"--websocket", .text = &o->websocket}, {"--filter", .text = &o->filter},
        {"--pairs", .number = &o->pairs}, {"--fan", .number = &o->fan}, {"--window", .number = &o->window},
        {"--payload", .number = &o->payload}, {"--qos", .number = &o->qos},
        {"--processes", .number = &o->processes}, {"--connections", .number = &o->connections},
        {"--persistent", .number = &o->persistent}, {"--away", .number = &o->away},
        {"--watch", .number = &o->watch},
        {"--warm", .real = &o->warm}, {"--seconds", .real = &o->seconds}, {"--rate", .real = &o->rate},
    };
    int count = sizeof known / sizeof *known;
    for (int a = 2; a < argc; a += 2) {
        int k = 0;
        while (k < count && strcmp(argv[a], known[k].name)) k++;
        if (k == count || a + 1 == argc) die("an option is unknown or lacks its value");
        if (known[k].text) *known[k].text = argv[a + 1];
        else if (known[k].number) *known[k].number = atoi(argv[a + 1]);
        else *known[k].real = atof(argv[a + 1]);
    }
    if (argc < 2 || (!o->websocket && !(o->cert && o->key)))
        die("usage: load flow|connect|idle --port P (--cert FILE --key FILE | --websocket PATH) …");
    if (o->away ? o->fan || !o->qos : !o->fan)
        die("away goes with fan 0 and QoS 1; otherwise there is a subscriber");
    if (o->rate && (o->fan != 1 || o->payload < (int)sizeof(double)))
        die("a rate goes with pairs, and a payload of 8 bytes");
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    make_context();
    if (!strcmp(argv[1], "flow")) flow();
    else if (!strcmp(argv[1], "connect")) connects();
    else if (!strcmp(argv[1], "idle")) idle();
    else die("the mode is flow, connect or idle");
    return 0;
}
