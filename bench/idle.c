/* SPDX-License-Identifier: Apache-2.0
 *
 * idle: connections that are there and do nothing, until stdin closes; then each is asked whether it lives.
 * See load.c.
 */
#define _GNU_SOURCE
#include "idle.h"
#include "client.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROOM = 512, MOST_PROCESSES = 200 };

/* Process k of options.processes has each so-many-th connection, from a loopback address of its own: the ports of
 * one address would not do for all. */
static void hold(int k, int ready, int go) {
    Conn *conns = calloc(options.connections / options.processes + 1, sizeof *conns);
    char from[20], text[200], byte = 0;
    int n = 0, answered = 0;
    snprintf(from, sizeof from, "127.0.0.%d", 2 + k);
    for (int i = k; i < options.connections; i += options.processes, n++) {
        dial(&conns[n], ROOM, from);
        snprintf(text, sizeof text, "%s-idle-%d", options.name, i);
        mqtt_connect(&conns[n], text, 1);
        if (!options.filter) continue;
        snprintf(text, sizeof text, "%s/%d", options.filter, i);
        mqtt_subscribe(&conns[n], text);
    }
    if (write(ready, &byte, 1) != 1) die("the parent process is gone");
    close(ready); /* so that the end of a process that could not open all of its own is seen */
    if (read(go, &byte, 1) != 0) die("the parent process is gone");
    for (; answered < n; answered++) mqtt_ping(&conns[answered]);
    for (int i = 0; i < n; i++) mqtt_disconnect(&conns[i]);
    _exit(0);
}

void idle(void) {
    int ready[2], go[2], status, failed = 0;
    char byte;
    if (options.processes > MOST_PROCESSES) die("too many processes");
    if (pipe(ready) || pipe(go)) die("no pipe");
    for (int k = 0; k < options.processes; k++)
        if (!fork()) {
            close(ready[0]), close(go[1]);
            hold(k, ready[1], go[0]);
        }
    close(ready[1]), close(go[0]);
    double from = now();
    for (int k = 0; k < options.processes; k++)
        if (read(ready[0], &byte, 1) != 1) exit(1); /* who failed has said why */
    printf("open=%d seconds=%.1f\n", options.connections, now() - from);
    fflush(stdout);
    while (read(0, &byte, 1) > 0) continue;
    close(go[1]);
    for (int k = 0; k < options.processes; k++) wait(&status), failed |= status;
    if (failed) exit(1);
    printf("answered=%d\n", options.connections);
}
