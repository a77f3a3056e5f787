export function primes(limit) {
  const sieve = new Uint8Array(limit + 1);
  const found = [];
  for (let n = 2; n <= limit; n++) {
    if (sieve[n]) continue;
    found.push(n);
    for (let m = n * n; m <= limit; m += n) sieve[m] = 1;
  }
  return found;
}
