#!/bin/bash
for ((i = 5; i > 0; i--)); do
  echo "$i"
done
