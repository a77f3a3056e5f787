/* What the fuzz targets share: parse, and then believe the result, so that a pointer or a count that is wrong is used. */
#ifndef CAISSON_FUZZ_H
#define CAISSON_FUZZ_H

#include "../native/launcher/frame.h"
#include "../native/launcher/plan.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void fuzz_plan(struct span bytes);
void fuzz_job(struct span bytes);

/* Takes a record apart and writes it again: the same bytes. */
void fuzz_rewrite(struct span record);

#endif
