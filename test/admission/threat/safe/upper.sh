#!/bin/bash
word=$1
printf '%s\n' "${word^^}"
