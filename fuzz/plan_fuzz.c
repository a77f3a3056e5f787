/* A plan file: as it is, and with its header made right, so that what is behind it is reached however the length changed. */
#include <stdlib.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_plan((struct span){data, size});
  if (size < 16) return 0;
  uint8_t *fixed = malloc(size);
  memcpy(fixed, data, size);
  memcpy(fixed, "CAISPLAN\1\0\0\0", 12);
  for (unsigned i = 0; i < 4; i++) fixed[12 + i] = (uint8_t)((size - 16) >> (8 * i));
  fuzz_plan((struct span){fixed, size});
  free(fixed);
  return 0;
}
