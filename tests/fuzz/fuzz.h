/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the fuzz targets share. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A reader over the input: what is missing reads as zero. */
struct input {
	const uint8_t *data;
	size_t left;
};

unsigned int input_byte(struct input *in);
/* Up to @max - 1 bytes, terminated; as many as the next byte of the input says. */
size_t input_text(struct input *in, char *buf, size_t max);

/*
 * tree.c: a system of three devices below tree_root(), of which the input
 * replaces files by links, loops, FIFOs, devices, folders, gigabyte files and
 * binary rubbish.
 */
const char *tree_root(void);
void tree_build(struct input *in);

/* clock.c: from here to the end of the run sleeps take no time. */
void clock_start(void);
extern bool clock_running;
/* cli.c: leave the run as if the process had ended. */
void leave(void) __attribute__((noreturn));

#endif
