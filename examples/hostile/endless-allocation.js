// Hostile: takes memory without end, as soon as it is called.
// Families: resource-abuse. As a package: ordinary.
export function exhaust() {
  const kept = [];
  while (true) kept.push(new Uint8Array(1024));
}
