#!/bin/sh
greet() {
  printf '%s %s\n' "$1" "$2"
}
greet hello "$1"
