/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IDLE_H
#define IDLE_H
void idle(void);
#endif
