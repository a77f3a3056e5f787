/**
 * The start function becomes an export. An engine would call it while it instantiates, when the host has not yet been
 * able to set fuel and stack; so the host calls it itself, first of all.
 */
import type { Module } from '../module.ts';
import { addExport, START_EXPORT } from './reserved-exports.ts';

export function deferStart(module: Module): Module {
  if (module.start === undefined) return module;
  return addExport({ ...module, start: undefined }, START_EXPORT, 'function', module.start);
}
