/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which piece of hardware a device is, and with which libraries it is used: for records and for
 * sums of memory over devices that are the same GPU. Says nothing about speed or state.
 */
#ifndef KERNELS_IDENTITY_H
#define KERNELS_IDENTITY_H

#include "kernels/backend.h"

enum { IDENTITY_LIBRARIES = 4 };

struct identity {
    char name[80]; /* "NVIDIA H200"; "": the CPU */
    char id[48]; /* "GPU-...", a uuid; devices with the same one share their memory. "": the CPU */
    int libraries;
    struct {
        char name[16], version[40];
    } library[IDENTITY_LIBRARIES]; /* of the backend, as far as this process has loaded them */
};

/* Device `ordinal` of the backend need not be open, and is not opened. ST_DEVICE: there is none. */
enum status identity_read(const struct backend_ops *ops, int ordinal, struct identity *out);

/* For backends. */
void identity_add_library(struct identity *identity, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
