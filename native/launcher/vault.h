/* The holder of secrets: values in memory that neither /proc/PID/mem nor ptrace nor the kernel's own map reads. */
#ifndef CAISSON_VAULT_H
#define CAISSON_VAULT_H

#include <stdbool.h>

#include "err.h"
#include "wire.h"

/* Bytes of one value; headers that carry more are refused by most servers. */
enum { VAULT_VALUE_MAX = 16384, VAULT_VALUES_MAX = 4096 };

/* Requests: u8 operation, u32 id, u32 length, bytes. Replies, in order: i32 errno, u32 id, u32 length, bytes. Little-endian
   (protocol/PROTOCOL.md, "Vault"). */
enum vault_operation { VAULT_PUT = 1, VAULT_DROP = 2, VAULT_COUNT = 3, VAULT_GET = 4 };

/* Serves until `owner` is closed; then every value has been overwritten. The owner puts, drops and counts; the reader gets,
   and may be closed before. `ordinary`: locked memory that is in no core file, for kernels without memfd_secret(2). */
struct err vault_run(int owner, int reader, bool ordinary);

/* Fact 29: errno of memory made with memfd_secret(2). */
void vault_facts(struct out *out);

#endif
