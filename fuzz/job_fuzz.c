/* A job record. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_job((struct span){data, size});
  fuzz_rewrite((struct span){data, size});
  return 0;
}
