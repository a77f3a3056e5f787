/* Writing the records of trace.h: fields are collected, a record that was written before is dropped. */
#ifndef CAISSON_TRACE_RECORD_H
#define CAISSON_TRACE_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

void record_to(int fd);
/* Whether `key` was asked about before; remembers it. */
bool record_seen(const void *key, size_t length, unsigned long long salt);
void record_begin(const char *name);
/* Up to `length` bytes or the first NUL. */
void record_text(const char *text, size_t length);
void record_word(const char *text);
void record_number(long long value);
void record_end(void);
/* What is waiting. The first failure is kept: without a reader there is nothing to go on for. */
struct err record_flush(void);

#endif
