/**
 * Policies as YAML: the normalised one in full, and a commented one to start from.
 */
import { stringify } from 'yaml';
import { digestPolicy } from './digest.ts';
import type { Policy } from './policy.ts';
import { type ProfileName, profiles } from './profiles.ts';
import { documentOf } from './to-document.ts';

/** YAML of everything the policy says, every default written out. Parsed again, it has the same digest. */
export function showPolicy(policy: Policy): string {
  return `# ${digestPolicy(policy)}\n${stringify(documentOf(policy), { lineWidth: 0 })}`;
}

/** A policy file to start from: builds on the profile, and shows what else one may say. */
export function initPolicy(profile: ProfileName): string {
  return `# ${profiles[profile].summary}
# Look at all of it:      caisson policy show FILE
# What enforces it here:  caisson explain FILE
version: 1
name: my-${profile}
extends: ${profile}

filesystem:
  # Paths are absolute, below the workspace (src), or below the home (~/data).
  # A ! in front carves out: "!src/secrets".
  read: []
  # - /srv/data
  write: []
  # - out

network:
  # none: no network. filtered: what allow names. full: anything.
  mode: none
  # mode: filtered
  # allow: [pypi.org, "*.pythonhosted.org", "10.0.0.0/8:5432"]

environment:
  # Names taken over from your environment, beyond the harmless ones (PATH, LANG, TERM ...):
  # naming any replaces those, so repeat what you need.
  # pass: [PATH, LANG, "LC_*", TERM, MY_TOKEN]
  set: {}

limits:
  # Sizes (512MiB), durations (30s), plain numbers; null lifts a limit where the level allows it.
  timeout: 10m
  memory: 2GiB
`;
}
